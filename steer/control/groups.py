"""The groups of the edge as they move: records of `steering.groups`, the clients that are left, and what is said of it.

No clock, no disk, no sockets: `now` is wall seconds, `mono` monotonic seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from steer.control.events import Events, Level
from steer.steering import automatic, groups, penalty, positions
from steer.steering.clients import ClientsLeft, stay_of
from steer.steering.datacentres import DatacentreChange, DatacentreLedger
from steer.steering.groups import Happening, Record, Records, Scene
from steer.steering.isolation import LOOK_BACK
from steer.steering.model import Group, GroupMode, Topology
from steer.steering.positions import Moment, Stage
from steer.steering.safety import can_take_all
from steer.steering.snapshot import DatacentreState, GroupStatus, Snapshot


@dataclass(frozen=True, slots=True)
class Stay:
    """Clients that may stay where new ones do not go: for so many seconds, and so many of them seen."""

    datacentre: str
    seconds_left: float
    clients_left: int


@dataclass(frozen=True, slots=True)
class GroupReport:
    """What people see of a group that workers need not know. `stage` is empty for an active-active group."""

    stage: str
    since: float
    """Wall time of its last step; 0: it never moved."""
    cause: str
    stays: tuple[Stay, ...]
    penalty: float
    is_suspended: bool
    reuse_in: float
    failovers: int
    """Automatic ones in the last 24 hours."""
    blocked: str


@dataclass(frozen=True, slots=True)
class Turned:
    """What time did: `any` change, and whether a group is somewhere else, which must not be forgotten."""

    any: bool = False
    moved: bool = False


class Groups:
    """For the life of a configuration."""

    def __init__(self, topology: Topology, events: Events) -> None:
        self._topology = topology
        self._events = events
        self.records: Records = groups.begin(topology)
        self.clients = ClientsLeft(topology)
        self._stays_for = {name: stay_of(topology, name) for name in topology.groups}
        self.holds: frozenset[str] = frozenset()
        """The groups that an operator holds."""

    # The state file...

    def export(self, records: Mapping[str, Record], now: float, mono: float) -> dict[str, Any]:
        return groups.to_plain({**self.records, **records}, Moment(now, mono))

    def take_over(self, saved: Mapping[str, Any], now: float, mono: float) -> None:
        """Begin where `export` left off."""
        self.records = groups.from_plain(self._topology, saved, Moment(now, mono))
        for name, record in self.records.items():
            was = (saved.get(name) or {}).get("position")
            if was and record.position is not None and was["at"] != record.position.at:
                why = f"it was at {was['at']}, which is not in its order any more: it is at {record.position.at}"
                self._events.record("group_moved", name, why, Level.WARNING)

    # What happens...

    def put(self, records: Mapping[str, Record]) -> None:
        self.records = {**self.records, **records}

    def say_moved(self, name: str, before: Record, force: bool) -> None:
        """Somebody has moved it; `before` is how it was."""
        position = self.records[name].position
        assert position is not None
        assert before.position is not None
        group = self._topology.groups[name]
        share = positions.arriving(group, position).get(positions.home_of(group))
        kind = "group_moved" if share is None else "group_returning"
        to = position.at if share is None else f"{positions.home_of(group)}, {share:g} % at first"
        words = f"from {before.position.at} to {to}; {position.cause}"
        self._events.record(kind, name, f"{words} (forced)" if force else words, Level.WARNING)

    def count_outs(self, changes: Iterable[DatacentreChange], mono: float) -> None:
        for change in changes:
            if change.after is DatacentreState.OUT:
                group = self._topology.groups[change.group]
                record, said = groups.count_out(group, self.records[group.name], change.datacentre, mono)
                self.put({group.name: record})
                self._say(group.name, said)

    def status(self, name: str) -> GroupStatus:
        """As much of it as the records say."""
        group, record = self._topology.groups[name], self.records[name]
        held = groups.held(group, record, name in self.holds)
        position = record.position
        if position is None or position.stage is Stage.HOME:
            return GroupStatus(held=held)
        return GroupStatus(
            at=position.at,
            arriving=positions.arriving(group, position),
            leaving=position.leaving,
            leaving_until=position.until,
            held=held,
        )

    def statuses(self) -> dict[str, GroupStatus]:
        return {name: self.status(name) for name in self.records}

    def keeps_out(self) -> dict[str, str]:
        """The active-active groups whose datacentres do not return by themselves, and why."""
        found = {
            name: groups.held(group, self.records[name], name in self.holds)
            for name, group in self._topology.groups.items()
            if group.mode is GroupMode.ACTIVE_ACTIVE
        }
        return {name: why for name, why in found.items() if why}

    def in_use(self) -> dict[str, frozenset[str]]:
        return groups.in_use(self._topology, self.records)

    def take_back_outs(self, mono: float) -> None:
        """It was the edge that was lost: points of a moment ago are forgotten, with those that they were added to."""
        self.records = {
            name: replace(record, penalty=penalty.NONE) if mono - record.penalty.counted <= LOOK_BACK else record
            for name, record in self.records.items()
        }

    def wait_anew(self) -> None:
        """What moves of groups wait for has not been seen: it begins anew."""
        self.records = {
            name: replace(record, watch=automatic.moved(record.watch)) for name, record in self.records.items()
        }

    def turn(self, datacentres: DatacentreLedger, snapshot: Snapshot, when: Moment) -> Turned:
        """A turn of the clock for all of them. `snapshot` is the newest one."""
        ended = self._end_stays(datacentres, when.mono)
        before, self.records = self.records, {}
        for name, group in self._topology.groups.items():
            scene = self._scene(group, before[name], datacentres, snapshot, when)
            self.records[name], said = groups.step(group, before[name], scene)
            self._say(name, said)
        moved = any(before[name].position != record.position for name, record in self.records.items())
        return Turned(ended or before != self.records, moved)

    def _scene(
        self, group: Group, record: Record, datacentres: DatacentreLedger, snapshot: Snapshot, when: Moment
    ) -> Scene:
        states = {name: status.state for name, status in datacentres.statuses(group.name).items()}
        position = record.position
        leaving = position.leaving if position is not None else ""
        return Scene(
            when=when,
            states=states,
            ready=self._ready(group, states, snapshot) if position is not None else (),
            is_on_hold=group.name in self.holds,
            stay=self._stays_for[group.name],
            is_none_left=bool(leaving) and self.clients.is_none_left(group.name, leaving, when.mono),
        )

    def _ready(self, group: Group, states: Mapping[str, DatacentreState], snapshot: Snapshot) -> list[str]:
        """Those that serve; of a pilot light those that can carry all of it."""
        serving = [name for name in group.order if states[name] is DatacentreState.SERVING]
        if group.mode is not GroupMode.PILOT_LIGHT:
            return serving
        return [name for name in serving if can_take_all(self._topology, group, name, snapshot) is None]

    # The clients that are left...

    def watch(self, datacentres: DatacentreLedger, mono: float) -> None:
        """Count the clients where they may stay, from the moment on in which they may: a worker tells of each once."""
        left = [
            (name, record.position.leaving)
            for name, record in self.records.items()
            if record.position is not None and record.position.leaving
        ]
        draining = ((group, datacentre) for group, datacentre, _ in datacentres.stays(mono))
        self.clients.watch((*left, *draining), mono)

    def _end_stays(self, datacentres: DatacentreLedger, mono: float) -> bool:
        """Of the drains. True: one has ended."""
        ended = False
        for group, datacentre, seconds in datacentres.stays(mono):
            none_left = self.clients.is_none_left(group, datacentre, mono)
            if seconds <= 0 or none_left:
                ended = datacentres.end_stay(group, datacentre)
                why = "no client is left" if none_left else "the time is over"
                self._events.record("drained", f"{datacentre} for {group}", why)
        return ended

    def report(self, name: str, datacentres: DatacentreLedger, mono: float) -> GroupReport:
        group, record = self._topology.groups[name], self.records[name]
        position = record.position
        return GroupReport(
            stage=str(position.stage) if position is not None else "",
            since=position.since if position is not None else 0.0,
            cause=position.cause if position is not None else "",
            stays=tuple(self._stays(name, datacentres, mono)),
            penalty=round(record.penalty.at(group.penalty, mono), 1),
            is_suspended=record.penalty.is_suspended,
            reuse_in=penalty.reuse_in(record.penalty, group.penalty, mono),
            failovers=len(record.watch.failovers),
            blocked=record.blocked,
        )

    def _stays(self, name: str, datacentres: DatacentreLedger, mono: float) -> Iterable[Stay]:
        position = self.records[name].position
        if position is not None and position.stage is Stage.LEAVING and position.ends is not None:
            yield self._stay(name, position.leaving, max(0.0, position.ends - mono), mono)
        for group, datacentre, seconds in datacentres.stays(mono):
            if group == name:
                yield self._stay(name, datacentre, seconds, mono)

    def _stay(self, group: str, datacentre: str, seconds: float, mono: float) -> Stay:
        return Stay(datacentre, round(seconds, 1), self.clients.count(group, datacentre, mono))

    def _say(self, group: str, said: Iterable[Happening]) -> None:
        for each in said:
            self._events.record(each.kind, group, each.words, Level.WARNING if each.is_bad else Level.INFO)
