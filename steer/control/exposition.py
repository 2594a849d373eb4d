"""The metrics in Prometheus text format (0.0.4), computed when somebody asks and not before."""

from __future__ import annotations

import platform
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from steer.control.context import AdminContext
from steer.control.families import Sample, counter, gauge, histogram
from steer.control.metrics import PHASES
from steer.control.session_metrics import session_metrics
from steer.control.shares import shares
from steer.control.views_groups import datacentre_state, position
from steer.steering.automatic import HOLD, MOST_PER_DAY, PENALTY
from steer.steering.snapshot import DatacentreState, NodeState, NodeStatus
from steer.steering.standby import STANDBY, cold_nodes, is_standby

HELD = (HOLD, PENALTY, MOST_PER_DAY)
CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


def render(context: AdminContext) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(EdgeCollector(context))
    return generate_latest(registry)


class EdgeCollector(Collector):
    """Every family of `steer_*`. Counters and histograms have been added up since the control process started."""

    def __init__(self, context: AdminContext) -> None:
        self._context = context
        self._totals = context.totals

    def collect(self) -> Iterator[Metric]:
        yield from self._traffic()
        yield from self._arrivals()
        yield from session_metrics(self._context.sessions())
        yield from self._overload()
        yield from self._state()
        yield from self._edge()

    def _traffic(self) -> Iterator[Metric]:
        totals = self._totals
        yield counter(
            "steer_requests",
            "Requests answered, by the edge itself where the datacentre is empty",
            ("service", "group", "datacentre", "code_class"),
            totals.requests.items(),
        )
        yield histogram("steer_request_seconds", "Whole requests", (), [((), totals.seconds["total"])])
        phases = [((phase,), totals.seconds[phase]) for phase in PHASES]
        yield histogram("steer_phase_seconds", "Phases of requests", ("phase",), phases)
        nodes = [((node,), seen) for node, seen in totals.upstream.items()]
        yield histogram("steer_upstream_seconds", "Nodes' answers, up to the response's head", ("node",), nodes)
        retries = (((reason,), n) for reason, n in totals.retries.items())
        yield counter("steer_retries", "Further tries on another node", ("reason",), retries)
        ejections = totals.ejections.items()
        yield counter("steer_ejections", "Nodes ejected", ("node", "detector"), ejections)
        handshakes = (((version, str(resumed).lower()), n) for (version, resumed), n in totals.handshakes.items())
        yield counter("steer_tls_handshakes", "TLS handshakes with clients", ("version", "resumed"), handshakes)
        yield gauge("steer_connections", "Connections of clients, now", (), [((), totals.connections)])

    def _arrivals(self) -> Iterator[Metric]:
        """Those whose session is known by its cookie (`session_cookie`)."""
        found = (((result,), n) for result, n in self._totals.arrivals.items())
        meaning = "Clients that came from another datacentre: their session was brought, or could not be"
        yield counter("steer_session_arrivals", meaning, ("result",), found)

    def _overload(self) -> Iterator[Metric]:
        refused = (((reason,), n) for reason, n in self._totals.refused.items())
        yield counter("steer_overload_refused", "Connections and requests that were too many", ("reason",), refused)
        workers = [((str(worker),), seen) for worker, seen in self._totals.overload.items()]
        levels = ((labels, seen.level) for labels, seen in workers)
        yield gauge("steer_overload_level", "0 calm, 1 refuses connections, 2 and requests", ("worker",), levels)
        lags = ((labels, seen.lag) for labels, seen in workers)
        yield gauge("steer_overload_lag_seconds", "By which the event loop is late", ("worker",), lags)
        memory = ((labels, seen.memory) for labels, seen in workers)
        yield gauge("steer_overload_memory", "Of what the worker may have, 0 to 1", ("worker",), memory)

    def _state(self) -> Iterator[Metric]:
        yield gauge("steer_node_state", "1 for the state that it is in", ("node", "state"), self._node_states())
        labels = ("group", "datacentre", "state")
        yield gauge("steer_datacentre_state", "1 for the state that it is in", labels, self._datacentre_states())
        shown = "Share of new clients, 0 to 1: weight x health x ramp"
        yield gauge("steer_weight", shown, ("group", "datacentre"), self._shares())

        yield from self._positions()

    def _positions(self) -> Iterator[Metric]:
        """Of groups that are at one datacentre, and what keeps groups from moving by themselves."""
        topology = self._context.keeper.topology
        where = {group.name: position(self._context, group) for group in topology.groups.values()}
        at = (
            ((name, datacentre), datacentre == found["at"])
            for name, found in where.items()
            if found["at"] is not None
            for datacentre in topology.groups[name].datacentres
        )
        yield gauge("steer_group_at", "1 for the datacentre where it is", ("group", "datacentre"), at)
        held = (((name, reason), found["held"] == reason) for name, found in where.items() for reason in HELD)
        yield gauge("steer_group_held", "1 for what keeps it from moving by itself", ("group", "reason"), held)
        points = (((name,), found["penalty"]["points"]) for name, found in where.items())
        yield gauge("steer_group_penalty", "Points of its flap penalty", ("group",), points)
        left = (
            ((name, stay["datacentre"]), stay["clients_left"])
            for name, found in where.items()
            for stay in found["stays"]
        )
        yield gauge("steer_clients_left", "Clients where no new ones go", ("group", "datacentre"), left)

    def _edge(self) -> Iterator[Metric]:
        yield gauge(
            "steer_isolated", "1 while the edge itself is cut off", (), [((), self._context.keeper.is_isolated)]
        )
        now = self._context.clock.wall()
        certificates = (((c.file,), c.expires - now) for c in self._context.certificates())
        yield gauge("steer_certificate_expiry_seconds", "Until it expires", ("certificate",), certificates)
        yield from self._databases(now)
        build = (self._context.version, platform.python_version())
        yield gauge("steer_build_info", "Always 1", ("version", "python"), [(build, 1)])

    def _databases(self, now: float) -> Iterator[Metric]:
        views = self._context.databases()
        meaning = "1: the file cannot be used, what was read before stays in use"
        yield gauge("steer_database_refused", meaning, ("file",), (((v.file,), bool(v.alarm)) for v in views))
        ages = (((v.file,), now - v.built) for v in views if v.built is not None)
        yield gauge("steer_database_age_seconds", "Since the database of places in use was built", ("file",), ages)

    def _node_states(self) -> Iterator[Sample]:
        snapshot = self._context.keeper.snapshot
        cold = cold_nodes(self._context.keeper.topology, snapshot.groups)
        for node in self._context.keeper.topology.nodes:
            is_expected_down = is_standby(node.name, snapshot.nodes, cold)
            current = STANDBY if is_expected_down else snapshot.nodes.get(node.name, NodeStatus()).state
            for state in (*NodeState, STANDBY):
                yield (node.name, str(state)), state == current

    def _datacentre_states(self) -> Iterator[Sample]:
        snapshot = self._context.keeper.snapshot
        for group in self._context.keeper.topology.groups.values():
            for datacentre in group.datacentres:
                current = datacentre_state(snapshot, group, datacentre)
                for state in (*DatacentreState, STANDBY):
                    yield (group.name, datacentre, str(state)), state == current

    def _shares(self) -> Iterator[Sample]:
        keeper, now = self._context.keeper, self._context.clock.monotonic()
        for group in keeper.topology.groups.values():
            for datacentre, share in shares(keeper.topology, keeper.snapshot, group, now).items():
                yield (group.name, datacentre), share
