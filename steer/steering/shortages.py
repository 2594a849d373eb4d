"""Whether a datacentre has the nodes that it takes to serve a group: which pools decide, and what they lack there.

Which pools decide: where `critical` names some of the group's pools, those, and one that has no nodes in a datacentre
keeps that datacentre out. By default (`critical` empty, or all pools) only those pools decide that have nodes there: a
pool that runs in one place must not keep the other place out. A datacentre with no nodes of any of them is out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from steer.steering.model import Group, Topology
from steer.steering.plan import PLAIN_NODE, is_available
from steer.steering.snapshot import NodeStatus


def deciding_pools(topology: Topology, group: Group, datacentre: str) -> tuple[str, ...]:
    """The pools whose nodes make this datacentre out or serving for the group."""
    if group.critical and set(group.critical) != set(group.pools):
        return group.critical
    return tuple(
        pool for pool in group.pools if any(node.datacentre == datacentre for node in topology.pools[pool].nodes)
    )


def available(topology: Topology, pool: str, datacentre: str, statuses: Mapping[str, NodeStatus]) -> int:
    """How many nodes of the pool take requests there."""
    nodes = topology.pools[pool].nodes
    here = [statuses.get(node.name, PLAIN_NODE) for node in nodes if node.datacentre == datacentre]
    return sum(is_available(status) for status in here)


def lacking(topology: Topology, group: Group, datacentre: str, statuses: Mapping[str, NodeStatus]) -> str:
    """What keeps the datacentre from serving the group, in words; empty where nothing does."""
    pools = deciding_pools(topology, group, datacentre)
    if not pools:
        return "no nodes here"
    return ", ".join(_shortages(topology, pools, datacentre, statuses))


def _shortages(
    topology: Topology, pools: Iterable[str], datacentre: str, statuses: Mapping[str, NodeStatus]
) -> Iterable[str]:
    for pool in pools:
        there, needed = available(topology, pool, datacentre, statuses), topology.pools[pool].min_nodes
        if there < needed:
            yield f"{pool} has {there} of {needed} nodes that it needs"
