"""How far behind a peer is: what would be lost if this site were lost now. A dated sample, never a promise.

`seconds` is the age of the oldest write that the peer lacks; `writes` how many it lacks; `records` how many records
those are. While this site's own engine does not answer, the last sample is shown, older by as much as it is old.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from steer.clock import Clock
from steer.store.engine import Cursor, Entry
from steer.store.errors import StoreError
from steer.store.replication.link import End, place_of
from steer.store.replication.replicator import Linked

SAMPLE_EVERY = 1.0
SAMPLE = 16_384
"""Entries of outboxes that are looked at. Of more writes than these, `records` counts only those of the sample."""


@dataclass(frozen=True, slots=True)
class Lag:
    """Of one direction. `sampled`: wall time, seconds since 1970."""

    seconds: float = 0.0
    writes: int = 0
    records: int = 0
    sampled: float = 0.0


class LagGauge:
    """How far a peer is behind this site."""

    def __init__(self, linked: Linked, clock: Clock) -> None:
        self._linked = linked
        self._clock = clock
        self._last = Lag()

    async def lag(self) -> Lag:
        """A sample that is at most a second old, if it can be had. Never raises."""
        now = self._clock.wall()
        if now - self._last.sampled < SAMPLE_EVERY:
            return self._last
        try:
            self._last = await self._sample(now)
        except StoreError:
            grown = self._last.seconds + now - self._last.sampled if self._last.sampled else 0.0
            return replace(self._last, seconds=grown)
        return self._last

    async def _sample(self, now: float) -> Lag:
        own, peer = self._linked.link.own, self._linked.link.peer
        writes = (await own.engine.pending(own.space)).get(peer.site, 0)
        if writes <= 0:
            return Lag(sampled=now)
        lacking = await self._lacking(own, peer.site)
        oldest = min((int(each.id.partition("-")[0]) for each in lacking), default=None)
        seconds = max(0.0, (await own.engine.time_ms() - oldest) / 1000) if oldest else 0.0
        return Lag(seconds, writes, len({each.key for each in lacking}), now)

    async def _lacking(self, own: End, site: int) -> list[Entry]:
        buckets = range(own.space.buckets)
        cursors = self._linked.shipper.cursors
        count = max(1, SAMPLE // own.space.buckets)
        after = {bucket: cursors.get(bucket, Cursor()).id for bucket in buckets}
        found = await own.engine.outbox(own.space, after, count)
        has = await own.engine.positions(own.space, found)
        lacking: list[Entry] = []
        for bucket, entries in found.items():
            acknowledged = has[bucket].acknowledged.get(site, 0)
            lacking += [each for each in entries if each.sequence > acknowledged]
            lacking += before_a_gap(cursors.get(bucket), entries)
        return lacking


def before_a_gap(cursor: Cursor | None, entries: list[Entry]) -> list[Entry]:
    """An outbox that overflowed has lost the oldest: it came after the cursor, no more is known."""
    if cursor is None or not place_of(cursor)[0] or entries[0].sequence == cursor.sequence + 1:
        return []
    return [Entry(cursor.id, cursor.sequence + 1, entries[0].key)]
