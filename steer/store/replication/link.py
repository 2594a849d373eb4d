"""Two ends of a namespace: this site's engine and a peer's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from steer.store.engine import Changed, Cursor, Engine, Position
from steer.store.layout import Space
from steer.store.stamp import COUNTER_LIMIT, NEVER, parts_of

FIRST_CLOCK = NEVER[:17]
"""Of a bucket in which nothing was ever written: or whose engine has lost all that it knew."""
PAGE = 500
"""Rows of a change index in one call."""


@dataclass(frozen=True, slots=True)
class End:
    """One site's engine, with the namespace as that site sees it."""

    engine: Engine
    space: Space

    @property
    def site(self) -> int:
        return self.space.site


@dataclass(frozen=True, slots=True)
class Link:
    """What one site does towards another."""

    own: End
    peer: End

    @property
    def reversed(self) -> Link:
        return Link(self.peer, self.own)

    def __str__(self) -> str:
        return f"{self.own.space.name} {self.own.site} -> {self.peer.site}"


def space_at(space: Space, site: int) -> Space:
    """The same namespace as another of its sites sees it."""
    everyone = {space.site, *space.peers}
    return replace(space, site=site, peers=tuple(sorted(everyone - {site})))


def is_cold(position: Position) -> bool:
    return position.clock == FIRST_CLOCK


def cursor_at(position: Position) -> Cursor:
    """All that the outbox and the change index hold now: the clock is never earlier than the last entry's id."""
    clock = parts_of(position.clock)
    return Cursor(f"{clock.ms}-{clock.counter}", position.sequence, position.generation)


def place_of(cursor: Cursor) -> tuple[int, int]:
    """Milliseconds and counter of the last entry read."""
    ms, _, counter = cursor.id.partition("-")
    return int(ms), int(counter or 0)


def score_at(cursor: Cursor) -> int:
    """The cursor's place in a change index."""
    ms, counter = place_of(cursor)
    return ms * COUNTER_LIMIT + counter


def clock_at(cursor: Cursor) -> str:
    """17 digits, to compare with stamps."""
    ms, counter = place_of(cursor)
    return f"{ms:013d}{counter:04d}"


async def pages(end: End, bucket: int, low: int) -> AsyncIterator[list[Changed]]:
    """The change index from a score on. A row that is rewritten meanwhile moves to its end: so each page begins where
    the last one ended, by score and not by number, and none is passed over."""
    offset = 0
    while page := await end.engine.changes(end.space, bucket, low, offset, PAGE):
        yield page
        if len(page) < PAGE:
            return
        low, offset = (low, offset + PAGE) if page[-1].score == low else (page[-1].score, 0)
