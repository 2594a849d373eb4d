"""Carries what this site writes to one peer, for one namespace, in the order of its outboxes.

    load: both ends' positions -> buckets whose cursor fits go on, the others are compared or refilled
    round: outboxes -> one state for each key that changed -> applied with the cursor -> acknowledged here

Every failure ends in a new load: so a peer whose engine went back to an older state is read from its older cursor. A
bucket whose stamps the peer finds too far ahead of its clock waits, and the others go on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Final

from steer.clock import Clock
from steer.store.engine import Applied, Cursor, Entry, Outcome, Position
from steer.store.errors import StoreError
from steer.store.replication.carrier import Carrier, Load
from steer.store.replication.groups import each_of
from steer.store.replication.link import Link, clock_at, is_cold, place_of
from steer.store.replication.repair import NO_CUTS, Cuts, Repair
from steer.store.replication.resync import begin, refill
from steer.store.replication.tally import Tally

logger = logging.getLogger("steer.store")

LINGER: Final = 0.01
"""Seconds after a round that found little: several writes of a page load are then one record to carry."""
LITTLE: Final = 64
MOST_ENTRIES: Final = 16_384
"""Of all buckets together in one round: some 4 MiB in this process."""
WAIT: Final = 1.0
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 2.0
"""Between attempts at an end that does not answer; it doubles from the first to the longest."""
HELD: Final = 1.0
"""Seconds that a bucket waits whose stamps are ahead of the peer's clock."""


class Shipper:
    """`run` it as a task. `cursors`: how far the peer is, by bucket; empty while that is not known."""

    def __init__(self, link: Link, repair: Repair, tally: Tally, clock: Clock) -> None:
        self._link = link
        self._carrier = Carrier(link)
        self._repair = repair
        self._tally = tally
        self._clock = clock
        self._count = max(4, min(200, MOST_ENTRIES // link.own.space.buckets))
        self._generations: dict[int, str] = {}
        self._held: dict[int, float] = {}
        self._must_load = True
        self.cursors: dict[int, Cursor] = {}
        self.problem = "the peer was not reached yet"

    def __repr__(self) -> str:
        return f"<Shipper {self._link}{': ' + self.problem if self.problem else ''}>"

    def load_anew(self) -> None:
        """An engine at one of the ends is another one now."""
        self._must_load = True

    async def run(self) -> None:
        """For ever."""
        pause = FIRST_PAUSE
        while True:
            try:
                await self.step(WAIT)
            except StoreError as error:
                self._fail(error)
                await asyncio.sleep(pause)
                pause = min(LONGEST_PAUSE, 2 * pause)
            else:
                pause = FIRST_PAUSE

    def _fail(self, error: StoreError) -> None:
        if not self.problem:
            logger.warning("%s does not go on: %s", self._link, error)
        self.problem = str(error)
        self._must_load = True

    async def step(self, wait: float = 0.0) -> int:
        """One load if needed, one round; how many records were carried. Raises StoreError."""
        if self._must_load:
            await self._load()
            self._say_that_it_goes_on()
        entries = await self._read(wait)
        carried = await self._ship(entries) if entries else await self._find_lost()
        if wait and entries and sum(map(len, entries.values())) < LITTLE:
            await asyncio.sleep(LINGER)
        return carried

    def _say_that_it_goes_on(self) -> None:
        if self.problem:
            logger.info("%s goes on", self._link)
        self.problem = ""

    # Where both ends are.

    async def _load(self) -> None:
        own, peer = self._link.own, self._link.peer
        self.cursors = {}
        await peer.engine.open(peer.space)
        buckets = range(own.space.buckets)
        ours = await own.engine.positions(own.space, buckets)
        theirs = await peer.engine.positions(peer.space, buckets)
        self._must_load = False
        cursors = {bucket: theirs[bucket].cursors.get(own.site, Cursor()) for bucket in buckets}
        cuts = await self._cuts(ours, cursors)
        astray = [
            bucket
            for bucket in buckets
            if cuts or not fits(ours[bucket], cursors[bucket], own.site in theirs[bucket].cursors)
        ]
        await each_of(astray, lambda bucket: self._begin(bucket, cuts.get(bucket, NO_CUTS), cursors))
        self._generations = {bucket: ours[bucket].generation for bucket in buckets}
        self.cursors |= {bucket: cursors[bucket] for bucket in buckets if bucket not in self.cursors}
        await self._acknowledge(
            {b: each for b, each in self.cursors.items() if each.sequence > ours[b].acknowledged.get(peer.site, 0)}
        )

    async def _begin(self, bucket: int, cuts: Cuts, cursors: Mapping[int, Cursor]) -> None:
        applied, cursor = await begin(self._link, self._carrier, self._repair, bucket, cuts)
        self._settle(bucket, applied, cursor if applied.outcome is Outcome.OK else cursors[bucket])

    async def _cuts(self, ours: Mapping[int, Position], cursors: Mapping[int, Cursor]) -> dict[int, Cuts]:
        """Of every bucket if the two ends have not met for longer than tombstones are held; else of none."""
        own, now = self._link.own, await self._link.own.engine.time_ms()
        met = max((place_of(cursor)[0] for cursor in cursors.values()), default=0)
        waits = any(ours[bucket].sequence > cursor.sequence for bucket, cursor in cursors.items())
        if not met or not waits or now - met <= own.space.hold_ms:
            return {}
        logger.warning("%s: not met for %.1f h, so it is built anew", self._link, (now - met) / 3_600_000)
        theirs = {bucket: each.cursors.get(self._link.peer.site, Cursor()) for bucket, each in ours.items()}
        return {bucket: Cuts(clock_at(cursors[bucket]), clock_at(theirs[bucket])) for bucket in cursors}

    # What is new.

    async def _read(self, wait: float) -> dict[int, list[Entry]]:
        now = self._clock.monotonic()
        self._held = {bucket: until for bucket, until in self._held.items() if until > now}
        after = {bucket: cursor.id for bucket, cursor in self.cursors.items() if bucket not in self._held}
        own = self._link.own
        if not after:
            await asyncio.sleep(wait)
            return {}
        return await own.engine.outbox(own.space, after, self._count, wait)

    async def _ship(self, entries: Mapping[int, Sequence[Entry]]) -> int:
        await self._learn_generations([bucket for bucket in entries if not self._generations.get(bucket)])
        torn = [bucket for bucket, some in entries.items() if not self._follows(bucket, some)]
        loads = [
            Load(bucket, dict.fromkeys(each.key for each in some), self._cursor_after(bucket, some[-1]))
            for bucket, some in entries.items()
            if bucket not in torn
        ]
        for load, applied in zip(loads, await self._carrier.carry(loads), strict=True):
            self._tally.shipped += len(load.keys)
            self._settle(load.bucket, applied, load.cursor or Cursor())
        await each_of(torn, self._refill)
        await self._acknowledge({bucket: self.cursors[bucket] for bucket in entries if bucket not in self._held})
        return sum(len(load.keys) for load in loads)

    async def _find_lost(self) -> int:
        """Where writes wait and the outbox has none of them, it was emptied: how many buckets that was."""
        own, peer = self._link.own, self._link.peer
        if (await own.engine.pending(own.space)).get(peer.site, 0) <= 0:
            return 0
        ours = await own.engine.positions(own.space, [bucket for bucket in self.cursors if bucket not in self._held])
        waiting = {bucket: self.cursors[bucket] for bucket, it in ours.items() if self._lacks(bucket, it)}
        if not waiting:
            return 0
        found = await own.engine.outbox(own.space, {bucket: each.id for bucket, each in waiting.items()}, 1)
        lost = waiting.keys() - found.keys()
        await self._learn_generations(list(lost))
        await each_of(lost, self._refill)
        await self._acknowledge({bucket: self.cursors[bucket] for bucket in waiting if bucket not in self._held})
        return len(lost - self._held.keys())

    def _lacks(self, bucket: int, ours: Position) -> bool:
        cursor = self.cursors[bucket]
        return (cursor.generation, cursor.sequence) != (ours.generation, ours.sequence) and bool(ours.sequence)

    async def _learn_generations(self, buckets: Sequence[int]) -> None:
        if buckets:
            own = self._link.own
            found = await own.engine.positions(own.space, buckets)
            self._generations.update((bucket, each.generation) for bucket, each in found.items())

    def _cursor_after(self, bucket: int, last: Entry) -> Cursor:
        return Cursor(last.id, last.sequence, self._generations[bucket])

    def _follows(self, bucket: int, some: Sequence[Entry]) -> bool:
        """Is there no gap before these, nor among them?"""
        cursor = self.cursors[bucket]
        is_same = cursor.generation in ("", self._generations[bucket])
        first, last = some[0].sequence, some[-1].sequence
        return is_same and first == cursor.sequence + 1 and last - first == len(some) - 1

    async def _refill(self, bucket: int) -> None:
        self._tally.gaps += 1
        since = self.cursors[bucket]
        if since.generation not in ("", self._generations[bucket]):
            applied, cursor = await begin(self._link, self._carrier, self._repair, bucket)
        else:
            applied, cursor = await refill(self._link, self._carrier, bucket, since)
        self._settle(bucket, applied, cursor)

    def _settle(self, bucket: int, applied: Applied, cursor: Cursor) -> None:
        if applied.outcome is Outcome.OK:
            self.cursors[bucket] = cursor
            self._tally.changed += applied.changed
            self._tally.conflicts += applied.conflicts
        else:
            self._held[bucket] = self._clock.monotonic() + HELD
            self._tally.refused += 1

    async def _acknowledge(self, cursors: Mapping[int, Cursor]) -> None:
        if cursors:
            own = self._link.own
            has = {bucket: cursor.sequence for bucket, cursor in cursors.items()}
            await own.engine.acknowledge_all(own.space, self._link.peer.site, has)


def fits(ours: Position, cursor: Cursor, heard: bool) -> bool:
    """Can the outbox be read on from there? A peer that never heard of a bucket must see what is in it first."""
    if not heard:
        return is_cold(ours)
    return cursor.generation in ("", ours.generation) and cursor.sequence <= ours.sequence
