"""Weighted rendezvous hashing: who takes a key, the same on every edge and worker, without a table that they share.

For a key each candidate draws a number that depends on nothing but the two names; the one with the least of
`-ln(number) / weight` takes the key. So each gets its share by weight, and a candidate that goes, comes or changes its
weight moves only the keys that it loses or gains (D. Thaler and C. Ravishankar, "Using name-based mappings to increase
hit rates", IEEE/ACM Transactions on Networking 6 (1998), 1-14; with weights: C. Schindelhauer and G. Schomaker,
"Weighted distributed hash tables", SPAA 2005). BLAKE2b, because Python's own hash differs from process to process.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from math import log

MOST_NAMES = 4096
"""Names whose hash is kept begun, 0.5 KiB each: those of nodes and datacentres, so as many as a large site has."""


def ranked(names: Sequence[str], weights: Sequence[float], key: bytes) -> list[int]:
    """The indices of the candidates with weight, the one that takes the key first, then who would in its place."""
    distances = [
        (-log(draw(name, key)) / weight, i)
        for i, (name, weight) in enumerate(zip(names, weights, strict=True))
        if weight > 0
    ]
    distances.sort()
    return [index for _, index in distances]


def draw(name: str, key: bytes) -> float:
    """Above 0, at most 1; even over all keys, and independent for each name."""
    hash = _begun(name).copy()
    hash.update(key)
    return ((int.from_bytes(hash.digest()) >> 11) + 0.5) * 2.0**-53


@lru_cache(MOST_NAMES)
def _begun(name: str) -> blake2b:
    return blake2b(name.encode() + b"\0", digest_size=8)
