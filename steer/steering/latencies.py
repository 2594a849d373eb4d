"""Durations in buckets, as the workers ship them, and what can be read from them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the buckets, in seconds; one more bucket has none."""

BUCKETS = len(BOUNDS) + 1


def percentile(counts: Sequence[float], share: float) -> float | None:
    """Seconds under which `share` (0 to 1) of the durations lie; None: there are none.

    `counts` has a number for each bucket; what follows them (the sum of the wire form) is passed over. Linear inside a
    bucket; the last bucket, which has no upper bound, answers its lower one.
    """
    wanted, below = share * sum(counts[:BUCKETS]), 0.0
    edges = pairwise((0.0, *BOUNDS, BOUNDS[-1]))
    for (low, high), count in zip(edges, counts, strict=False):
        if count and below + count >= wanted:
            return low + (high - low) * (wanted - below) / count
        below += count
    return None


class Latencies:
    """How long one node took to answer: the window that runs and the whole one before it. `now` is monotonic."""

    def __init__(self, length: float) -> None:
        self._length = length
        self._number = 0
        self._running = [0.0] * BUCKETS
        self._whole = [0.0] * BUCKETS

    def add(self, counts: Sequence[float], now: float) -> None:
        """The wire form."""
        self._turn(now)
        for index in range(BUCKETS):
            self._running[index] += counts[index]

    def clear(self) -> None:
        self._running = [0.0] * BUCKETS
        self._whole = [0.0] * BUCKETS

    def of_last_window(self, now: float, least: int) -> float | None:
        """The p95 of the last whole window, seconds; None where it has fewer than `least` answers."""
        self._turn(now)
        return percentile(self._whole, 0.95) if sum(self._whole) >= least else None

    def _turn(self, now: float) -> None:
        number = int(now // self._length)
        if number == self._number:
            return
        self._whole = self._running if number == self._number + 1 else [0.0] * BUCKETS
        self._running = [0.0] * BUCKETS
        self._number = number
