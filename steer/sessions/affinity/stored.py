"""Learned keys in the store: the store process writes what its control tells, and tells it what others have written.

**Who is right**: at one site the claim that came first. A write has the condition that the record is as it was read; a
later claim for another datacentre only refreshes it, unless it says that it has moved from where the record is. Of
two sites that claim one key before they have heard of each other, the store's later stamp: every engine comes to that
by itself, so all edges agree. The time of the claims would not do: it is of the edges' clocks, and engines merge by
stamps. A refresh changes the record's deadline and nothing else, so that it never undoes a move at the other site.

What has changed is read from the change indexes: often what is new by its stamp, and seldom, a page at a time, all of
it: what another site had for us while the way was cut is not new by then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from typing import Final, TypeVar

from steer.clock import Clock
from steer.sessions.affinity.learned import MOST_KEYS
from steer.sessions.affinity.stored_record import NOTHING, Row, Stored, packed, put_row, read
from steer.store.engine import Changed, Engine
from steer.store.errors import Conflict, StoreError
from steer.store.layout import Space
from steer.store.model import How
from steer.store.namespace import EngineNamespace
from steer.store.stamp import COUNTER_LIMIT

LOOK_EVERY: Final = 0.3
OVERLAP_MS: Final = 6000
"""What is looked at again each time: clocks may differ by 5 s, and a second is for the way."""
WALK_EVERY: Final = 4
"""Looks between two pages of the walk through everything."""
PAGE: Final = 2000
"""Rows of a page: the walk through a full table takes 40 s."""
AT_ONCE: Final = 64
"""Writes, or records read, in one go."""
MOST_SEEN: Final = 2 * MOST_KEYS
"""Keys whose last change is remembered. What is forgotten is told once more."""
TRIES: Final = 3
KEY_BYTES: Final = 16

T = TypeVar("T")
Write = Callable[[Row, Stored], Awaitable[Stored]]
"""What holds after it where that is not what was wanted, else NOTHING."""


class StoredKeys:
    """`run` for ever. `tell` sends a batch's number, records and ends to control (`shared.SHARED`); `can_tell` says
    whether they would go out now."""

    def __init__(
        self,
        engine: Engine,
        space: Space,
        clock: Clock,
        tell: Callable[[int, list[Row], list[Row]], None],
        can_tell: Callable[[], bool],
    ) -> None:
        self._engine = engine
        self._space = space
        self._clock = clock
        self._namespace = EngineNamespace(engine, space, clock=clock)
        self._tell = tell
        self._can_tell = can_tell
        self._batch: tuple[int, list[Row], list[Row]] | None = None
        self._has_batch = asyncio.Event()
        self._is_wanted = False
        self._seen: dict[bytes, int] = {}
        self._looks = 0
        self._walk = (0, 0)
        """The bucket and the row in it where the next page begins."""
        self._ahead = 0.0

    def __repr__(self) -> str:
        return f"<StoredKeys [{len(self._seen)} seen]>"

    # Control's side...

    def begin_anew(self) -> None:
        """Another control process, which wants to hear everything."""
        self._seen.clear()
        self._walk = (0, 0)
        self._looks = 0
        self._is_wanted = True

    def take(self, number: int, claims: list[Row], ends: list[Row]) -> None:
        """One batch at a time: control sends the next when this one is answered, or the same again when it is not."""
        self._batch = number, claims, ends
        self._has_batch.set()

    async def run(self) -> None:
        """An engine that does not answer: control sends the batch again, and the next look sees what is new."""
        look_at = self._clock.monotonic()
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._has_batch.wait(), max(0.0, look_at - self._clock.monotonic()))
            with suppress(StoreError):
                await self._write()
            if self._clock.monotonic() >= look_at:
                look_at = self._clock.monotonic() + LOOK_EVERY
                with suppress(StoreError):
                    await self.look()

    # Writing...

    async def _write(self) -> None:
        self._has_batch.clear()
        batch, self._batch = self._batch, None
        if batch is not None:
            await self.write(*batch)

    async def write(self, number: int, claims: list[Row], ends: list[Row]) -> None:
        """Tells control when it is done, and what holds instead of a claim. Raises StoreError."""
        await self._learn_the_time()
        for some in _cut(ends, AT_ONCE):
            await self._each(self._end, some)
        records: list[Row] = []
        gone: list[Row] = []
        for some in _cut(claims, AT_ONCE):
            for row, found in zip(some, await self._each(self._claim, some), strict=True):
                put_row(row[0], found, records, gone)
        self._tell(number, records, gone)

    async def _each(self, write: Write, rows: Sequence[Row]) -> list[Stored]:
        """All have ended when one has failed."""
        found = await self._read([row[0] for row in rows])
        writes = [self._until_it_holds(write, row, each) for row, each in zip(rows, found, strict=True)]
        results: list[Stored] = []
        for result in await asyncio.gather(*writes, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
            results.append(result)
        return results

    async def _until_it_holds(self, write: Write, row: Row, found: Stored) -> Stored:
        """Somebody else may write between the reading and the writing."""
        for _ in range(TRIES):
            try:
                return await write(row, found)
            except Conflict:
                (found,) = await self._read([row[0]])
        return found

    async def _end(self, row: Row, found: Stored) -> Stored:
        """A conversation that began afterwards under the same key goes on."""
        key, at = row
        if not found.ended and found.first <= at:
            await self._namespace.delete(key, condition=found.stamp or None)
        return NOTHING

    async def _claim(self, row: Row, found: Stored) -> Stored:
        key, service, datacentre, first, until, moved_from = row
        if first <= found.ended:
            return found
        ttl = until - self._clock.wall()
        if ttl <= 0:
            return NOTHING
        if found.stamp and (datacentre == found.datacentre or moved_from != found.datacentre):
            if until - found.until > 1:
                await self._namespace.touch(key, ttl)
            return NOTHING if datacentre == found.datacentre else found
        value = packed(service, datacentre, first)
        await self._namespace.put(key, value, ttl, How(condition=found.stamp or "absent"))
        return NOTHING

    # Looking...

    async def look(self) -> None:
        """Tells control what it has not heard. Raises StoreError."""
        if not self._is_wanted or not self._can_tell():
            return
        engine_ms = await self._learn_the_time()
        rows = await self._new_rows((engine_ms - OVERLAP_MS) * COUNTER_LIMIT)
        if self._looks % WALK_EVERY == 0:
            rows += await self._page()
        self._looks += 1
        fresh = {
            row.key: row.score for row in rows if self._seen.get(row.key) != row.score and len(row.key) == KEY_BYTES
        }
        for some in _cut(list(fresh), PAGE):
            await self._tell_of(some)
            self._remember({key: fresh[key] for key in some})

    async def _tell_of(self, keys: Sequence[bytes]) -> None:
        records: list[Row] = []
        gone: list[Row] = []
        for key, found in zip(keys, await self._read(keys), strict=True):
            put_row(key, found, records, gone)
        if records or gone:
            self._tell(0, records, gone)

    def _remember(self, scores: dict[bytes, int]) -> None:
        for key, score in scores.items():
            self._seen.pop(key, None)
            self._seen[key] = score
        while len(self._seen) > MOST_SEEN:
            del self._seen[next(iter(self._seen))]

    async def _new_rows(self, low: int) -> list[Changed]:
        found = await asyncio.gather(*(self._rows(bucket, low) for bucket in range(self._space.buckets)))
        return [row for rows in found for row in rows]

    async def _rows(self, bucket: int, low: int) -> list[Changed]:
        rows: list[Changed] = []
        while len(page := await self._engine.changes(self._space, bucket, low, len(rows), PAGE)) == PAGE:
            rows += page
        return rows + page

    async def _page(self) -> list[Changed]:
        """Goes on where the last one ended: all of a small table, a part of a large one."""
        rows: list[Changed] = []
        bucket, offset = self._walk
        for _ in range(self._space.buckets):
            room = PAGE - len(rows)
            page = await self._engine.changes(self._space, bucket, 0, offset, room)
            rows += page
            if len(page) == room:
                offset += room
                break
            bucket, offset = (bucket + 1) % self._space.buckets, 0
        self._walk = bucket, offset
        return rows

    async def _read(self, keys: Sequence[bytes]) -> list[Stored]:
        now = self._clock.wall()
        found: list[Stored] = []
        for some in _cut(keys, AT_ONCE):
            states = await self._engine.states(self._space, some)
            found += [read(state, self._ahead, now) for state in states]
        return found

    async def _learn_the_time(self) -> int:
        engine_ms = await self._engine.time_ms()
        self._ahead = engine_ms / 1000 - self._clock.wall()
        return engine_ms


def _cut(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[at : at + size] for at in range(0, len(items), size))
