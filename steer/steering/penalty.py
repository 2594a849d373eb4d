"""The flap penalty of a group: what keeps a datacentre that comes and goes from taking the traffic to and fro.

Each time that a datacentre is *out* for the group costs it 1000 points, and half of them are gone after `half_life`.
From `suspend` points on nothing returns or fails over by itself until there are fewer than `reuse`, or an operator says
so. It is the route flap damping of RFC 2439: a figure of merit that decays, a cutoff, a lower threshold for reuse.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import log2
from typing import Any

from steer.steering.model import PenaltyRules

POINTS = 1000.0
"""For each *out*."""

LONGEST = 4.0
"""Half-lives that a group can be suspended for after the last *out*, however many there were before (RFC 2439 section
4.2 has such a ceiling, and routers take four by default): with the defaults two hours."""


@dataclass(frozen=True, slots=True)
class Penalty:
    """`points` as they were at `counted` (monotonic)."""

    points: float = 0.0
    counted: float = 0.0
    is_suspended: bool = False

    def at(self, rules: PenaltyRules, mono: float) -> float:
        """The points that are left now."""
        return float(self.points * 0.5 ** (max(0.0, mono - self.counted) / rules.half_life))


NONE = Penalty()


def add(before: Penalty, rules: PenaltyRules, mono: float) -> Penalty:
    """One more *out*."""
    points = min(before.at(rules, mono) + POINTS, ceiling(rules))
    return Penalty(points, mono, before.is_suspended or points >= rules.suspend)


def ceiling(rules: PenaltyRules) -> float:
    """Never under `suspend`: points that reach it must be able to."""
    return max(rules.suspend, rules.reuse * 2**LONGEST)


def settle(before: Penalty, rules: PenaltyRules, mono: float) -> Penalty:
    """What time does: the suspension ends, and what is not worth keeping is forgotten."""
    points = before.at(rules, mono)
    if points < 1.0:
        return NONE
    return replace(before, is_suspended=False) if before.is_suspended and points < rules.reuse else before


def reuse_in(penalty: Penalty, rules: PenaltyRules, mono: float) -> float:
    """Seconds until the suspension ends by itself; 0: there is none."""
    if not penalty.is_suspended:
        return 0.0
    return max(0.0, rules.half_life * log2(penalty.at(rules, mono) / rules.reuse))


# The state file...


def to_plain(penalty: Penalty, now: float, mono: float) -> dict[str, Any]:
    counted = now - (mono - penalty.counted)
    return {"points": penalty.points, "counted": counted, "is_suspended": penalty.is_suspended}


def from_plain(data: Mapping[str, Any], now: float, mono: float) -> Penalty:
    return Penalty(data["points"], mono - max(0.0, now - data["counted"]), data["is_suspended"])
