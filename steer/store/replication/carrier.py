"""States are carried from one end to the other, in portions that neither engine nor this process chokes on."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from steer.store.engine import Applied, Batch, Cursor, Outcome
from steer.store.errors import Indeterminate
from steer.store.replication.link import Link
from steer.store.state import State

MOST_BYTES = 2 << 20
"""In one portion, about. A portion of many small records is cut by number."""
MOST_RECORDS = 512
FIRST_RECORDS = 64
"""Before the size of these records is known: 64 of the largest are 64 MiB."""
IN_FLIGHT = 4
"""Portions on their way at once, so that a far peer is not waited for between two of them."""

NOTHING = Applied(Outcome.OK, 0)


class Load(NamedTuple):
    """Records of one bucket; with a cursor, what the outbox says up to there."""

    bucket: int
    keys: Collection[bytes]
    cursor: Cursor | None = None


class Carrier:
    """One direction. Raises what engines raise."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.portion = FIRST_RECORDS

    async def carry(self, loads: Sequence[Load]) -> list[Applied]:
        """What became of each load, in order. Records of which nothing is known are left out."""
        outcomes: list[Applied] = []
        portions = self._portions(loads)
        while group := list(islice(portions, IN_FLIGHT)):
            for outcome in await settled(group, self):
                outcomes += outcome
        return outcomes

    async def carry_keys(self, bucket: int, keys: Sequence[bytes]) -> Applied:
        """Any number of one bucket, a portion after the other: what became of them together."""
        applied = NOTHING
        at = 0
        while at < len(keys) and applied.outcome is Outcome.OK:
            load = Load(bucket, keys[at : at + self.portion])
            at += len(load.keys)
            (one,) = await self.carry_portion([load])
            counts = (applied.changed + one.changed, applied.conflicts + one.conflicts)
            applied = Applied(one.outcome, one.engine_ms, *counts, one.stamp)
        return applied

    def _portions(self, loads: Sequence[Load]) -> Iterator[list[Load]]:
        part: list[Load] = []
        size = 0
        for load in loads:
            if part and size + len(load.keys) > self.portion:
                yield part
                part, size = [], 0
            part.append(load)
            size += len(load.keys)
        if part:
            yield part

    async def carry_portion(self, part: Sequence[Load]) -> list[Applied]:
        """One portion."""
        own, peer = self._link.own, self._link.peer
        try:
            keys = [key for load in part for key in load.keys]
            states = dict(zip(keys, await own.engine.states(own.space, keys), strict=True))
            batches = [batch_of(load, states, own.site) for load in part]
            applied = await peer.engine.apply_all(peer.space, batches)
        except Indeterminate:
            self.portion = max(1, self.portion // 2)
            raise
        self._learn(batches)
        return applied

    def _learn(self, batches: Sequence[Batch]) -> None:
        sizes = [size_of(state) for batch in batches for _, state in batch.states]
        if sizes:
            fitting = MOST_BYTES * len(sizes) // (sum(sizes) or 1)
            self.portion = max(1, min(MOST_RECORDS, 2 * self.portion, fitting))


async def settled(group: Sequence[Sequence[Load]], carrier: Carrier) -> list[list[Applied]]:
    """All of them are over when this returns or raises."""
    over = await asyncio.gather(*map(carrier.carry_portion, group), return_exceptions=True)
    done: list[list[Applied]] = []
    for each in over:
        if isinstance(each, BaseException):
            raise each
        done.append(each)
    return done


def batch_of(load: Load, states: Mapping[bytes, State | None], source: int) -> Batch:
    """What `apply_all` takes."""
    known = [(key, state) for key in load.keys if (state := states[key]) is not None]
    return Batch(load.bucket, known, source if load.cursor else None, load.cursor)


def size_of(state: State) -> int:
    """Bytes, about."""
    return 128 + len(state.base.value) + sum(len(name) + len(each.value) for name, each in state.fields.items())
