"""How much traffic a datacentre and a node get: base x health x ramp.

    effective(d) = base(d) x min(1, 1.4 x available(d) / expected(d)) x ramp(d), normalised

The sums are plain functions over numbers; `plan.py` says where the numbers come from.
"""

from __future__ import annotations

from collections.abc import Sequence

# A datacentre keeps its whole weight while at least 1 / 1.4 = 71 % of its nodes are there: what the lost ones carried,
# the others still can. The same factor as the overprovisioning that Envoy takes for its priorities (140 %).
OVERPROVISIONING = 1.4

# Where a ramp begins. With less, a node on a quiet site would wait for its first request for most of the ramp.
LEAST_RAMP = 0.1


def health(available: int, expected: int) -> float:
    """The share of its weight that a datacentre keeps: 0 to 1. `expected` leaves out drained nodes."""
    if expected <= 0:
        return 0.0
    return min(1.0, OVERPROVISIONING * available / expected)


def ramp(began: float | None, length: float, now: float) -> float:
    """How far a ramp of `length` seconds is: 0.1 to 1. `began` None means that there is none, as at start-up."""
    if began is None or length <= 0 or now - began >= length:
        return 1.0
    return max(LEAST_RAMP, (now - began) / length)


def shares(weights: Sequence[float]) -> tuple[float, ...]:
    """The same proportions with the sum 1; all 0 where nothing has weight."""
    total = sum(weights)
    if total <= 0:
        return tuple(0.0 for _ in weights)
    return tuple(weight / total for weight in weights)


def spill(healths: Sequence[float]) -> tuple[float, ...]:
    """The shares of datacentres that stand in line: each takes what its health (0 to 1) allows of what is left.

    Where all together cannot take everything, each gets its part by health: it has to go somewhere.
    """
    left = 1.0
    taken = []
    for health in healths:
        taken.append(min(health, left))
        left = left - taken[-1] if health < left else 0.0
    return shares(taken)


def ends(weights: Sequence[float]) -> tuple[float, ...]:
    """The running sums of the weights: where each one's stretch of a line ends."""
    sums: list[float] = []
    total = 0.0
    for weight in weights:
        total += weight
        sums.append(total)
    return tuple(sums)
