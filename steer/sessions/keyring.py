"""A ring of keys, of affinity's cookies or of sessions: one that seals, several that open. Pure.

    next ──second step──> active ──second step of the following rotation──> old ──nobody needs it──> gone

A rotation has two steps, because a cookie that another process or edge cannot open would move its client. The first
adds a key that only opens, so that whoever reads the file knows it; the second makes it the one that seals. The key
before it goes on to open for as long as a cookie that it sealed may live.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from enum import StrEnum

from steer.errors import Unacceptable

KEY_BYTES = 32
"""AES-256."""
ID_BYTES = 4
"""Enough to tell a few keys apart; two of a ring are never alike, because a new one is drawn until it is another."""
MOST_KEYS = 8
"""Two rotations while the longest-lived cookie of the last ones is still out leave five. More is a file gone wrong."""
KNOWN_AFTER = 10.0
"""Seconds between the two steps: every worker reads a changed file within three, a shared folder may take its time."""


class KeyState(StrEnum):
    NEXT = "next"
    ACTIVE = "active"
    OLD = "old"


@dataclass(frozen=True, slots=True)
class Key:
    """`id` is 8 hexadecimal digits. `made` and `until` are wall times; `until`: an old key opens no longer."""

    id: str
    secret: bytes = field(repr=False)
    state: KeyState
    made: float
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Ring:
    """Exactly one key is active, at most one is next."""

    keys: tuple[Key, ...]

    @property
    def active(self) -> Key:
        return next(key for key in self.keys if key.state is KeyState.ACTIVE)

    @property
    def next(self) -> Key | None:
        return next((key for key in self.keys if key.state is KeyState.NEXT), None)


def first_ring(now: float) -> Ring:
    return Ring((_new_key(frozenset(), KeyState.ACTIVE, now),))


def rotated(ring: Ring, now: float, longest_idle: float) -> Ring:
    """The ring after the next step. `longest_idle`: seconds for which a cookie is good, of the service with the most.

    Raises Unacceptable while it is too early.
    """
    kept = tuple(key for key in ring.keys if key.until is None or key.until > now)
    if ring.next is None:
        return _with_next(kept, now)
    if now < ring.next.made + KNOWN_AFTER:
        wait = f"again in {ring.next.made + KNOWN_AFTER - now:.0f} s, and when every other edge has the file"
        raise Unacceptable(f"key {ring.next.id} is too new: not every process may know it", wait)
    return Ring(tuple(_stepped(key, now, longest_idle) for key in kept))


def _with_next(keys: tuple[Key, ...], now: float) -> Ring:
    if len(keys) >= MOST_KEYS:
        ends = min((key.until for key in keys if key.until is not None), default=now)
        raise Unacceptable(f"there are {len(keys)} keys", f"the oldest is needed for {ends - now:.0f} s more")
    return Ring((*keys, _new_key(frozenset(key.id for key in keys), KeyState.NEXT, now)))


def _stepped(key: Key, now: float, longest_idle: float) -> Key:
    if key.state is KeyState.NEXT:
        return replace(key, state=KeyState.ACTIVE)
    if key.state is KeyState.ACTIVE:
        # Twice: another edge may seal with it for as long as the operator takes to copy the file.
        return replace(key, state=KeyState.OLD, until=now + 2 * longest_idle)
    return key


def _new_key(taken: frozenset[str], state: KeyState, now: float) -> Key:
    id = secrets.token_hex(ID_BYTES)
    while id in taken:
        id = secrets.token_hex(ID_BYTES)
    return Key(id, secrets.token_bytes(KEY_BYTES), state, now)
