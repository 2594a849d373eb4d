"""The last ten seconds: rates and latencies for people who look at the status now."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterator

from steer.control.counts import Counts
from steer.control.histogram import Histogram

WINDOW = 10
"""Seconds. Long enough to be steady at ten requests a second, short enough to show a node that just died."""


class Second:
    """What was counted within one second."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.requests: Counter[tuple[str, str, bool]] = Counter()
        """(group, datacentre, ended in 5xx) -> how many."""
        self.total = Histogram()
        self.upstream: defaultdict[str, Histogram] = defaultdict(Histogram)

    def add(self, counts: Counts) -> None:
        for _, group, datacentre, code_class, n in counts.requests:
            self.requests[group, datacentre, code_class == "5xx"] += n
        if "total" in counts.seconds:
            self.total.add(counts.seconds["total"])
        for node, numbers in (*counts.upstream.items(), *counts.pinned.items()):
            self.upstream[node].add(numbers)


class Live:
    """A ring of seconds. `now` is monotonic time everywhere."""

    def __init__(self, now: float) -> None:
        self._started = now
        self._seconds: deque[Second] = deque(maxlen=WINDOW)

    def add(self, counts: Counts, now: float) -> None:
        if not self._seconds or self._seconds[-1].number != int(now):
            self._seconds.append(Second(int(now)))
        self._seconds[-1].add(counts)

    def span(self, now: float) -> float:
        """Seconds that the rates are over: the second that runs and the nine before it; never under one."""
        return max(1.0, now - max(self._started, self._oldest(now)))

    def rates(self, now: float, group: str | None = None, datacentre: str | None = None) -> tuple[float, float]:
        """Requests a second: all, and those that were answered with 5xx."""
        all_of_them = failed = 0
        for second in self._recent(now):
            for (of_group, of_datacentre, ended_badly), n in second.requests.items():
                if group in (None, of_group) and datacentre in (None, of_datacentre):
                    all_of_them += n
                    failed += n * ended_badly
        return all_of_them / self.span(now), failed / self.span(now)

    def latencies(self, now: float) -> Histogram:
        """Of whole requests, over everything."""
        merged = Histogram()
        for second in self._recent(now):
            merged.merge(second.total)
        return merged

    def node_latencies(self, now: float, node: str) -> Histogram:
        merged = Histogram()
        for second in self._recent(now):
            if node in second.upstream:
                merged.merge(second.upstream[node])
        return merged

    def _recent(self, now: float) -> Iterator[Second]:
        return (second for second in self._seconds if second.number >= self._oldest(now))

    def _oldest(self, now: float) -> int:
        return int(now) - WINDOW + 1
