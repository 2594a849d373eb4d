"""What a group does by itself: when a failover or a failback is due, and what holds it.

A failover is due when the datacentre where the group is has been out for `failover.after`, a failback when the first
of its order has been serving for `failback.after` while the group is elsewhere. Either goes only to a datacentre that
is ready. What holds them, in this order:

    hold           an operator said so
    penalty        its datacentres come and go (`penalty.py`)
    most_per_day   it has failed over as often as it may within 24 hours; then it does not return by itself either,
                   because from there it could not leave again
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from steer.steering.model import Group, GroupMode
from steer.steering.positions import Position, Stage, home_of
from steer.steering.snapshot import DatacentreState

HOLD, PENALTY, MOST_PER_DAY = "hold", "penalty", "most_per_day"
"""The names of what holds a group."""

DAY = 86400.0

States = Mapping[str, DatacentreState]


@dataclass(frozen=True, slots=True)
class Watch:
    """Since when what a move waits for has been so, and the automatic failovers of the last day. Monotonic times."""

    out_since: float | None = None
    home_since: float | None = None
    failovers: tuple[float, ...] = ()


NOTHING_SEEN = Watch()


@dataclass(frozen=True, slots=True)
class Due:
    """A move that time has come for. `held` names what is in its way; `to` empty: no datacentre is ready."""

    kind: Literal["failover", "failback"]
    to: str
    held: str = ""


def see(watch: Watch, group: Group, position: Position, states: States, mono: float) -> Watch:
    """How its datacentres are now."""
    is_out = states[position.at] is DatacentreState.OUT
    is_home_back = position.at != home_of(group) and states[home_of(group)] is DatacentreState.SERVING
    return Watch(
        out_since=_since(watch.out_since, is_out, mono),
        home_since=_since(watch.home_since, is_home_back, mono),
        failovers=tuple(at for at in watch.failovers if mono - at < DAY),
    )


def _since(before: float | None, is_so: bool, mono: float) -> float | None:
    if not is_so:
        return None
    return mono if before is None else before


def due(group: Group, position: Position, watch: Watch, ready: Collection[str], held: str, mono: float) -> Due | None:
    """What should happen now. `held`: what holds the group whatever is due (hold, penalty); empty: nothing."""
    is_capped = group.failover.automatic and len(watch.failovers) >= group.failover.most_per_day
    held = held or (MOST_PER_DAY if is_capped else "")
    if group.failover.automatic and _has_lasted(watch.out_since, group.failover.after, mono):
        return Due("failover", _target(group, position, ready), held)
    if position.stage is Stage.RETURNING or not group.failback.automatic:
        return None
    if home_of(group) in ready and _has_lasted(watch.home_since, group.failback.after, mono):
        return Due("failback", home_of(group), held)
    return None


def _has_lasted(since: float | None, wanted: float, mono: float) -> bool:
    return since is not None and mono - since >= wanted


def _target(group: Group, position: Position, ready: Collection[str]) -> str:
    return next((name for name in group.order if name != position.at and name in ready), "")


def failed_over(watch: Watch, mono: float) -> Watch:
    """One more of the day. What it waited for begins anew where it is now."""
    return Watch(failovers=(*watch.failovers, mono))


def moved(watch: Watch) -> Watch:
    """Somebody moved it, or it returned: what is waited for begins anew."""
    return replace(watch, out_since=None, home_since=None)


def moves_by_itself(group: Group) -> bool:
    """Whether anything of it ever does, so that it can be held."""
    if group.mode is GroupMode.ACTIVE_ACTIVE:
        return True
    return group.failover.automatic or group.failback.automatic
