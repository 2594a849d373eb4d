"""One learned key as the store keeps it.

    key     `learned.digest`, 16 bytes
    value   JSON: service, datacentre, first seen
    life    until it is idle for too long, or too old; an end is a tombstone

The namespace is steer's own: no door reaches it.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, Final

from steer.store.layout import Space
from steer.store.stamp import parts_of
from steer.store.state import DELETED, State, value_of, value_stamp

NAME: Final = "_steer.affinity"
"""No namespace of a configuration begins so."""
LIFETIME: Final = 86_400.0
"""Seconds without a refresh, and of a tombstone. Who is idle for longer may be known at one edge only."""
VALUE_BYTES: Final = 1024

Row = list[Any]
"""A record or an end, as `shared.SHARED` says."""


def space(site: int, peers: tuple[int, ...]) -> Space:
    """Few buckets, because each is looked at. Keys alone are never too far behind."""
    return Space(NAME, site, peers, LIFETIME, max_pending=1 << 53, outbox=2000, buckets=16)


@dataclass(frozen=True, slots=True)
class Stored:
    """What the engine has of one key. `until`, `ended`: wall seconds of this edge; `ended` 0: it has not."""

    service: str = ""
    datacentre: str = ""
    first: float = 0.0
    until: float = 0.0
    stamp: str = ""
    ended: float = 0.0


NOTHING: Final = Stored()


def read(state: State | None, ahead: float, now: float) -> Stored:
    """`ahead`: seconds that the engine's clock is ahead of this edge's."""
    if state is None:
        return NOTHING
    if state.base.kind == DELETED and not state.fields:
        return Stored(ended=parts_of(state.base.stamp).ms / 1000 - ahead)
    value, until = value_of(state), state.deadline.ms / 1000 - ahead
    parts = _parts(value) if isinstance(value, bytes) and until > now else None
    return Stored(*parts, until, value_stamp(state)) if parts is not None else NOTHING


def _parts(value: bytes) -> tuple[str, str, float] | None:
    """None for what this module does not write."""
    try:
        match json.loads(value) if len(value) <= VALUE_BYTES else None:
            case [str(service), str(datacentre), float(first)] if math.isfinite(first):
                return service, datacentre, first
    except (ValueError, RecursionError):
        pass
    return None


def packed(service: str, datacentre: str, first: float) -> bytes:
    """The value of a record."""
    return json.dumps([service, datacentre, float(first)]).encode()


def put_row(key: bytes, found: Stored, records: list[Row], gone: list[Row]) -> None:
    """Adds it to what control is told."""
    if found.ended:
        gone.append([key, found.ended])
    elif found.stamp:
        records.append([key, found.service, found.datacentre, found.first, found.until])
