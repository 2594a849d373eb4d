"""What a worker counts: plain integers on the hot path, shipped as increments ten times a second."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from itertools import pairwise
from typing import Any

from steer.steering.latencies import BOUNDS


class Histogram:
    """Durations in seconds, sorted into buckets when somebody looks: `observe` is the list's own `append`."""

    __slots__ = ("_seen", "observe")

    def __init__(self) -> None:
        self._seen: list[float] = []
        self.observe = self._seen.append

    @property
    def is_empty(self) -> bool:
        return not self._seen

    def drain(self) -> list[float]:
        """Count by bucket, then the sum; starts anew. Empty when nothing was observed."""
        if not self._seen:
            return []
        seen = sorted(self._seen)
        self._seen.clear()
        below = [bisect_right(seen, bound) for bound in BOUNDS]
        counts = [after - before for before, after in pairwise([0, *below, len(seen)])]
        return [*counts, sum(seen)]


class Counters:
    """Increments since the last `drain`."""

    def __init__(self, nodes: tuple[str, ...]) -> None:
        self._nodes = list(nodes)
        self.successes = [0] * len(nodes)
        self.succeeded_at = [0.0] * len(nodes)
        """When the last of them was, in monotonic seconds."""
        self.requests: defaultdict[tuple[tuple[str, str, str], int], int] = defaultdict(int)
        self.retries: defaultdict[str, int] = defaultdict(int)
        self.handshakes: defaultdict[tuple[str, bool], int] = defaultdict(int)
        self.refused: defaultdict[str, int] = defaultdict(int)
        """Connections and requests, for overload and its like, by reason."""
        self.arrivals: defaultdict[str, int] = defaultdict(int)
        """Clients whose session had to follow them to another datacentre: brought, or stale."""
        self.total = Histogram()
        self.connect = Histogram()
        self.upstream = [Histogram() for _ in nodes]
        self.pinned = [Histogram() for _ in nodes]
        """The same for debug hostnames, whose requests are no evidence."""

    def begin(self, index: int, node: str) -> None:
        """A node that is new has this place, which may be one more than there were."""
        self._nodes[index : index + 1] = [node]
        self.successes[index : index + 1] = [0]
        self.succeeded_at[index : index + 1] = [0.0]
        self.upstream[index : index + 1] = [Histogram()]
        self.pinned[index : index + 1] = [Histogram()]

    def is_clear(self, index: int) -> bool:
        """Nothing of the node waits to be drained."""
        return not self.successes[index] and self.upstream[index].is_empty and self.pinned[index].is_empty

    def take_successes(self, index: int) -> int:
        """The successes of a node not yet told, which go along with a failure of it."""
        count = self.successes[index]
        self.successes[index] = 0
        return count

    def drain(self) -> dict[str, Any]:
        """What goes to control, without what is empty."""
        counts: dict[str, Any] = {
            "successes": {self._nodes[i]: n for i, n in enumerate(self.successes) if n},
            "requests": [[*labels, f"{code}xx", n] for (labels, code), n in self.requests.items()],
            "retries": dict(self.retries),
            "handshakes": [[*key, n] for key, n in self.handshakes.items()],
            "refused": dict(self.refused),
            "arrivals": dict(self.arrivals),
            "seconds": self._drain_phases(),
            "upstream": self._drain_nodes(self.upstream),
            "pinned": self._drain_nodes(self.pinned),
        }
        self.successes = [0] * len(self._nodes)
        for table in (self.requests, self.retries, self.handshakes, self.refused, self.arrivals):
            table.clear()
        return {name: value for name, value in counts.items() if value}

    def _drain_nodes(self, histograms: list[Histogram]) -> dict[str, list[float]]:
        return {self._nodes[i]: drained for i, h in enumerate(histograms) if (drained := h.drain())}

    def _drain_phases(self) -> dict[str, list[float]]:
        phases = {"total": self.total, "connect": self.connect}
        return {name: drained for name, histogram in phases.items() if (drained := histogram.drain())}
