"""The requests of the last minutes that workers sampled: in memory alone, bounded by count and by age."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from steer.steering.model import Topology
from steer.steering.samples import Row, Sample, sample_from_wire

MOST = 4096
"""Together some 3 MiB; one replay of them takes 10 ms, or 60 where clients are stable. Of 4 busy workers they are
those of the last 50 s."""

OLDEST = 300.0
"""Seconds. Who came before that may not come any more."""


class Samples:
    """Times are monotonic."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._kept: deque[tuple[float, Sample]] = deque(maxlen=MOST)

    def add(self, rows: Iterable[Row], mono: float) -> None:
        """Those of services and pools that are known; another configuration's may still be on their way."""
        services, pools = self._topology.services, self._topology.pools
        for row in rows:
            sample = sample_from_wire(row)
            if sample.service in services and sample.pool in pools:
                self._kept.append((mono, sample))

    def recent(self, mono: float) -> list[tuple[float, Sample]]:
        """(Age in seconds, sample), the oldest first."""
        while self._kept and mono - self._kept[0][0] > OLDEST:
            self._kept.popleft()
        return [(mono - at, sample) for at, sample in self._kept]

    def follow(self, topology: Topology) -> None:
        """Another configuration. Under other services or rules a sample would mean something else."""
        before, self._topology = self._topology, topology
        if (before.services, before.groups) != (topology.services, topology.groups):
            self._kept.clear()
