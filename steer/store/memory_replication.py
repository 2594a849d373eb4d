"""What the memory engine does for replication, and how it keeps what it does: decided, logged, done, in that order."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import reduce
from hashlib import sha1
from operator import xor

from steer.clock import Clock, SystemClock
from steer.store.clocks import Anchored
from steer.store.codec import pack_field, pack_head
from steer.store.engine import (
    DIGEST_LIMIT,
    Applied,
    Batch,
    Changed,
    Cursor,
    Digest,
    Entry,
    Outcome,
    Position,
)
from steer.store.layout import Space
from steer.store.memory_log import Log, Operations
from steer.store.memory_shelf import Bucket, Kept, Operation, Shelf, place_of, record
from steer.store.merge import merge
from steer.store.stamp import parts_of, witness
from steer.store.state import DELETED, UNKNOWN, State, forgotten_ms, last_stamp, value_of

CONFLICT_MS = 2000
"""As in apply.lua: two sites' writes this close are a conflict: neither client can have seen the other's."""


class MemoryReplication:
    """The half of `MemoryEngine` that other sites ask for."""

    def __init__(self, log: Log | None = None, clock: Clock | None = None) -> None:
        self._log = log
        self._clock = Anchored(clock or SystemClock())
        self._shelves: dict[str, Shelf] = {}
        self._news = asyncio.Condition()
        self._incarnation = os.urandom(8).hex()
        for name, operations in log.read() if log else ():
            self._shelf(name).do(operations)
        for shelf in self._shelves.values():
            shelf.count_backlog()

    def _shelf(self, name: str) -> Shelf:
        found = self._shelves.get(name)
        if found is None:
            found = self._shelves[name] = Shelf()
        return found

    def _now(self) -> int:
        return self._clock.now_ms()

    def _do(self, name: str, operations: list[Operation], kept: Kept | None = None) -> None:
        """Logged first: what cannot be logged does not happen. `kept` is for `Shelf.do`."""
        if not operations:
            return
        if self._log:
            self._log.append((name, operations))
        self._shelf(name).do(operations, kept)
        if self._log:
            if self._log.wants_compaction():
                self._log.begin_compaction(self._everything())
            self._log.compact_a_piece((name, operations))

    def _everything(self) -> Iterator[Operations]:
        for name, shelf in list(self._shelves.items()):
            yield from ((name, piece) for piece in shelf.dump())

    async def _kept(self) -> None:
        if self._log:
            await self._log.synced()

    async def _tell(self, is_news: bool) -> None:
        if is_news:
            async with self._news:
                self._news.notify_all()

    async def states(self, space: Space, keys: Sequence[bytes]) -> list[State | None]:
        shelf = self._shelf(space.name)
        found = (shelf.bucket(space.bucket_of(key)).records.get(key) for key in keys)
        return [each.state if each else None for each in found]

    async def apply(
        self,
        space: Space,
        bucket: int,
        states: Sequence[tuple[bytes, State]],
        source: int | None = None,
        cursor: Cursor | None = None,
    ) -> Applied:
        it, now = self._shelf(space.name).bucket(bucket), self._now()
        latest = max((last_stamp(state) for _, state in states), default=it.clock)
        if parts_of(latest).ms > now + space.max_ahead_ms:
            return Applied(Outcome.ASTRAY, now, stamp=latest)
        clock = witness(it.clock, latest)
        operations, conflicts = merged(bucket, it, states, clock)
        cursors = it.cursors | {source: cursor} if source and cursor else it.cursors
        if clock != it.clock or cursors != it.cursors:
            operations.append(changed_account(it, bucket, clock=clock, cursors=cursors))
        changed = sum(each[0] == "r" for each in operations)
        self._do(space.name, operations)
        await self._kept()
        return Applied(Outcome.OK, now, changed, conflicts)

    async def outbox(
        self, space: Space, cursors: Mapping[int, str], count: int, wait: float = 0.0
    ) -> dict[int, list[Entry]]:
        if wait and not self._after(space, cursors, count):
            try:
                async with asyncio.timeout(wait), self._news:
                    await self._news.wait_for(lambda: bool(self._after(space, cursors, count)))
            except TimeoutError:
                return {}
        return self._after(space, cursors, count)

    def _after(self, space: Space, cursors: Mapping[int, str], count: int) -> dict[int, list[Entry]]:
        found = {}
        for number, bucket in self._shelf(space.name).buckets.items():
            if bucket.outbox and number in cursors:
                place = place_of(cursors[number])
                if place_of(bucket.outbox[-1].id) > place:
                    found[number] = [each for each in bucket.outbox if place_of(each.id) > place][:count]
        return found

    async def changes(self, space: Space, bucket: int, low: int, offset: int, count: int) -> list[Changed]:
        rows = [row for row in self._shelf(space.name).bucket(bucket).index() if row.score >= low]
        return rows[offset : offset + count]

    async def digest(
        self, space: Space, bucket: int, low: int, high: int, offset: int, alive_ms: int, count: int = DIGEST_LIMIT
    ) -> Digest:
        it = self._shelf(space.name).bucket(bucket)
        rows = [row for row in it.index() if low <= row.score < high][offset : offset + min(count, DIGEST_LIMIT)]
        states = ((row.key, it.kept(row.key).state) for row in rows)
        alive = [pair for pair in states if forgotten_ms(pair[1], space.max_lifetime_ms) > alive_ms]
        dead = sum(state.base.kind == DELETED and not value_of(state) for _, state in alive)
        return Digest(reduce(xor, (digest_of(key, state) for key, state in alive), 0), len(alive), len(rows), dead)

    async def position(self, space: Space, bucket: int) -> Position:
        return self._shelf(space.name).bucket(bucket).position()

    async def pending(self, space: Space) -> dict[int, int]:
        return dict(self._shelf(space.name).backlog)

    async def acknowledge(self, space: Space, bucket: int, site: int, sequence: int) -> None:
        shelf = self._shelf(space.name)
        it = shelf.bucket(bucket)
        had, has = it.acknowledged.get(site), min(sequence, it.sequence)
        if had is not None and has <= had:
            return
        self._do(space.name, [changed_account(it, bucket, acknowledged=it.acknowledged | {site: has})])
        if had is not None:
            shelf.backlog[site] = shelf.backlog.get(site, 0) - (has - had)
        await self._kept()

    async def trim(self, space: Space, bucket: int, before: str) -> None:
        self._do(space.name, [["t", bucket, before]])

    async def sweep(self, space: Space, bucket: int, offset: int, count: int, known: int) -> tuple[int, int]:
        it, now = self._shelf(space.name).bucket(bucket), self._now()
        rows = it.index()[offset : offset + count]
        gone = [
            row
            for row in rows
            if row.score <= known
            and (state := it.kept(row.key).state).base.kind == DELETED
            and forgotten_ms(state, space.max_lifetime_ms) <= now
        ]
        self._do(space.name, [["x", bucket, row.key] for row in gone])
        return len(rows), len(gone)

    async def witness(self, space: Space, bucket: int, stamp: str) -> Outcome:
        if parts_of(stamp).ms > self._now() + space.max_ahead_ms:
            return Outcome.ASTRAY
        it = self._shelf(space.name).bucket(bucket)
        self._do(space.name, [changed_account(it, bucket, clock=witness(it.clock, stamp))])
        await self._kept()
        return Outcome.OK

    async def fence(self, space: Space, bucket: int, reason: str) -> None:
        it = self._shelf(space.name).bucket(bucket)
        self._do(space.name, [changed_account(it, bucket, fence=reason)])
        await self._kept()

    # The same for many buckets.

    async def apply_all(self, space: Space, batches: Sequence[Batch]) -> list[Applied]:
        return [await self.apply(space, *batch) for batch in batches]

    async def positions(self, space: Space, buckets: Collection[int]) -> dict[int, Position]:
        return {bucket: await self.position(space, bucket) for bucket in buckets}

    async def acknowledge_all(self, space: Space, site: int, sequences: Mapping[int, int]) -> None:
        for bucket, sequence in sequences.items():
            await self.acknowledge(space, bucket, site, sequence)

    async def trim_all(self, space: Space, before: Mapping[int, str]) -> None:
        for bucket, place in before.items():
            await self.trim(space, bucket, place)

    async def fence_all(self, space: Space, reason: str) -> None:
        for bucket in range(space.buckets):
            if self._shelf(space.name).bucket(bucket).fence != reason:
                await self.fence(space, bucket, reason)

    async def incarnation(self) -> str:
        return self._incarnation


def changed_account(bucket: Bucket, number: int, **changes: object) -> Operation:
    """The bucket's account with something else in it."""
    names = ("clock", "sequence", "generation", "fence", "acknowledged", "cursors")
    facts = {name: changes.get(name, getattr(bucket, name)) for name in names}
    return ["m", number, *facts.values()]


def merged(
    number: int, bucket: Bucket, states: Sequence[tuple[bytes, State]], clock: str
) -> tuple[list[Operation], int]:
    """What these states change, and how many values they replace that nobody had seen."""
    after: dict[bytes, Kept] = {}
    conflicts = 0
    for key, theirs in states:
        kept = after.get(key, bucket.kept(key))
        ours = merge(kept.state, theirs)
        if ours != kept.state:
            conflicts += is_conflict(kept.state, theirs)
            after[key] = kept._replace(state=ours)
    return [record(number, key, kept, clock, 0) for key, kept in after.items()], conflicts


def is_conflict(ours: State, theirs: State) -> bool:
    """Does their value replace one that another site wrote in the same moment?"""
    if ours.base == UNKNOWN.base or theirs.base <= ours.base:
        return False
    one, two = parts_of(ours.base.stamp), parts_of(theirs.base.stamp)
    return one.site != two.site and two.ms - one.ms < CONFLICT_MS


def digest_of(key: bytes, state: State) -> int:
    """As digest.lua: 128 bits of SHA-1 over the record's head, and over each field's name and stamp."""
    texts = [key + b"|" + pack_head(state)]
    texts += [key + b"|" + name + b"|" + pack_field(field)[:21] for name, field in state.fields.items()]
    hashes = (sha1(text, usedforsecurity=False).digest()[:16] for text in texts)
    return reduce(xor, (int.from_bytes(each, "big") for each in hashes))
