"""What becomes of a group that an operator moves: each function answers the record that follows, or raises.

Pure. Raises Unacceptable (it cannot be) or Refused (a safety rule, with its name; `force` overrides all but
`already_there`). In its plain form, without a plan: *graceful* lets clients with affinity stay for `drain.sessions`
where they are, *ungraceful* does not. A failback goes home by the group's ramp.
"""

from __future__ import annotations

from dataclasses import dataclass

from steer.control.asking import known
from steer.errors import Refused, Unacceptable
from steer.steering import groups, positions
from steer.steering.automatic import HOLD
from steer.steering.clients import stay_of
from steer.steering.groups import Record
from steer.steering.model import Group, Topology
from steer.steering.positions import Moment, Position, Stage
from steer.steering.safety import can_take_all
from steer.steering.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Wish:
    """Who wants it, and why. `why` is "ops: patching"."""

    why: str
    force: bool
    when: Moment


def failover(
    topology: Topology, snapshot: Snapshot, name: str, record: Record, to: str | None, ungraceful: bool, wish: Wish
) -> Record:
    group = topology.groups[name]
    before = _position(group, record)
    if to is not None:
        known(f"datacentre of {name}", to, group.order)
    target = to if to is not None else _destination(topology, group, before, snapshot)
    if _is_there(before, target, ungraceful):
        raise Refused("already_there", f"{name} is at {target} already", _others(group, target))
    _require_capacity(topology, group, target, snapshot, wish)
    stay = 0.0 if ungraceful else stay_of(topology, name)
    return groups.move(group, record, positions.move(group, before, target, stay, wish.why, wish.when))


def failback(topology: Topology, snapshot: Snapshot, name: str, record: Record, is_on_hold: bool, wish: Wish) -> Record:
    group = topology.groups[name]
    before, home = _position(group, record), positions.home_of(group)
    if before.at == home:
        raise Refused("already_there", f"{name} is at home already: {home}", _others(group, home))
    if before.stage is Stage.RETURNING and not wish.force:
        raise Refused("already_there", f"{name} is returning to {home} already", "--force goes there at once")
    _require_capacity(topology, group, home, snapshot, wish)
    stay = stay_of(topology, name)
    if is_on_hold and not wish.force and len(group.failback.ramp) > 1:
        hint = f"`steer release {name}` first; `force` with a reason goes there in one step"
        raise Refused(HOLD, f"{name} is held, so its ramp would stand still", hint)
    if is_on_hold or before.stage is Stage.RETURNING:
        return groups.move(group, record, positions.move(group, before, home, stay, wish.why, wish.when))
    return groups.move(group, record, positions.begin_return(group, before, stay, wish.why, wish.when))


def _position(group: Group, record: Record) -> Position:
    if record.position is None:
        raise Unacceptable(
            f"{group.name} is active-active: it is at all its datacentres at once",
            f"`steer drain DATACENTRE --group {group.name}` empties one of them",
        )
    return record.position


def _destination(topology: Topology, group: Group, before: Position, snapshot: Snapshot) -> str:
    """The first of the order that could take it; while it is on its way from home or back, the place away from home."""
    is_on_its_way = before.stage in (Stage.LEAVING, Stage.RETURNING)
    if is_on_its_way and before.at != positions.home_of(group):
        return before.at
    others = [name for name in group.order if name != before.at]
    if not others:
        raise Unacceptable(f"{group.name} has no datacentre but {before.at}", f"groups.{group.name}.order names them")
    able = (name for name in others if can_take_all(topology, group, name, snapshot) is None)
    return next(able, others[0])


def _is_there(before: Position, target: str, ungraceful: bool) -> bool:
    """Whether nothing would change. To be ungraceful cuts short what was begun gracefully."""
    if before.at != target or before.stage is Stage.RETURNING:
        return False
    return not (ungraceful and before.stage is Stage.LEAVING)


def _others(group: Group, there: str) -> str:
    others = [name for name in group.order if name != there]
    return f"it could go to {', '.join(others)}" if others else ""


def _require_capacity(topology: Topology, group: Group, target: str, snapshot: Snapshot, wish: Wish) -> None:
    refused = can_take_all(topology, group, target, snapshot)
    if refused is not None and not wish.force:
        raise refused
