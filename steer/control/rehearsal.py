"""A change, tried on a twin of the keeper: how everything would stand with it and without it, and what the rules say.

Both sides are taken when they have settled: each datacentre has followed its nodes, ramps and waits are over, and
nothing else has happened. So whatever differs comes of the change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from steer.clock import Clock, StoppedClock
from steer.control.api_bodies import PreviewRequest
from steer.control.asking import groups_of
from steer.control.face import KeeperFace
from steer.control.overrides import Override
from steer.errors import Refused
from steer.steering.model import Group
from steer.steering.plan import PLAIN_GROUP
from steer.steering.reach import position
from steer.steering.safety import Verdicts
from steer.steering.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """`groups`: those that the change is about. `rules`: what each safety rule says, by group."""

    before: Snapshot
    after: Snapshot
    groups: tuple[str, ...]
    rules: Mapping[str, Verdicts]

    @property
    def is_refused(self) -> bool:
        return any(refused is not None for verdicts in self.rules.values() for refused in verdicts.values())


def rehearse(keeper: KeeperFace, wanted: PreviewRequest, owner: str, clock: Clock) -> Rehearsal:
    """Raises what the change itself would raise; but a safety rule that refuses it is told, and its doing shown."""
    stopped = StoppedClock(clock)
    before = keeper.twin(stopped).settled()
    twin, refused = keeper.twin(stopped), None
    try:
        override = act(twin, wanted, owner, wanted.force)
    except Refused as error:
        if error.rule == "already_there":
            raise
        twin, refused = keeper.twin(stopped), error
        override = act(twin, wanted, owner, force=True)
    groups = _groups(keeper, wanted, override)
    rules = _rules(keeper, wanted, override, twin.snapshot)
    if refused is not None:
        rules = {group: {refused.rule: refused, **rules.get(group, {})} for group in groups}
    return Rehearsal(before, twin.settled(), groups, rules)


def act(keeper: KeeperFace, wanted: PreviewRequest, owner: str, force: bool) -> Override | None:
    """Make the change. None: it is a move, and no override."""
    target, reason = wanted.target, wanted.reason
    match wanted.kind:
        case "weights":
            return keeper.set_weights(
                target.group or "",
                wanted.weights or {},
                rule=target.rule,
                owner=owner,
                reason=reason,
                expires_in=wanted.expires_in,
                force=force,
            )
        case "failover":
            keeper.failover(
                target.group or "", wanted.to, ungraceful=wanted.ungraceful, owner=owner, reason=reason, force=force
            )
            return None
        case "failback":
            keeper.failback(target.group or "", owner=owner, reason=reason, force=force)
            return None
        case "lift":
            return keeper.lift(target.override or "", owner=owner, reason=reason)
        case _:
            return keeper.override(
                wanted.kind,
                node=target.node,
                datacentre=target.datacentre,
                group=target.group,
                owner=owner,
                reason=reason,
                expires_in=wanted.expires_in,
                force=force,
            )


def _groups(keeper: KeeperFace, wanted: PreviewRequest, override: Override | None) -> tuple[str, ...]:
    return groups_of(keeper.topology, override.target) if override is not None else (wanted.target.group or "",)


def _rules(
    keeper: KeeperFace, wanted: PreviewRequest, override: Override | None, after: Snapshot
) -> Mapping[str, Verdicts]:
    if wanted.kind == "lift":
        return {}  # it gives back what was taken
    if override is not None:
        return keeper.judge(override)
    group = keeper.topology.groups[wanted.target.group or ""]
    return keeper.judge_move(group.name, _going_to(group, after))


def _going_to(group: Group, after: Snapshot) -> str:
    """Where a move ends: the one whose share rises while it returns."""
    status = after.groups.get(group.name, PLAIN_GROUP)
    return next(iter(status.arriving), position(group, status))
