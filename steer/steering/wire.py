"""Snapshots and observations as plain data (dicts, lists, text, numbers) for the frames between processes.

Only what differs from its default is sent: most nodes are serving, and a snapshot goes to every worker.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from steer.steering.model import Observation, Outcome
from steer.steering.snapshot import DatacentreState, DatacentreStatus, GroupStatus, NodeState, NodeStatus, Snapshot

Plain = dict[str, Any]


def to_wire(snapshot: Snapshot) -> Plain:
    return {
        "number": snapshot.number,
        "nodes": {name: status_to_wire(status) for name, status in snapshot.nodes.items()},
        "groups": {name: _group_to_wire(status) for name, status in snapshot.groups.items()},
    }


def from_wire(data: Mapping[str, Any]) -> Snapshot:
    """The snapshot that `to_wire` was given. Raises TypeError, KeyError or ValueError on anything else."""
    return Snapshot(
        number=data["number"],
        nodes={name: status_from_wire(status) for name, status in data["nodes"].items()},
        groups={name: _group_from_wire(status) for name, status in data["groups"].items()},
    )


def status_to_wire(status: NodeStatus | DatacentreStatus) -> Plain:
    return _changed_fields(status)


def status_from_wire(data: Mapping[str, Any]) -> NodeStatus:
    return NodeStatus(**{**data, "state": NodeState(data.get("state", NodeState.SERVING))})


def datacentre_from_wire(data: Mapping[str, Any]) -> DatacentreStatus:
    return DatacentreStatus(**{**data, "state": DatacentreState(data.get("state", DatacentreState.SERVING))})


def observation_to_wire(observation: Observation) -> Plain:
    return _changed_fields(observation)


def observation_from_wire(data: Mapping[str, Any]) -> Observation:
    return Observation(**{**data, "outcome": Outcome(data["outcome"])})


def _group_to_wire(status: GroupStatus) -> Plain:
    datacentres = {name: status_to_wire(state) for name, state in status.datacentres.items()}
    rules = {name: dict(weights) for name, weights in status.rules.items()}
    plain = {**_changed_fields(status), "datacentres": datacentres, "rules": rules}
    return {name: dict(value) if isinstance(value, Mapping) else value for name, value in plain.items()}


def _group_from_wire(data: Mapping[str, Any]) -> GroupStatus:
    datacentres = {name: datacentre_from_wire(state) for name, state in data["datacentres"].items()}
    return GroupStatus(**{**data, "datacentres": datacentres})


def _changed_fields(value: NodeStatus | DatacentreStatus | GroupStatus | Observation) -> Plain:
    """The fields that have no default or another value than it; a StrEnum as the text it is."""
    plain: Plain = {}
    for each in fields(value):
        content = getattr(value, each.name)
        if each.default is MISSING or content != each.default:
            plain[each.name] = str(content) if isinstance(content, str) else content
    return plain
