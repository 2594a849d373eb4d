"""Durations in buckets: added up from the workers, read as percentiles."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from steer.steering.latencies import BOUNDS, BUCKETS, percentile


class Histogram:
    """How many durations fell into each bucket, and their sum in seconds."""

    __slots__ = ("buckets", "sum")

    def __init__(self) -> None:
        self.buckets = [0] * BUCKETS
        self.sum = 0.0

    @property
    def count(self) -> int:
        return sum(self.buckets)

    def add(self, numbers: Sequence[float]) -> None:
        """The wire form: a number for each bucket, then the sum."""
        for index in range(BUCKETS):
            self.buckets[index] += int(numbers[index])
        self.sum += numbers[BUCKETS]

    def merge(self, other: Histogram) -> None:
        self.add((*other.buckets, other.sum))

    def cumulative(self) -> list[tuple[str, float]]:
        """As Prometheus wants it: (upper bound, how many up to there)."""
        bounds = (*map(str, BOUNDS), "+Inf")
        return list(zip(bounds, map(float, accumulate(self.buckets)), strict=True))

    def percentile(self, share: float) -> float | None:
        """Seconds under which `share` (0 to 1) of the durations lie; None: there are none."""
        return percentile(self.buckets, share)
