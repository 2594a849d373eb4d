"""Which place a node has in a worker's lists, from one configuration to the next.

Requests in flight know their node by its index. So a node that stays as it was keeps its index, and its connections
with it; a new one gets a place that nobody uses any more, or one at the end. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from steer.proxy.settings import NodeAddress, PlaneSettings
from steer.steering.model import Node, Pool, Topology


@dataclass(frozen=True, slots=True)
class Placing:
    """`topology` and `settings` with the indices that hold from now on; places of nodes that are gone keep theirs."""

    topology: Topology
    settings: PlaneSettings
    fresh: tuple[int, ...]
    """Places that another node has now, or that did not exist before."""
    gone: tuple[int, ...]
    """Places whose node is in no pool any more."""


def place(
    before: Topology,
    old: PlaneSettings,
    after: Topology,
    new: PlaneSettings,
    is_free: Callable[[int], bool],
) -> Placing:
    """Put the nodes of `after`, numbered from 0, into the places that those of `before` have.

    `is_free` is asked of places of nodes that were gone already: nothing of the node that had it is under way.
    """
    nodes = {node.index: node for node in before.nodes}
    addresses = dict(enumerate(old.addresses))
    known = {_identity(node, old): node.index for node in _members(before)}
    used = set(known.values())
    spare = [node.index for node in before.nodes if node.index not in used and is_free(node.index)]
    moved: dict[str, Node] = {}
    fresh: list[int] = []
    for node in after.nodes:
        index = known.get(_identity(node, new))
        if index is None:
            index = spare.pop() if spare else len(nodes)
            fresh.append(index)
        moved[node.name] = nodes[index] = replace(node, index=index)
        addresses[index] = new.addresses[node.index]
    taken = {node.index for node in moved.values()}
    pools = {name: _renumbered(pool, moved) for name, pool in after.pools.items()}
    return Placing(
        topology=replace(after, nodes=tuple(nodes.values()), pools=pools),
        settings=replace(new, addresses=tuple(addresses.values())),
        fresh=tuple(fresh),
        gone=tuple(index for index in range(len(nodes)) if index not in taken),
    )


def _members(topology: Topology) -> list[Node]:
    return [node for pool in topology.pools.values() for node in pool.nodes]


def _identity(node: Node, settings: PlaneSettings) -> tuple[str, str, str, NodeAddress, object]:
    """Where this is the same, connections that are open are as good as new ones."""
    address, manner = settings.addresses[node.index], settings.pools[node.pool].manner
    return node.name, node.pool, node.datacentre, address, manner


def _renumbered(pool: Pool, moved: dict[str, Node]) -> Pool:
    return replace(pool, nodes=tuple(moved[node.name] for node in pool.nodes))
