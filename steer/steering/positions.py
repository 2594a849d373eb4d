"""Where a group is that is at one datacentre (active-passive, pilot-light), as a table and as values.

                        leaves                        settles away
    home  ------------------------------>  leaving  ---------------->  away
     ^  ^                                   |  ^  ^                     | |
     |  +-----------------------------------+  |  +---------------------+ |
     |             settles home                |         leaves           |
     |                                         | leaves                   | returns
     +---------------------------- returning --+--------------------------+
              settles home

*Leaving*: new clients go to `at` already, and those with affinity may stay in the datacentre that was left, until the
time is over or none of them is left. *Returning*: the share of the first datacentre of the order rises, step by step;
the last step is a leave like any other. Where nobody has affinity, nobody stays, and a move settles at once.

A position is a value: each function answers another one, so that control can write it to disk before it holds. Nothing
in here asks whether a move is wise (`safety.py`) or due (`automatic.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from steer.steering.model import Group


class Stage(StrEnum):
    HOME = "home"
    LEAVING = "leaving"
    AWAY = "away"
    RETURNING = "returning"


class Input(StrEnum):
    """What moves a group from stage to stage."""

    LEAVES = "leaves"
    SETTLES_HOME = "settles home"
    SETTLES_AWAY = "settles away"
    RETURNS = "returns"


STAGES = {
    (Stage.HOME, Input.LEAVES): Stage.LEAVING,
    (Stage.HOME, Input.SETTLES_AWAY): Stage.AWAY,
    (Stage.LEAVING, Input.LEAVES): Stage.LEAVING,
    (Stage.LEAVING, Input.SETTLES_HOME): Stage.HOME,
    (Stage.LEAVING, Input.SETTLES_AWAY): Stage.AWAY,
    (Stage.LEAVING, Input.RETURNS): Stage.RETURNING,
    (Stage.AWAY, Input.LEAVES): Stage.LEAVING,
    (Stage.AWAY, Input.SETTLES_HOME): Stage.HOME,
    (Stage.AWAY, Input.SETTLES_AWAY): Stage.AWAY,
    (Stage.AWAY, Input.RETURNS): Stage.RETURNING,
    (Stage.RETURNING, Input.LEAVES): Stage.LEAVING,
    (Stage.RETURNING, Input.SETTLES_HOME): Stage.HOME,
    (Stage.RETURNING, Input.SETTLES_AWAY): Stage.AWAY,
}


@dataclass(frozen=True, slots=True)
class Position:
    """`at` takes the new clients. Wall times: `since` (of the last step), `until`; monotonic: `ends`, `stepped`."""

    at: str
    stage: Stage = Stage.HOME
    since: float = 0.0
    cause: str = ""
    """Who moved it there and why, for people; empty: it never moved."""
    leaving: str = ""
    """Where clients with affinity may stay until `until`, which is the same moment as `ends`."""
    until: float | None = None
    ends: float | None = None
    step: int = 0
    """Of the ramp, while it is returning."""
    stepped: float = 0.0
    """When that step began."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The time of a step, on both clocks: seconds."""

    now: float
    mono: float


def home_of(group: Group) -> str:
    return group.order[0]


def start(group: Group) -> Position:
    """Where a group is that was never moved."""
    return Position(home_of(group))


def move(group: Group, before: Position, to: str, stay: float, cause: str, when: Moment) -> Position:
    """All new clients go to `to` from now on; those with affinity may stay where they are for `stay` seconds."""
    if stay <= 0:
        return settle(group, replace(before, at=to, cause=cause), when)
    stage = STAGES[before.stage, Input.LEAVES]
    left = _left_behind(group, before, to)
    return Position(to, stage, when.now, cause, left, until=when.now + stay, ends=when.mono + stay)


def _left_behind(group: Group, before: Position, to: str) -> str:
    """Where it was; and where a ramp that is broken off was going to."""
    if before.at != to:
        return before.at
    return home_of(group) if before.stage is Stage.RETURNING else before.leaving


def settle(group: Group, before: Position, when: Moment) -> Position:
    """Nobody stays behind, or may."""
    is_home = before.at == home_of(group)
    if is_home and before.stage is Stage.HOME:
        return before
    stage = STAGES[before.stage, Input.SETTLES_HOME if is_home else Input.SETTLES_AWAY]
    return Position(before.at, stage, since=when.now, cause=before.cause)


def begin_return(group: Group, before: Position, stay: float, cause: str, when: Moment) -> Position:
    """Home, by the ramp. One of a single step moves at once."""
    if group.failback.ramp[0] >= 100:
        return move(group, before, home_of(group), stay, cause, when)
    stage = STAGES[before.stage, Input.RETURNS]
    return Position(before.at, stage, since=when.now, cause=cause, stepped=when.mono)


def go_on(group: Group, before: Position, stay: float, when: Moment) -> Position:
    """The next step of the ramp, if this one has lasted. The last one brings it home."""
    if before.stage is not Stage.RETURNING or when.mono - before.stepped < group.failback.hold:
        return before
    step = before.step + 1
    if step >= len(group.failback.ramp) or group.failback.ramp[step] >= 100:
        return move(group, before, home_of(group), stay, before.cause, when)
    return replace(before, step=step, stepped=when.mono, since=when.now)


def break_off(group: Group, before: Position, cause: str, when: Moment) -> Position:
    """The ramp home ends where it began."""
    return settle(group, replace(before, cause=cause), when)


def arriving(group: Group, position: Position) -> dict[str, float]:
    """Percent of the new clients by datacentre while it is returning; else {}: all go to `at`."""
    if position.stage is not Stage.RETURNING:
        return {}
    share = group.failback.ramp[min(position.step, len(group.failback.ramp) - 1)]
    return {home_of(group): share, position.at: 100 - share}


def in_use(group: Group, position: Position) -> frozenset[str]:
    """Where its requests may go now: what a standby is not."""
    return frozenset(filter(None, (position.at, position.leaving, *arriving(group, position))))


# The state file...


def to_plain(position: Position, when: Moment) -> dict[str, Any]:
    """JSON-able, monotonic times as wall times."""
    return {
        "at": position.at,
        "stage": str(position.stage),
        "since": position.since,
        "cause": position.cause,
        "leaving": position.leaving,
        "until": position.until,
        "step": position.step,
        "stepped": when.now - (when.mono - position.stepped),
    }


def from_plain(group: Group, data: Mapping[str, Any], when: Moment) -> Position:
    """The inverse of `to_plain`, for a configuration that may be another one: never outside of `group.order`."""
    if data["at"] not in group.order:
        return start(group)
    until = data["until"]
    known = Position(
        at=data["at"],
        stage=Stage(data["stage"]),
        since=data["since"],
        cause=data["cause"],
        leaving=data["leaving"],
        until=until,
        ends=None if until is None else when.mono + (until - when.now),
        step=data["step"],
        stepped=when.mono - max(0.0, when.now - data["stepped"]),
    )
    return known if _still_fits(group, known) else Position(known.at, _at_rest(group, known), known.since, known.cause)


def _still_fits(group: Group, known: Position) -> bool:
    """Whether it can go on as it was with this order."""
    if known.leaving and known.leaving not in group.order:
        return False
    if known.stage is Stage.RETURNING:
        return known.at != home_of(group)
    return known.stage is Stage.LEAVING or known.stage is _at_rest(group, known)


def _at_rest(group: Group, known: Position) -> Stage:
    return Stage.HOME if known.at == home_of(group) else Stage.AWAY
