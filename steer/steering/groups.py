"""How the groups stand: position, flap penalty and what is watched for, of each; and what time does to them.

One record for each group, a value. `step` is a turn of the clock for one of them: it answers the record that follows
and what happened, in words. Control calls it each 100 ms, and puts another record in the place of the one that is there
when an operator moves a group (`positions.move`), holds it or releases it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from steer.steering import automatic, penalty, positions
from steer.steering.automatic import HOLD, MOST_PER_DAY, NOTHING_SEEN, PENALTY, Due, States, Watch
from steer.steering.model import Group, GroupMode, Topology
from steer.steering.penalty import Penalty
from steer.steering.positions import Moment, Position, Stage
from steer.steering.snapshot import DatacentreState


@dataclass(frozen=True, slots=True)
class Record:
    """`position` is None for an active-active group, which is everywhere."""

    position: Position | None = None
    penalty: Penalty = penalty.NONE
    watch: Watch = NOTHING_SEEN
    blocked: str = ""
    """What is due and not done: what holds it, or `nowhere`; empty: nothing is."""


Records = dict[str, Record]


@dataclass(frozen=True, slots=True)
class Happening:
    """`kind` is that of the event. `is_bad`: a person should look."""

    kind: str
    words: str
    is_bad: bool = False


@dataclass(frozen=True, slots=True)
class Scene:
    """What a step needs to know of one group's surroundings. `ready`: the datacentres that could take all of it."""

    when: Moment
    states: States
    ready: Collection[str]
    is_on_hold: bool
    stay: float
    is_none_left: bool
    """Certainly no client is left where it was (`clients.py`)."""


NOWHERE = "nowhere"

Step = tuple[Record, tuple[Happening, ...]]


def begin(topology: Topology) -> Records:
    return {name: beginning(group) for name, group in topology.groups.items()}


def beginning(group: Group) -> Record:
    return Record(None if group.mode is GroupMode.ACTIVE_ACTIVE else positions.start(group))


def step(group: Group, record: Record, scene: Scene) -> Step:
    """One turn of the clock."""
    record, said = _settle_penalty(group, record, scene.when.mono)
    if record.position is None:
        return record, said
    record, went_on = _go_on(group, record, record.position, scene)
    record, done = _act(group, record, scene)
    return record, (*said, *went_on, *done)


def count_out(group: Group, record: Record, datacentre: str, mono: float) -> Step:
    """One of its datacentres is out. A standby that nothing goes to costs no points: nothing moves by its doing."""
    if not _costs(group, record.position, datacentre):
        return record, ()
    after = replace(record, penalty=penalty.add(record.penalty, group.penalty, mono))
    if not after.penalty.is_suspended or record.penalty.is_suspended or not automatic.moves_by_itself(group):
        return after, ()
    minutes = penalty.reuse_in(after.penalty, group.penalty, mono) / 60
    words = f"{PENALTY}: {after.penalty.points:.0f} points, nothing returns or fails over by itself"
    return after, (Happening("held", f"{words} for about {minutes:.0f} min", is_bad=True),)


def _costs(group: Group, position: Position | None, datacentre: str) -> bool:
    if datacentre not in group.datacentres:
        return False
    return position is None or datacentre in (positions.home_of(group), *positions.in_use(group, position))


def move(group: Group, record: Record, position: Position) -> Record:
    """Somebody put it there: what is waited for begins anew."""
    return replace(record, position=position, watch=automatic.moved(record.watch), blocked="")


def release(record: Record) -> Record:
    """An operator says that it may move by itself again, whatever was before."""
    return replace(record, penalty=penalty.NONE, watch=replace(record.watch, failovers=()), blocked="")


def is_held_by_itself(record: Record) -> bool:
    """Whether a release would change anything."""
    return record.penalty != penalty.NONE or bool(record.watch.failovers)


def held(group: Group, record: Record, is_on_hold: bool) -> str:
    """Why nothing of it moves by itself: `hold`, `penalty`, `most_per_day`; empty: it may."""
    if is_on_hold:
        return HOLD
    if record.penalty.is_suspended and automatic.moves_by_itself(group):
        return PENALTY
    return MOST_PER_DAY if record.blocked == MOST_PER_DAY else ""


def in_use(topology: Topology, records: Mapping[str, Record]) -> dict[str, frozenset[str]]:
    """Where each group that is at one datacentre may send requests; with `spill` that is all of its order."""
    return {
        name: positions.in_use(topology.groups[name], record.position)
        for name, record in records.items()
        if record.position is not None and not topology.groups[name].spill
    }


def _settle_penalty(group: Group, record: Record, mono: float) -> Step:
    settled = penalty.settle(record.penalty, group.penalty, mono)
    is_over = record.penalty.is_suspended and not settled.is_suspended and automatic.moves_by_itself(group)
    said = (Happening("released", f"its penalty is under {group.penalty.reuse:.0f} points"),) if is_over else ()
    return replace(record, penalty=settled), said


def _go_on(group: Group, record: Record, position: Position, scene: Scene) -> Step:
    """What was begun: clients that leave, a ramp home."""
    if position.stage is Stage.LEAVING:
        return _leave(group, record, position, scene)
    if position.stage is Stage.RETURNING:
        return _return(group, record, position, scene)
    return record, ()


def _leave(group: Group, record: Record, position: Position, scene: Scene) -> Step:
    is_over = position.ends is not None and scene.when.mono >= position.ends
    is_lost = scene.states[position.leaving] is DatacentreState.OUT
    if not (is_over or is_lost or scene.is_none_left):
        return record, ()
    why = "it is out" if is_lost else "the time is over" if is_over else "no client is left"
    settled = positions.settle(group, position, scene.when)
    return replace(record, position=settled), (Happening("group_left", f"{position.leaving}: {why}"),)


def _return(group: Group, record: Record, position: Position, scene: Scene) -> Step:
    home = positions.home_of(group)
    if scene.states[home] is DatacentreState.OUT:
        after = positions.break_off(group, position, position.cause, scene.when)
        words = f"stays at {position.at}: {home} is out again"
        return move(group, record, after), (Happening("return_broken_off", words, is_bad=True),)
    if scene.states[position.at] is DatacentreState.OUT:
        after = positions.move(group, position, home, 0.0, position.cause, scene.when)
    elif scene.is_on_hold:
        return record, ()
    else:
        after = positions.go_on(group, position, scene.stay, scene.when)
    if after is position:
        return record, ()
    if after.stage is Stage.RETURNING:
        share = positions.arriving(group, after)[home]
        return replace(record, position=after), (Happening("group_returning", f"{share:g} % to {home}"),)
    return move(group, record, after), (Happening("group_moved", f"to {home}: the ramp is over"),)


def _act(group: Group, record: Record, scene: Scene) -> Step:
    """What is due by itself."""
    position, mono = record.position, scene.when.mono
    assert position is not None, "only a group that is somewhere can move"
    record = replace(record, watch=automatic.see(record.watch, group, position, scene.states, mono))
    hold = held(group, replace(record, blocked=""), scene.is_on_hold)
    found = automatic.due(group, position, record.watch, scene.ready, hold, mono)
    if found is None:
        return replace(record, blocked=""), ()
    in_the_way = found.held or ("" if found.to else NOWHERE)
    if in_the_way:
        said = () if in_the_way == record.blocked else (_say_blocked(group, position, found),)
        return replace(record, blocked=in_the_way), said
    return _move_by_itself(group, record, position, found, scene)


def _say_blocked(group: Group, position: Position, due: Due) -> Happening:
    if not due.held:
        return Happening("failover_blocked", f"{position.at} is out, and no other datacentre is ready", is_bad=True)
    more = f", {group.failover.most_per_day} failovers in 24 h" if due.held == MOST_PER_DAY else ""
    return Happening("held", f"{due.held}: a {due.kind} is due{more}", is_bad=True)


def _move_by_itself(group: Group, record: Record, position: Position, due: Due, scene: Scene) -> Step:
    if due.kind == "failover":
        cause = f"automatic: {position.at} was out for {group.failover.after:g} s"
        after = positions.move(group, position, due.to, 0.0, cause, scene.when)
        watch = automatic.failed_over(record.watch, scene.when.mono)
        record = replace(record, position=after, watch=watch, blocked="")
        return record, (Happening("group_moved", f"from {position.at} to {due.to}, {cause}", is_bad=True),)
    cause = f"automatic: {due.to} has been back for {group.failback.after:g} s"
    after = positions.begin_return(group, position, scene.stay, cause, scene.when)
    kind = "group_returning" if after.stage is Stage.RETURNING else "group_moved"
    return move(group, record, after), (Happening(kind, f"from {position.at} to {due.to}, {cause}"),)


# The state file...


def to_plain(records: Mapping[str, Record], when: Moment) -> dict[str, Any]:
    return {name: _record_to_plain(record, when) for name, record in records.items()}


def _record_to_plain(record: Record, when: Moment) -> dict[str, Any]:
    ahead = when.now - when.mono
    return {
        "position": None if record.position is None else positions.to_plain(record.position, when),
        "penalty": penalty.to_plain(record.penalty, when.now, when.mono),
        "out_since": None if record.watch.out_since is None else record.watch.out_since + ahead,
        "home_since": None if record.watch.home_since is None else record.watch.home_since + ahead,
        "failovers": [at + ahead for at in record.watch.failovers],
    }


def from_plain(topology: Topology, data: Mapping[str, Any], when: Moment) -> Records:
    """The inverse of `to_plain`; groups that are new begin, those that are gone are passed over."""
    return {
        name: _record_from_plain(group, data[name], when) if name in data else beginning(group)
        for name, group in topology.groups.items()
    }


def _record_from_plain(group: Group, data: Mapping[str, Any], when: Moment) -> Record:
    def then(wall: float) -> float:
        """Not in the future, though the wall clock may have been set back."""
        return when.mono - max(0.0, when.now - wall)

    was_somewhere = group.mode is not GroupMode.ACTIVE_ACTIVE and data["position"] is not None
    began = beginning(group)
    return Record(
        position=positions.from_plain(group, data["position"], when) if was_somewhere else began.position,
        penalty=penalty.from_plain(data["penalty"], when.now, when.mono),
        watch=Watch(
            None if data["out_since"] is None else then(data["out_since"]),
            None if data["home_since"] is None else then(data["home_since"]),
            tuple(then(at) for at in data["failovers"]),
        ),
    )
