"""The state in the operator's words, as JSON-able values: the admin API answers them, the command line prints them.

Times are RFC 3339 in UTC, durations seconds, shares 0 to 1, rates requests a second, latencies seconds (null: no
request in the last ten seconds).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from steer.control.context import AdminContext
from steer.control.histogram import Histogram
from steer.control.moments import moment
from steer.control.overrides import Override
from steer.control.shares import current_weights, shares
from steer.control.views_groups import datacentre_state, group_status, position, tail
from steer.steering.model import Group, Node, Pool, Rule, Service
from steer.steering.snapshot import DatacentreStatus, NodeState, NodeStatus, Snapshot
from steer.steering.standby import STANDBY, cold_nodes, is_standby

View = dict[str, Any]


def status(context: AdminContext) -> View:
    now = context.clock.monotonic()
    rate, failed = context.totals.live.rates(now)
    return {
        "edge": context.name,
        "version": context.version,
        "config_hash": context.config_hash,
        "started": moment(context.started),
        "uptime": round(max(0.0, context.clock.wall() - context.started), 3),
        "snapshot": context.keeper.snapshot.number,
        "connections": context.totals.connections,
        "overload": overload(context),
        "requests_per_second": round(rate, 2),
        "errors_per_second": round(failed, 2),
        "latency": latency(context.totals.live.latencies(now)),
        "workers": [{**asdict(worker), "since": moment(worker.since)} for worker in context.workers()],
        "overrides": len(context.keeper.overrides()),
        "isolated": context.keeper.is_isolated,
        "groups": [group_line(context, group) for group in context.keeper.topology.groups.values()],
    }


def overload(context: AdminContext) -> View:
    """Which workers have more to do than they can, and what was refused since control started, by reason."""
    seen = context.totals.overload
    return {
        "level": max((worker.level for worker in seen.values()), default=0),
        "workers": {str(worker): each.model_dump() for worker, each in seen.items() if each.level},
        "refused": dict(context.totals.refused),
    }


def group_line(context: AdminContext, group: Group) -> View:
    """A group in one line: where its traffic goes, and how many nodes carry it there."""
    places = [_place(context, group, datacentre) for datacentre in group.datacentres]
    where = position(context, group)
    line = _line(group, places, tail(where))
    return {"name": group.name, "mode": str(group.mode), **where, "line": line, "datacentres": places}


def _line(group: Group, places: Iterable[View], tail: Iterable[str]) -> str:
    return "  ".join(
        (
            f"{group.name}  {group.mode}",
            *(
                f"{place['name']} {place['share']:.0%} {place['state']} "
                f"({place['nodes']['serving']} of {place['nodes']['expected']})".replace("%", " %")
                for place in places
            ),
            *tail,
        )
    )


def _place(context: AdminContext, group: Group, datacentre: str) -> View:
    snapshot = context.keeper.snapshot
    return {
        "name": datacentre,
        "share": round(shares(context.keeper.topology, snapshot, group, context.clock.monotonic())[datacentre], 4),
        "state": datacentre_state(snapshot, group, datacentre),
        "nodes": node_counts(context, [n for pool in group.pools for n in _nodes(context, pool, datacentre)]),
    }


def node_counts(context: AdminContext, nodes: Iterable[Node]) -> View:
    """`expected` are those that should run: an operator's drained ones do not count (steering.md, Weights)."""
    states = [_status(context.keeper.snapshot, node.name) for node in nodes]
    expected = [status for status in states if not status.drained]
    return {
        "serving": sum(status.state is NodeState.SERVING for status in expected),
        "expected": len(expected),
        "drained": len(states) - len(expected),
    }


def group(context: AdminContext, group: Group) -> View:
    status = group_status(context.keeper.snapshot, group)
    override = next((o for o in context.keeper.overrides() if o.id == status.override), None)
    topology = context.keeper.topology
    return {
        **group_line(context, group),
        "weights": current_weights(context.keeper.snapshot, group),
        "configured_weights": dict(group.weights),
        "override": override_view(override) if override else None,
        "rules": [_rule(context, group, rule) for rule in group.rules],
        "pools": list(group.pools),
        "critical": list(group.critical),
        "services": [service.name for service in topology.services.values() if service.group == group.name],
        "datacentres": [
            {**_place(context, group, name), **_datacentre_detail(context, group, name)} for name in group.datacentres
        ],
    }


def _rule(context: AdminContext, group: Group, rule: Rule) -> View:
    """`weights` as they are now; {} where it goes to the nearest."""
    target = {"group": group.name, "rule": rule.name}
    override = next((each for each in context.keeper.overrides() if each.target == target), None)
    return {
        "name": rule.name,
        "nearest": rule.nearest,
        "weights": {**rule.weights, **(override.value if override else {})},
        "configured_weights": dict(rule.weights),
        "override": override_view(override) if override else None,
    }


def _datacentre_detail(context: AdminContext, group: Group, name: str) -> View:
    status = group_status(context.keeper.snapshot, group)
    state = status.datacentres.get(name, DatacentreStatus())
    rate, failed = context.totals.live.rates(context.clock.monotonic(), group.name, name)
    return {
        "weight": current_weights(context.keeper.snapshot, group).get(name, 0),
        "since": moment(state.since),
        "until": moment(state.until),
        "cause": state.cause,
        "returning": state.ramp_from is not None,
        "requests_per_second": round(rate, 2),
        "errors_per_second": round(failed, 2),
    }


def datacentre(context: AdminContext, name: str) -> View:
    topology = context.keeper.topology
    groups = [group for group in topology.groups.values() if name in group.datacentres]
    return {
        "name": name,
        "nodes": node_counts(context, [node for node in topology.nodes if node.datacentre == name]),
        "requests_per_second": round(context.totals.live.rates(context.clock.monotonic(), None, name)[0], 2),
        "groups": [
            {**_place(context, group, name), **_datacentre_detail(context, group, name), "name": group.name}
            for group in groups
        ],
    }


def pool(context: AdminContext, pool: Pool) -> View:
    return {
        "name": pool.name,
        "algorithm": pool.algorithm,
        "min_nodes": pool.min_nodes,
        "max_connections": pool.max_connections,
        "max_pending": pool.max_pending,
        "checked": pool.checked,
        "when_none": "try_all" if pool.try_all else "page",
        "nodes": [node(context, member) for member in pool.nodes],
    }


def node(context: AdminContext, node: Node) -> View:
    snapshot, now = context.keeper.snapshot, context.clock.monotonic()
    status, cold = _status(snapshot, node.name), cold_nodes(context.keeper.topology, snapshot.groups)
    seen = context.totals.live.node_latencies(now, node.name)
    return {
        "name": node.name,
        "pool": node.pool,
        "datacentre": node.datacentre,
        "weight": node.weight,
        "state": STANDBY if is_standby(node.name, snapshot.nodes, cold) else str(status.state),
        "since": moment(status.since),
        "until": moment(status.until),
        "times": status.times,
        "cause": status.cause,
        "drained": status.drained,
        "held": status.held,
        "ramping": status.ramp_from is not None,
        "in_flight": context.totals.in_flight(node.name),
        "requests_per_second": round(seen.count / context.totals.live.span(now), 2),
        "latency": latency(seen),
    }


def service(service: Service) -> View:
    return {
        "name": service.name,
        "group": service.group,
        "hostnames": list(service.hostnames),
        "pinned_hostnames": {
            name: {"datacentre": pinned.datacentre, "allow": list(pinned.allow)}
            for name, pinned in service.pinned.items()
        },
        "routes": [asdict(route) for route in service.routes],
    }


def override_view(override: Override) -> View:
    return {**asdict(override), "since": moment(override.since), "expires": moment(override.expires)}


def explained_node(found: View) -> View:
    """What the keeper says of a node, its wall times as all others here."""
    return {
        **found,
        "since": moment(found["since"]),
        "until": moment(found["until"]),
        "evidence": [{**failure, "at": moment(failure["at"])} for failure in found["evidence"]],
        "overrides": [
            {**override, "since": moment(override["since"]), "expires": moment(override["expires"])}
            for override in found["overrides"]
        ],
    }


def latency(seen: Histogram) -> View:
    return {"p50": seen.percentile(0.5), "p99": seen.percentile(0.99)}


def _nodes(context: AdminContext, pool: str, datacentre: str) -> list[Node]:
    return [node for node in context.keeper.topology.pools[pool].nodes if node.datacentre == datacentre]


def _status(snapshot: Snapshot, node: str) -> NodeStatus:
    return snapshot.nodes.get(node, NodeStatus())
