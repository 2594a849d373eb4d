"""Where a group may go by its mode and its position. Whether anything serves there is not asked here.

active-active               everywhere, by weight
at one datacentre           there alone: `at`
  with `spill`              there first, then along the order from there, as far as its health goes
  while a failback ramps    where `arriving` has percentages, by them
clients with affinity       there too, and where the group is `leaving` while they may stay
a standby                   any other datacentre of the order; it may get a `trickle`, if it is warm
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from steer.steering.model import Group, GroupMode, Rule
from steer.steering.snapshot import GroupStatus


class Way(StrEnum):
    """How the datacentres share what comes."""

    WEIGHTS = "weights"
    AT = "at"
    SPILL = "spill"


@dataclass(frozen=True, slots=True)
class Reach:
    """`base`: where new clients may go, with base weights, in order. `stays`: where clients with affinity may be."""

    way: Way
    base: Mapping[str, float]
    stays: frozenset[str]
    standbys: tuple[str, ...] = ()
    """In the order in which the group would go there."""
    leaving: str = ""
    """Clients with affinity may stay there, though it drains."""

    @property
    def moves_by_itself(self) -> bool:
        """Whether a datacentre that is out loses its traffic to others at once, and not by a failover."""
        return self.way is not Way.AT


def reach(group: Group, status: GroupStatus) -> Reach:
    """Where the group may go now."""
    if group.mode is GroupMode.ACTIVE_ACTIVE:
        weights = {**group.weights, **status.weights}
        return Reach(Way.WEIGHTS, {name: weights[name] for name in group.datacentres}, frozenset(group.datacentres))
    order, arriving = rotation(group, status), _arriving(group, status)
    leaving = status.leaving if status.leaving_until is not None and status.leaving in order else ""
    base = _base(group, order, arriving)
    return Reach(
        way=Way.WEIGHTS if arriving else Way.SPILL if group.spill else Way.AT,
        base=base,
        stays=frozenset((*base, order[0], leaving)) - {""},
        standbys=tuple(name for name in order[1:] if name not in arriving and name != leaving),
        leaving=leaving,
    )


def position(group: Group, status: GroupStatus) -> str:
    """Where a group that is at one datacentre is; empty for active-active."""
    if group.mode is GroupMode.ACTIVE_ACTIVE:
        return ""
    return status.at if status.at in group.order else group.order[0]


def rotation(group: Group, status: GroupStatus) -> tuple[str, ...]:
    """The group's order, from where it is."""
    begin = group.order.index(position(group, status))
    return group.order[begin:] + group.order[:begin]


def rule_base(group: Group, status: GroupStatus, rule: Rule) -> dict[str, float]:
    """The base weights that a rule gives: what it does not name gets nothing."""
    weights = {**rule.weights, **status.rules.get(rule.name, {})}
    return {name: weights.get(name, 0.0) for name in group.datacentres}


def _arriving(group: Group, status: GroupStatus) -> dict[str, float]:
    return {name: percent for name, percent in status.arriving.items() if percent > 0 and name in group.order}


def _base(group: Group, order: tuple[str, ...], arriving: Mapping[str, float]) -> dict[str, float]:
    if arriving:
        return {name: arriving.get(name, 0.0) for name in order if name in arriving or group.spill}
    return dict.fromkeys(order if group.spill else order[:1], 100.0)
