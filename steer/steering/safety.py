"""What no change may do, whoever asks for it: pure checks over the snapshot before and the snapshot after.

Each returns None, or the `Refused` (not raised) with the rule's name that the API and the audit show: `at_least`,
`min_nodes`, `pause`. `force` with a reason is the caller's business, and so are protective moves, which ask nobody.
"""

from __future__ import annotations

from steer.errors import Refused
from steer.steering.datacentres import available, deciding_pools
from steer.steering.model import DatacentreState, Group, GroupMode, GroupStatus, Snapshot, Topology
from steer.steering.plan import PLAIN_DATACENTRE, PLAIN_GROUP

__all__ = ["Refused", "check_change", "keeps_at_least", "keeps_min_nodes", "keeps_pause"]


def check_change(
    topology: Topology, before: Snapshot, after: Snapshot, group: str, last_change: float | None, mono: float
) -> Refused | None:
    """All rules for a change of one group. A change of a node is a change of each group that uses its pool."""
    rules = topology.groups[group]
    return (
        keeps_pause(rules, last_change, mono)
        or keeps_at_least(topology, rules, before, after)
        or keeps_min_nodes(topology, rules, before, after)
    )


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
    if group.mode is GroupMode.ACTIVE_ACTIVE and not any(_weights(group, after).values()):
        return Refused("at_least", f"{group.name} would have no datacentre with weight")
    left, had = _serving(topology, group, after), _serving(topology, group, before)
    if len(left) >= group.at_least or len(left) >= len(had):
        return None
    names = ", ".join(left) or "none"
    return Refused("at_least", f"{group.name} would be served by {names}: at least {group.at_least} must stay")


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
