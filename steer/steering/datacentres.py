"""How a datacentre is for a group: serving, draining or out. One ledger for the edge, kept by control.

A datacentre is *out* for a group when one of the pools that decide (`shortages.py`) has fewer than `min_nodes` nodes
available there for `out_after`, and *serving* again, by the ramp, when all have for `back_after`. An operator's drain
hides either; while it begins, clients with affinity may stay for a while (`until`).

One of an active-active group that is *kept out* (held, or suspended by its flap penalty) does not return by itself, but
where no other datacentre of the group serves: to wait then would be worse than any flapping.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from steer.steering.model import Group, Topology
from steer.steering.shortages import lacking
from steer.steering.snapshot import DatacentreState, DatacentreStatus, NodeStatus
from steer.steering.wire import datacentre_from_wire, status_to_wire


@dataclass(frozen=True, slots=True)
class DatacentreChange:
    """A step of a datacentre for a group. `cause`: `override`, or which pool lacks nodes, or `nodes are back`."""

    group: str
    datacentre: str
    before: DatacentreState
    after: DatacentreState
    cause: str


@dataclass(slots=True)
class _Place:
    """One datacentre for one group. Times are monotonic."""

    group: Group
    datacentre: str
    status: DatacentreStatus = field(default_factory=DatacentreStatus)
    drained: bool = False
    out: bool = False
    """What its nodes say, under a drain too."""
    lacking_since: float | None = None
    complete_since: float | None = None
    stay_ends: float | None = None
    """When the time is over for which clients may stay under a drain."""

    def see(self, problem: str, mono: float, keeps_out: str) -> bool:
        """Take in what is lacking (empty: nothing). True: it has now been so for long enough to turn.

        `keeps_out`: why it may not return by itself; empty: it may.
        """
        if problem:
            self.complete_since = None
            self.lacking_since = mono if self.lacking_since is None else self.lacking_since
            turns = not self.out and mono - self.lacking_since >= self.group.out_after
        else:
            self.lacking_since = None
            self.complete_since = mono if self.complete_since is None else self.complete_since
            turns = self.is_back(mono) and not keeps_out
        self.out = self.out != turns
        return turns

    def is_back(self, mono: float) -> bool:
        """Out, though its nodes have been there for long enough."""
        return self.out and self.complete_since is not None and mono - self.complete_since >= self.group.back_after

    def say(self, problem: str, keeps_out: str, mono: float) -> None:
        """Why it is still out, as it is now."""
        cause = f"nodes are back, the group is held: {keeps_out}" if self.is_back(mono) else problem
        if self.status.state is DatacentreState.OUT and cause and keeps_out:
            self.status = replace(self.status, cause=cause)

    def settle(self, cause: str, now: float, mono: float) -> tuple[DatacentreChange, ...]:
        """The state that follows; a return to serving begins a ramp."""
        before, state = self.status.state, self._state()
        if state is before:
            return ()
        ramp_from = mono if state is DatacentreState.SERVING else None
        self.status = DatacentreStatus(state, since=now, cause=cause, ramp_from=ramp_from)
        return (DatacentreChange(self.group.name, self.datacentre, before, state, cause),)

    def _state(self) -> DatacentreState:
        if self.drained:
            return DatacentreState.DRAINING
        return DatacentreState.OUT if self.out else DatacentreState.SERVING


Changes = tuple[DatacentreChange, ...]

NOTHING: Mapping[str, str] = {}
EVERYWHERE: Mapping[str, frozenset[str]] = {}


class DatacentreLedger:
    """The states of every datacentre for every group of a configuration."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._places = {
            (group.name, datacentre): _Place(group, datacentre)
            for group in topology.groups.values()
            for datacentre in topology.datacentres
        }

    def __repr__(self) -> str:
        words = [
            f"{group} in {datacentre} {self._places[group, datacentre].status.state}"
            for group, datacentre in self._places
        ]
        return f"<DatacentreLedger [{', '.join(words)}]>"

    def status(self, group: str, datacentre: str) -> DatacentreStatus:
        return self._places[group, datacentre].status

    def statuses(self, group: str) -> dict[str, DatacentreStatus]:
        """Every datacentre of one group, for the snapshot."""
        return {place.datacentre: place.status for place in self._places.values() if place.group.name == group}

    def update(
        self, statuses: Mapping[str, NodeStatus], now: float, mono: float, held: Mapping[str, str] = NOTHING
    ) -> Changes:
        """Follow the nodes and the time. Call it after each change of a node, and each 100 ms.

        `held`: the active-active groups of which nothing returns by itself, and why.
        """
        changes: list[DatacentreChange] = []
        # Those that serve first: whether another one is lost decides who returns.
        for place in sorted(self._places.values(), key=lambda place: place.out):
            problem = lacking(self._topology, place.group, place.datacentre, statuses)
            keeps_out = held.get(place.group.name, "") if place.out and self._serves_elsewhere(place) else ""
            if place.see(problem, mono, keeps_out):
                changes += place.settle(problem or "nodes are back", now, mono)
            place.say(problem, keeps_out, mono)
        return tuple(changes)

    def _serves_elsewhere(self, place: _Place) -> bool:
        return any(
            other.status.state is DatacentreState.SERVING and other.datacentre in place.group.datacentres
            for other in self._places.values()
            if other.group is place.group and other is not place
        )

    def drain(self, group: str, datacentre: str, now: float, mono: float, stay: float = 0.0) -> Changes:
        """New clients go elsewhere until `restore`, whatever the nodes do; those with affinity stay so many seconds."""
        place = self._places[group, datacentre]
        place.drained = True
        changes = place.settle("override", now, mono)
        if changes and stay > 0:
            place.stay_ends = mono + stay
            place.status = replace(place.status, until=now + stay)
        return changes

    def stays(self, mono: float) -> tuple[tuple[str, str, float], ...]:
        """(group, datacentre, seconds left) of those that drain and where clients may still stay."""
        return tuple(
            (place.group.name, place.datacentre, max(0.0, place.stay_ends - mono))
            for place in self._places.values()
            if place.stay_ends is not None
        )

    def end_stay(self, group: str, datacentre: str) -> bool:
        """Nobody is left there, or may stay any longer. True: somebody could until now."""
        place = self._places[group, datacentre]
        was_open, place.stay_ends = place.stay_ends is not None, None
        place.status = replace(place.status, until=None)
        return was_open

    def restore(self, group: str, datacentre: str, now: float, mono: float) -> Changes:
        """The end of a drain: serving by the ramp, or out where nodes are lacking."""
        place = self._places[group, datacentre]
        place.drained = False
        place.stay_ends = None
        return place.settle("override", now, mono)

    def is_kept_out(self, group: str, datacentre: str, mono: float) -> bool:
        """Out, though its nodes are back: the group is held."""
        place = self._places[group, datacentre]
        return not place.drained and place.is_back(mono)

    def export(self, now: float, mono: float) -> dict[str, Any]:
        """Plain JSON-able data, for the state file and a reload; ramps as wall time."""
        return {"places": [_export(place, now, mono) for place in self._places.values()]}

    def restore_state(self, data: Mapping[str, Any], now: float, mono: float) -> None:
        """Take over what `export` said. Groups and datacentres that are gone are passed over."""
        for each in data["places"]:
            place = self._places.get((each["group"], each["datacentre"]))
            if place is not None:
                _restore(place, each, now, mono)


def usable(
    topology: Topology, ledger: DatacentreLedger, in_use: Mapping[str, frozenset[str]] = EVERYWHERE
) -> dict[str, frozenset[str]]:
    """For each pool the datacentres that some group with it may use now: for `Ledger.set_usable`.

    `in_use`: for each group that is at one datacentre, where it may send requests (`positions.in_use`).
    """
    found: dict[str, set[str]] = {pool: set() for pool in topology.pools}
    for group in topology.groups.values():
        allowed = in_use.get(group.name, frozenset(group.datacentres))
        serving = {name for name in allowed if ledger.status(group.name, name).state is DatacentreState.SERVING}
        for pool in group.pools:
            found[pool] |= serving
    return {pool: frozenset(datacentres) for pool, datacentres in found.items()}


def standbys(topology: Topology, in_use: Mapping[str, frozenset[str]] = EVERYWHERE) -> dict[str, frozenset[str]]:
    """For each pool the datacentres to which no group sends requests now, whatever their state."""
    found: dict[str, frozenset[str]] = {}
    for pool in topology.pools:
        users = [group for group in topology.groups.values() if pool in group.pools]
        used = {name for group in users for name in in_use.get(group.name, frozenset(group.datacentres))}
        found[pool] = frozenset(node.datacentre for node in topology.pools[pool].nodes) - used
    return found


def _export(place: _Place, now: float, mono: float) -> dict[str, Any]:
    ramp_from = place.status.ramp_from
    return {
        "group": place.group.name,
        "datacentre": place.datacentre,
        "status": status_to_wire(replace(place.status, ramp_from=None)),
        "ramp_from": None if ramp_from is None else now - (mono - ramp_from),
        "drained": place.drained,
        "out": place.out,
    }


def _restore(place: _Place, data: Mapping[str, Any], now: float, mono: float) -> None:
    ramp_from = data["ramp_from"]
    since = None if ramp_from is None else mono - max(0.0, now - ramp_from)
    place.status = replace(datacentre_from_wire(data["status"]), ramp_from=since)
    place.drained = data["drained"]
    place.out = data["out"]
    until = place.status.until
    place.stay_ends = None if until is None else mono + (until - now)
