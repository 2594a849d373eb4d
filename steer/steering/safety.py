"""What no change may do, whoever asks for it: pure checks over the snapshot before and the snapshot after.

Each returns None, or the `Refused` (not raised) with the rule's name that the API and the audit show: `at_least`,
`min_nodes`, `needed`, `draining`, `pause`. `force` with a reason is the caller's business, and so are protective moves,
which ask nobody.
"""

from __future__ import annotations

from collections.abc import Mapping

from steer.errors import Refused
from steer.steering.model import Group, GroupMode, Topology
from steer.steering.plan import PLAIN_DATACENTRE, PLAIN_GROUP
from steer.steering.shortages import available, deciding_pools
from steer.steering.snapshot import DatacentreState, GroupStatus, Snapshot

__all__ = ["Refused", "can_take_all", "check_change", "keeps_at_least", "keeps_min_nodes", "keeps_pause"]

Verdicts = Mapping[str, Refused | None]


def check_change(
    topology: Topology, before: Snapshot, after: Snapshot, group: str, last_change: float | None, mono: float
) -> Refused | None:
    """All rules for a change of one group. A change of a node is a change of each group that uses its pool."""
    asked = rules_for_change(topology, before, after, group, last_change, mono)
    return next((refused for refused in asked.values() if refused is not None), None)


def rules_for_change(
    topology: Topology, before: Snapshot, after: Snapshot, group: str, last_change: float | None, mono: float
) -> Verdicts:
    """What each of them says, by name; None: it passes."""
    rules = topology.groups[group]
    return {
        "pause": keeps_pause(rules, last_change, mono),
        "at_least": keeps_at_least(topology, rules, before, after),
        "min_nodes": keeps_min_nodes(topology, rules, before, after),
    }


def rules_for_move(
    topology: Topology, snapshot: Snapshot, group: str, to: str, last_change: float | None, mono: float
) -> Verdicts:
    """The same for a move of a group to another datacentre. Of the two about its nodes the stricter is not asked
    where the other says no."""
    rules = topology.groups[group]
    nodes = _has_nodes(topology, rules, to, snapshot)
    return {
        "pause": keeps_pause(rules, last_change, mono),
        "draining": _is_not_draining(rules, to, snapshot),
        "min_nodes": nodes if nodes is not None and nodes.rule == "min_nodes" else None,
        "needed": nodes if nodes is not None and nodes.rule == "needed" else None,
    }


def keeps_pause(group: Group, last_change: float | None, mono: float) -> Refused | None:
    """Two changes of a group lie `pause` apart. Both times are monotonic; None: it was never changed."""
    if last_change is None or mono - last_change >= group.pause:
        return None
    wait = group.pause - (mono - last_change)
    return Refused("pause", f"{group.name} was changed less than {group.pause:g} s ago: wait {wait:.1f} s")


def keeps_at_least(topology: Topology, group: Group, before: Snapshot, after: Snapshot) -> Refused | None:
    """So many datacentres serve the group afterwards, and one of its weights is above 0.

    A change that takes none away passes even where there are too few already: it must be possible to mend.
    """
    without_weight = _without_weight(group, after) or _without_current(group, before, after)
    if without_weight is not None:
        return without_weight
    left, had = _serving(topology, group, after), _serving(topology, group, before)
    if len(left) >= group.at_least or len(left) >= len(had):
        return None
    names = ", ".join(left) or "none"
    return Refused("at_least", f"{group.name} would be served by {names}: at least {group.at_least} must stay")


def _without_weight(group: Group, after: Snapshot) -> Refused | None:
    """All weights of the group, or of one of its rules, would be 0."""
    if group.mode is GroupMode.ACTIVE_ACTIVE and not any(_weights(group, after).values()):
        return Refused("at_least", f"{group.name} would have no datacentre with weight")
    for rule in group.rules:
        weights = {**rule.weights, **_status(group, after).rules.get(rule.name, {})}
        if weights and not any(weights.values()):
            return Refused("at_least", f"rule {rule.name} of {group.name} would have no datacentre with weight")
    return None


def _without_current(group: Group, before: Snapshot, after: Snapshot) -> Refused | None:
    """A group that is at one datacentre would be at one that does not serve it."""
    if group.mode is GroupMode.ACTIVE_ACTIVE or group.spill:
        return None
    at = _status(group, after).at or group.order[0]
    if at in _states_serving(group, after) or at not in _states_serving(group, before):
        return None
    hint = f"`steer failover {group.name}` moves it first; `force` with a reason overrides it"
    return Refused("at_least", f"{group.name} is at {at}: nothing would serve it", hint)


def can_take_all(topology: Topology, group: Group, datacentre: str, snapshot: Snapshot) -> Refused | None:
    """Whether the group may move to this datacentre: not draining, and with the nodes that it needs to carry it."""
    return _is_not_draining(group, datacentre, snapshot) or _has_nodes(topology, group, datacentre, snapshot)


def _is_not_draining(group: Group, datacentre: str, snapshot: Snapshot) -> Refused | None:
    status = _status(group, snapshot).datacentres.get(datacentre, PLAIN_DATACENTRE)
    if status.state is DatacentreState.DRAINING:
        hint = f"`steer restore {datacentre} --group {group.name}`; `force` with a reason overrides it"
        return Refused("draining", f"{datacentre} is draining for {group.name}", hint)
    return None


def _has_nodes(topology: Topology, group: Group, datacentre: str, snapshot: Snapshot) -> Refused | None:
    pools = deciding_pools(topology, group, datacentre)
    if not pools:
        return Refused("min_nodes", f"{group.name} has no nodes in {datacentre}")
    for pool in pools:
        refused = _carries(topology, group, pool, datacentre, snapshot)
        if refused is not None:
            return refused
    return None


def _carries(topology: Topology, group: Group, pool: str, datacentre: str, snapshot: Snapshot) -> Refused | None:
    there = available(topology, pool, datacentre, snapshot.nodes)
    least, needed = topology.pools[pool].min_nodes, needed_nodes(topology, group, pool, datacentre)
    if there >= max(least, needed):
        return None
    start = "start its nodes there, and go on when they are serving; " if group.cold else ""
    words = f"{pool} has {there} available in {datacentre}, {group.name} needs {max(least, needed)}"
    rule = "min_nodes" if there < least else "needed"
    return Refused(rule, words, f"{start}`force` with a reason overrides it")


def needed_nodes(topology: Topology, group: Group, pool: str, datacentre: str) -> int:
    """How many nodes carry the pool alone there: what is written, and for a pilot light as many as are listed."""
    written = topology.pools[pool].needed.get(datacentre)
    if written is not None or group.mode is not GroupMode.PILOT_LIGHT:
        return written or 0
    return sum(node.datacentre == datacentre for node in topology.pools[pool].nodes)


def keeps_min_nodes(topology: Topology, group: Group, before: Snapshot, after: Snapshot) -> Refused | None:
    """No datacentre that goes on serving the group loses nodes below a deciding pool's `min_nodes`."""
    for datacentre in _states_serving(group, after):
        for pool in deciding_pools(topology, group, datacentre):
            left = available(topology, pool, datacentre, after.nodes)
            had = available(topology, pool, datacentre, before.nodes)
            if left < had and left < topology.pools[pool].min_nodes:
                needed = topology.pools[pool].min_nodes
                return Refused("min_nodes", f"{pool} would have {left} nodes in {datacentre}: it needs {needed}")
    return None


def _status(group: Group, snapshot: Snapshot) -> GroupStatus:
    return snapshot.groups.get(group.name, PLAIN_GROUP)


def _weights(group: Group, snapshot: Snapshot) -> dict[str, float]:
    return {**group.weights, **_status(group, snapshot).weights}


def _states_serving(group: Group, snapshot: Snapshot) -> list[str]:
    """The group's datacentres that are neither draining nor out."""
    states = _status(group, snapshot).datacentres
    return [name for name in group.datacentres if states.get(name, PLAIN_DATACENTRE).state is DatacentreState.SERVING]


def _serving(topology: Topology, group: Group, snapshot: Snapshot) -> list[str]:
    """Those of them whose deciding pools have a node left. Weight 0 counts: such a one takes over."""

    def has_nodes(datacentre: str) -> bool:
        pools = deciding_pools(topology, group, datacentre)
        return bool(pools) and all(available(topology, pool, datacentre, snapshot.nodes) for pool in pools)

    return [name for name in _states_serving(group, snapshot) if has_nodes(name)]
