"""Time-outs without timers: every connection carries one deadline, and one sweep finds those that are over.

A deadline is a field, so moving it costs an assignment. An item lies in the bucket of the tick at which it was due
when it was put there; when that tick comes, an item whose deadline has moved on is put into a later bucket. Only a
deadline that moves *forward* past its bucket needs a call. Precision is one tick: deadlines are never early, and
late by at most two ticks.
"""

from __future__ import annotations

from collections import defaultdict
from math import inf
from typing import Protocol

TICK = 0.1
"""Seconds between sweeps. The shortest time-out that people set is one second."""


class Expiring(Protocol):
    """What has a deadline. `watched` belongs to `Deadlines`: the time of the bucket that holds the item."""

    deadline: float
    watched: float

    def expire(self, now: float) -> None:
        """The deadline is over. May set another one and call `watch`."""


class Deadlines:
    """All deadlines of a worker, in buckets of one tick."""

    def __init__(self, now: float) -> None:
        self._swept = int(now / TICK)
        self._buckets: defaultdict[int, dict[Expiring, None]] = defaultdict(dict)

    def watch(self, item: Expiring) -> None:
        """Call when `item.deadline < item.watched`; calling it more often costs time, nothing else."""
        if item.deadline == inf:
            return
        self._take_out(item)
        tick = max(int(item.deadline / TICK) + 1, self._swept + 1)
        item.watched = tick * TICK
        self._buckets[tick][item] = None

    def forget(self, item: Expiring) -> None:
        """The item is gone, and nothing of it stays here: a connection's buffers for TLS are half a megabyte."""
        self._take_out(item)
        item.deadline = inf
        item.watched = inf

    def _take_out(self, item: Expiring) -> None:
        if item.watched != inf:
            bucket = self._buckets.get(round(item.watched / TICK))
            if bucket is not None:
                bucket.pop(item, None)

    def sweep(self, now: float) -> None:
        """Expire what is due. Call once each tick with monotonic seconds; a late call makes up for the missed ticks."""
        current = int(now / TICK)
        while self._swept < current:
            self._swept += 1
            items = self._buckets.pop(self._swept, None)
            if items is not None:
                self._sweep_bucket(items, self._swept * TICK, now)

    def _sweep_bucket(self, items: dict[Expiring, None], time: float, now: float) -> None:
        for item in items:
            if item.watched != time:
                continue  # one that was swept before it has ended this one, or moved it
            item.watched = inf
            if item.deadline <= now:
                item.expire(now)
            else:
                self.watch(item)
