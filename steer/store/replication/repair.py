"""One bucket at both ends is made the same: digests are compared, and what differs is carried both ways.

First only records whose place in the change index differs; if the digests still differ, all of them. What a peer writes
meanwhile may be carried too, which does no harm.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import xor
from typing import NamedTuple

from steer.store.engine import SCORE_LIMIT, Digest, Outcome
from steer.store.replication.carrier import Carrier
from steer.store.replication.link import End, Link, pages
from steer.store.replication.tally import Tally
from steer.store.stamp import NEVER
from steer.store.state import DELETED, NO_FIELDS, Base, State, value_stamp

DYING_MS = 10_000
"""What dies within these is left out of an audit: the two engines need not forget it in the same moment. Elsewhere it
counts, because a touch may come yet, and finds nothing where the record is missing."""


class Range(NamedTuple):
    """Scores of the change index: low <= score < high."""

    low: int = 0
    high: int = SCORE_LIMIT


EVERYTHING = Range()


@dataclass(frozen=True, slots=True)
class Cuts:
    """Up to which clock the other end had everything of this one, where they have not met for longer than tombstones
    live. What is older and is not there any more has died there, however often it was touched here."""

    own: str = NEVER
    peer: str = NEVER


NO_CUTS = Cuts()


class Made(NamedTuple):
    """How many records were changed, at either end. `is_whole`: the peer took all that it lacked; else some stamps were
    too far ahead of its clock."""

    changed: int
    is_whole: bool


class Repair:
    """Of one link."""

    def __init__(self, link: Link, tally: Tally) -> None:
        self._link = link
        self._tally = tally
        self._there = Carrier(link)
        self._back = Carrier(link.reversed)
        self.dead: dict[int, int] = {}
        """By bucket, the tombstones that its last comparison saw here."""

    async def make_same(
        self, bucket: int, part: Range = EVERYTHING, cuts: Cuts = NO_CUTS, *, dying_ms: int = 0
    ) -> Made:
        """What dies within `dying_ms` is not compared. Raises what engines raise."""
        self._tally.audited += 1
        alive = await self._link.own.engine.time_ms() + dying_ms
        if await self._is_same(bucket, part, alive):
            return Made(0, is_whole=True)
        self._tally.differed += 1
        own, peer = await asyncio.gather(*(rows(end, bucket, part) for end in (self._link.own, self._link.peer)))
        await self._give_up(self._link.own, bucket, own.keys() - peer.keys(), cuts.own)
        await self._give_up(self._link.peer, bucket, peer.keys() - own.keys(), cuts.peer)
        made = await self._exchange(bucket, [key for key in own | peer if own.get(key) != peer.get(key)])
        if not await self._is_same(bucket, part, alive):
            again = await self._exchange(bucket, list(own | peer))
            made = Made(made.changed + again.changed, again.is_whole)
        self._tally.repaired += made.changed
        return made

    async def _is_same(self, bucket: int, part: Range, alive_ms: int) -> bool:
        ends = (self._link.own, self._link.peer)
        own, peer = await asyncio.gather(*(digest(end, bucket, part, alive_ms) for end in ends))
        if part.low == 0:
            self.dead[bucket] = own.dead
        return (own.sum, own.count) == (peer.sum, peer.count)

    async def _exchange(self, bucket: int, keys: Sequence[bytes]) -> Made:
        both = (await self._there.carry_keys(bucket, keys), await self._back.carry_keys(bucket, keys))
        self._tally.refused += sum(each.outcome is Outcome.ASTRAY for each in both)
        return Made(sum(each.changed for each in both), both[0].outcome is Outcome.OK)

    async def _give_up(self, end: End, bucket: int, keys: Collection[bytes], cut: str) -> None:
        """A tombstone of the value's own stamp: it wins against the value, and against nothing that came later."""
        if cut == NEVER or not keys:
            return
        wanted = list(keys)
        states = zip(wanted, await end.engine.states(end.space, wanted), strict=True)
        dead = [(key, buried(state)) for key, state in states if state and value_stamp(state)[:17] <= cut]
        if dead:
            self._tally.rebuilt += (await end.engine.apply(end.space, bucket, dead)).changed


def buried(state: State) -> State:
    """The same record, deleted in the moment of its last write."""
    return State(Base(value_stamp(state), DELETED), NO_FIELDS, state.deadline)


async def digest(end: End, bucket: int, part: Range, alive_ms: int) -> Digest:
    """Of all pages."""
    pages: list[Digest] = []
    seen = 0
    while not pages or pages[-1].seen:
        pages.append(await end.engine.digest(end.space, bucket, part.low, part.high, seen, alive_ms))
        seen += pages[-1].seen
    return Digest(
        reduce(xor, (each.sum for each in pages)), sum(each.count for each in pages), seen, sum(e.dead for e in pages)
    )


async def rows(end: End, bucket: int, part: Range) -> dict[bytes, int]:
    """Keys of the change index, with their scores."""
    found: dict[bytes, int] = {}
    async for page in pages(end, bucket, part.low):
        found.update((key, score) for score, key in page if score < part.high)
    return found
