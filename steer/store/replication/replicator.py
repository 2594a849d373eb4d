"""All that goes on for one namespace of one site: its shippers, and what keeps them and the engine in order.

Only the edge that has the lease does it. Each piece of work is a task; a failure of an engine ends none of them, and is
said by the shipper, which has the same engines.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

from steer.clock import Clock
from steer.store.background import Background
from steer.store.engine import DIGEST_LIMIT, SCORE_LIMIT, Position
from steer.store.errors import StoreError
from steer.store.replication.backfill import backfill
from steer.store.replication.lease import Lease
from steer.store.replication.link import End, Link, place_of, score_at
from steer.store.replication.repair import DYING_MS, Range, Repair
from steer.store.replication.shipper import Shipper
from steer.store.replication.tally import Tally
from steer.store.stamp import COUNTER_LIMIT, score_of

RENEW: Final = 1.0
WATCH: Final = 1.0
"""Seconds between two looks at the engines' incarnations."""

CATCH_UP_MARGIN: Final = 60.0
"""Seconds before an engine went away that may be missing too: what a replica had not got yet, what was not fsynced."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds. An audit of a million sessions takes 4.5 s of each engine's time, so its round is slow."""

    audit: float = 600.0
    settle: float = 30.0
    """What changed since is left to the shippers."""
    window: float = 600.0
    """Of a back-fill: longer than any failover takes."""
    sweep: float = 300.0
    trim: float = 5.0


class Linked:
    """One link, and what works on it."""

    def __init__(self, link: Link, clock: Clock) -> None:
        self.link = link
        self.tally = Tally()
        self.repair = Repair(link, self.tally)
        self.shipper = Shipper(link, self.repair, self.tally, clock)
        self._seen: tuple[str, str] | None = None

    async def watch(self, window: float) -> None:
        """A back-fill, if an engine is not the one that it was. Raises what engines raise."""
        own, peer = self.link.own, self.link.peer
        seen = (await own.engine.incarnation(), await peer.engine.incarnation())
        if seen == self._seen:
            return
        if self._seen:
            self.shipper.load_anew()
        await backfill(self.link, self.repair, window)
        self._seen = seen
        self.tally.backfills += 1

    async def audit(self, bucket: int, settle: float) -> None:
        """Raises what engines raise."""
        if not self.shipper.problem:
            now = await self.link.own.engine.time_ms()
            settled = Range(0, (now - round(settle * 1000)) * COUNTER_LIMIT)
            await self.repair.make_same(bucket, settled, dying_ms=DYING_MS)


class Replicator:
    """`run` it as a task."""

    def __init__(self, own: End, peers: Sequence[End], lease: Lease, clock: Clock, pace: Pace) -> None:
        self._own = own
        self._lease = lease
        self._pace = pace
        self.links = {peer.site: Linked(Link(own, peer), clock) for peer in peers}
        self._trimmed: dict[int, tuple[int, int]] = {}

    async def run(self) -> None:
        """For ever; at work only while it has the lease."""
        work: Background | None = None
        try:
            while True:
                has_lease = await self._lease.hold()
                if has_lease and work is None:
                    work = self._begin()
                elif work and not has_lease:
                    await work.close()
                    work = None
                await asyncio.sleep(RENEW)
        finally:
            if work:
                await work.close()
            await self._lease.release()

    def _begin(self) -> Background:
        work, name = Background(), self._own.space.name
        for each in self.links.values():
            work.start(f"ship {each.link}", each.shipper.run)
            work.start(f"watch {each.link}", partial(self._watch, each))
            work.start(f"audit {each.link}", partial(self._audit, each))
        work.start(f"sweep {name}", self._sweep)
        work.start(f"trim {name}", self._trim)
        return work

    async def _watch(self, it: Linked) -> None:
        while True:
            with suppress(StoreError):
                await it.watch(self._pace.window)
            await asyncio.sleep(WATCH)

    async def _audit(self, it: Linked) -> None:
        buckets = self._own.space.buckets
        while True:
            for bucket in range(buckets):
                await asyncio.sleep(self._pace.audit / buckets)
                with suppress(StoreError):
                    await it.audit(bucket, self._pace.settle)

    async def catch_up(self, seconds: float) -> None:
        """After this site's engine was gone that long: with the first peer that answers. Raises what the last said."""
        for number, each in enumerate(self.links.values(), 1):
            try:
                await backfill(each.link, each.repair, seconds + CATCH_UP_MARGIN)
            except StoreError:
                if number == len(self.links):
                    raise
            else:
                return

    async def _sweep(self) -> None:
        buckets = self._own.space.buckets
        while True:
            for bucket in range(buckets):
                await asyncio.sleep(self._pace.sweep / buckets)
                with suppress(StoreError):
                    await self.sweep(bucket)

    async def sweep(self, bucket: int) -> None:
        """Forgets what every site knows to be dead. Raises what engines raise."""
        own = self._own
        position = await own.engine.position(own.space, bucket)
        known = min((self._known(each, bucket, position) for each in self.links.values()), default=SCORE_LIMIT)
        at, seen = 0, DIGEST_LIMIT
        while seen == DIGEST_LIMIT:
            seen, gone = await own.engine.sweep(own.space, bucket, at, DIGEST_LIMIT, known)
            at += seen - gone

    @staticmethod
    def _known(each: Linked, bucket: int, position: Position) -> int:
        """The score up to which this peer has our writes. If it has all, what came from elsewhere counts too."""
        cursor = each.shipper.cursors.get(bucket)
        if cursor is None:
            return 0
        has_all = (cursor.sequence, cursor.generation) == (position.sequence, position.generation)
        return score_of(position.clock) if has_all else score_at(cursor)

    async def _trim(self) -> None:
        while True:
            await asyncio.sleep(self._pace.trim)
            with suppress(StoreError):
                await self.trim()

    async def trim(self) -> None:
        """Drops what every peer has from the outboxes. Raises what engines raise."""
        own = self._own
        before = {
            bucket: least
            for bucket in range(own.space.buckets)
            if (least := self._least(bucket)) > self._trimmed.get(bucket, (0, 0))
        }
        await own.engine.trim_all(own.space, {bucket: f"{ms}-{counter}" for bucket, (ms, counter) in before.items()})
        self._trimmed |= before

    def _least(self, bucket: int) -> tuple[int, int]:
        cursors = [each.shipper.cursors.get(bucket) for each in self.links.values()]
        return min((place_of(each) if each else (0, 0) for each in cursors), default=(0, 0))
