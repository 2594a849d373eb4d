"""What share of a group's new clients each datacentre gets now, as the workers would decide it."""

from __future__ import annotations

from steer.steering.model import Group, Topology
from steer.steering.preparation import prepare
from steer.steering.snapshot import GroupStatus, Snapshot

NO_WORKER = -1
"""Trials are granted to workers; nobody here takes one."""


def current_weights(snapshot: Snapshot, group: Group) -> dict[str, float]:
    """The group's own weights, with those of an override in place of what it names."""
    return {**group.weights, **snapshot.groups.get(group.name, GroupStatus()).weights}


def shares(topology: Topology, snapshot: Snapshot, group: Group, now: float) -> dict[str, float]:
    """By datacentre, 0 to 1. Where the pools of the group stand differently: the mean over them."""
    found = dict.fromkeys(group.datacentres, 0.0)
    for pool in group.pools:
        for site in prepare(group, topology.pools[pool], snapshot, now, NO_WORKER).sites:
            found[site.datacentre] += site.share / len(group.pools)
    return found
