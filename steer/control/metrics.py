"""What all workers counted, summed: `Totals` takes their counts, `exposition.py` renders them for Prometheus.

Labels are bounded: names come from the topology, reasons and TLS versions from the lists below. Whatever else a
worker names is counted under an empty label (names) or `other` (reasons), so no client can make series grow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from steer.clock import Clock, SystemClock
from steer.control.counts import Counts, Gauges, Overload
from steer.control.histogram import Histogram
from steer.control.live import Live
from steer.control.samples import Samples
from steer.steering.model import Outcome, Topology
from steer.steering.snapshot import NodeState, Snapshot
from steer.steering.standby import cold_nodes

PHASES = ("connect", "response_head")
"""Of `steer_phase_seconds`; the phase `total` is `steer_request_seconds`."""

RETRIES = frozenset(
    (*(outcome.value for outcome in Outcome), *(f"status_{status}" for status in range(500, 600)), "moved")
)
"""Why another node was tried: how a try ended, the status that it gave, or that the group had moved while it waited."""
REFUSALS = {
    "overload": "connections, while the worker has more to do than it can",
    "request": "requests, likewise",
    "upload": "requests with bodies, of clients that have too many of them under way",
    "connections": "connections beyond `limits.connections`",
    "descriptors": "connections beyond what the process may open",
    "made_room": "idle connections, ended for the sake of new ones",
    "penalty": "connections from addresses whose floods were ended",
    "crowded": "connections from addresses of which many wait to begin",
    "slow_reader": "responses that were not taken and held more places at nodes than their clients may have",
    "stalled_handshake": "handshakes that others needed the place of",
}
"""Why something was refused as too much: reason -> what."""
CODE_CLASSES = frozenset({"1xx", "2xx", "3xx", "4xx", "5xx"})
TLS_VERSIONS = frozenset({"TLSv1.2", "TLSv1.3"})
OTHER = "other"


class Totals:
    """Counted since this process started. `ejections` comes from the snapshots, all else from the workers."""

    def __init__(self, topology: Topology, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.live = Live(self.clock.monotonic())
        self.samples = Samples(topology)
        self.requests: Counter[tuple[str, str, str, str]] = Counter()
        self.seconds: dict[str, Histogram] = {phase: Histogram() for phase in ("total", *PHASES)}
        self.upstream: dict[str, Histogram] = {node.name: Histogram() for node in topology.nodes}
        self.retries: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.arrivals: Counter[str] = Counter()
        self.handshakes: Counter[tuple[str, bool]] = Counter()
        self.ejections: Counter[tuple[str, str]] = Counter()
        self._gauges: dict[int, Gauges] = {}
        self._topology = topology
        self._ejected: dict[str, float] = {}
        self._started = self.clock.wall()

    def reconfigure(self, topology: Topology) -> None:
        """Other names are known from now on; the counts of those that stay go on."""
        self._topology = topology
        self.samples.follow(topology)
        self.upstream = {node.name: self.upstream.get(node.name, Histogram()) for node in topology.nodes}

    def add(self, message: Mapping[str, Any]) -> None:
        """Count what a worker sent. Raises `ValueError` when it is not of that shape; then nothing is counted."""
        counts = self._bounded(Counts.model_validate(message))
        for service, group, datacentre, code_class, n in counts.requests:
            self.requests[service, group, datacentre, code_class] += n
        for phase, numbers in counts.seconds.items():
            self.seconds[phase].add(numbers)
        for node, numbers in (*counts.upstream.items(), *counts.pinned.items()):
            self.upstream[node].add(numbers)
        self.retries.update(counts.retries)
        self.refused.update(counts.refused)
        self.arrivals.update(counts.arrivals)
        for version, resumed, n in counts.handshakes:
            self.handshakes[version, resumed] += n
        if counts.gauges is not None:
            self._gauges[counts.worker] = counts.gauges
        mono = self.clock.monotonic()
        self.live.add(counts, mono)
        self.samples.add(counts.samples, mono)

    def forget(self, worker: int) -> None:
        """A worker is gone, and with it its connections. What it counted stays."""
        self._gauges.pop(worker, None)

    def saw(self, snapshot: Snapshot) -> None:
        """Count the ejections that are new in this snapshot. Call it for every one that is published.

        One that is older than this process was counted by the process before, and one of a cold standby is none.
        """
        cold = cold_nodes(self._topology, snapshot.groups) if snapshot.nodes else frozenset()
        for name, status in snapshot.nodes.items():
            if status.state is not NodeState.EJECTED or name in cold:
                self._ejected.pop(name, None)
            elif self._ejected.get(name) != status.since:
                self._ejected[name] = status.since
                self.ejections[name, status.cause] += status.since >= self._started

    @property
    def connections(self) -> int:
        return sum(gauges.connections for gauges in self._gauges.values())

    @property
    def overload(self) -> dict[int, Overload]:
        """By worker."""
        return {worker: gauges.overload for worker, gauges in sorted(self._gauges.items())}

    def in_flight(self, node: str) -> int:
        return sum(gauges.in_flight.get(node, 0) for gauges in self._gauges.values())

    def fullest(self) -> Mapping[str, int]:
        """By node: what is in flight of the worker that has most to do."""
        return max((gauges.in_flight for gauges in self._gauges.values()), key=lambda n: sum(n.values()), default={})

    def _bounded(self, counts: Counts) -> Counts:
        known = self._topology
        requests: Counter[tuple[str, str, str, str]] = Counter()
        for service, group, datacentre, code_class, n in counts.requests:
            names = (_known(service, known.services), _known(group, known.groups))
            requests[(*names, _known(datacentre, known.datacentres), _listed(code_class, CODE_CLASSES))] += n
        retries: Counter[str] = Counter()
        for reason, n in counts.retries.items():
            retries[_listed(reason, RETRIES)] += n
        refused: Counter[str] = Counter()
        for reason, n in counts.refused.items():
            refused[_listed(reason, REFUSALS)] += n
        return counts.model_copy(
            update={
                "refused": refused,
                "requests": [(*labels, n) for labels, n in requests.items()],
                "seconds": {phase: numbers for phase, numbers in counts.seconds.items() if phase in self.seconds},
                "upstream": self._of_known_nodes(counts.upstream),
                "pinned": self._of_known_nodes(counts.pinned),
                "retries": retries,
                "handshakes": [
                    (_listed(version, TLS_VERSIONS), resumed, n) for version, resumed, n in counts.handshakes
                ],
            }
        )

    def _of_known_nodes(self, found: Mapping[str, list[float]]) -> dict[str, list[float]]:
        return {node: numbers for node, numbers in found.items() if node in self.upstream}


def _known(name: str, names: Collection[str]) -> str:
    return name if name in names else ""


def _listed(name: str, names: Collection[str]) -> str:
    return name if name in names else OTHER
