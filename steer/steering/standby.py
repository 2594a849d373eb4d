"""Which nodes are not expected to run: those of a standby whose group says `standby: cold`.

They may fail their checks, be ejected and probe like all others, because that is how one sees that they have been
started; but nobody is to be alarmed by it. A standby is a datacentre of the group's order where no request goes now.
"""

from __future__ import annotations

from collections.abc import Mapping

from steer.steering.model import Group, Topology
from steer.steering.plan import PLAIN_GROUP, PLAIN_NODE
from steer.steering.snapshot import GroupStatus, NodeState, NodeStatus

STANDBY = "standby"
"""What people are shown in place of the state of a node or a datacentre that is expected to be down."""
COLD = "its group is elsewhere, and what stands by is cold: it is not expected to run"


def is_cold(group: Group, status: GroupStatus, datacentre: str) -> bool:
    """Whether the group's nodes there are not expected to run."""
    if not group.cold or datacentre not in group.order:
        return False
    return datacentre not in (status.at or group.order[0], status.leaving, *status.arriving)


def cold_nodes(topology: Topology, groups: Mapping[str, GroupStatus]) -> frozenset[str]:
    """The nodes that no group expects to run. `groups`: those of a snapshot."""
    return frozenset(
        node.name for node in topology.nodes if _is_cold_place(topology, groups, node.pool, node.datacentre)
    )


def _is_cold_place(topology: Topology, groups: Mapping[str, GroupStatus], pool: str, datacentre: str) -> bool:
    users = [group for group in topology.groups.values() if pool in group.pools]
    return bool(users) and all(is_cold(group, groups.get(group.name, PLAIN_GROUP), datacentre) for group in users)


def is_standby(name: str, nodes: Mapping[str, NodeStatus], cold: frozenset[str]) -> bool:
    """Whether the node is down, and may be."""
    return name in cold and nodes.get(name, PLAIN_NODE).state is not NodeState.SERVING
