"""Shares: how what comes is split over the datacentres that may be used.

By weights, each gets base x health x ramp. Where the group is at one datacentre, that one gets all; with `spill` what
it cannot take goes along the line. A rule with `nearest` puts all of them in order when a request comes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from steer.steering import weights
from steer.steering.model import Node, Pool, Rule
from steer.steering.plan import Site, Slot, Survey, node_set, slot_of
from steer.steering.reach import Way

Reasons = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Split:
    """`ends` are the running sums of the sites' shares without the last. Spares: the one to be tried first, first."""

    reason: str = ""
    sites: tuple[Site, ...] = ()
    ends: tuple[float, ...] = ()
    spares: tuple[Site, ...] = ()


class Splitter:
    """Of one pool. `arriving`: weights are percentages of a group that is at one datacentre."""

    def __init__(self, pool: Pool, way: Way, node_ramp: Callable[[Node], float], *, arriving: bool) -> None:
        self._pool = pool
        self._way = way
        self._node_ramp = node_ramp
        self._before: Reasons = ("at",) if arriving else ()

    def split(self, surveys: Sequence[Survey], rule: Rule | None = None) -> Split:
        usable = [survey for survey in surveys if survey.is_usable]
        if not usable:
            return Split()
        if rule is not None:
            before: Reasons = (f"rule:{rule.name}",)
            return self._near(usable, before) if rule.nearest else self._by_weight(usable, before)
        return self._by_weight(usable, self._before) if self._way is Way.WEIGHTS else self._in_line(surveys)

    def _by_weight(self, usable: list[Survey], before: Reasons) -> Split:
        weighted = [survey for survey in usable if survey.base > 0]
        idle = [survey for survey in usable if survey.base <= 0]
        reason = "weights" if weighted else "no_weight_left"
        taking = weighted or idle
        effective = [(survey.base if survey.base > 0 else 1.0) * survey.health * survey.ramp for survey in taking]
        sites = self._sites(taking, effective, (*before, reason))
        spares = self._sites(idle, [survey.health * survey.ramp for survey in idle], (*before, "no_weight_left"))
        return _made(reason, sites, spares if weighted else ())

    def _in_line(self, surveys: Sequence[Survey]) -> Split:
        """Priorities: the line begins with the datacentre where the group is, which is the first survey."""
        usable = [survey for survey in surveys if survey.is_usable]
        shares = weights.spill([survey.health * survey.ramp for survey in usable])
        sites = tuple(
            Site(
                survey.datacentre,
                share,
                node_set(self._slots(survey, _reasons_in_line(survey, surveys)), self._pool.algorithm),
            )
            for survey, share in zip(usable, shares, strict=True)
        )
        taking = tuple(site for site in sites if site.share > 0)
        reason = "at" if taking[0].datacentre == surveys[0].datacentre else "spill"
        return _made(reason, taking, tuple(site for site in sites if site.share <= 0))

    def _near(self, usable: list[Survey], before: Reasons) -> Split:
        sites = self._sites(usable, [survey.health * survey.ramp for survey in usable], (*before, "nearest"))
        return _made("nearest", sites)

    def _sites(self, surveys: Sequence[Survey], effective: Sequence[float], reasons: Reasons) -> tuple[Site, ...]:
        return tuple(
            Site(survey.datacentre, share, node_set(self._slots(survey, reasons), self._pool.algorithm))
            for survey, share in zip(surveys, weights.shares(effective), strict=True)
        )

    def _slots(self, survey: Survey, reasons: Reasons) -> Iterator[Slot]:
        """The deciding reason stays the last one."""
        ramping = (*reasons[:-1], "ramp", reasons[-1])
        for node in survey.available:
            ramp = self._node_ramp(node)
            slowed = ramp < 1 or survey.ramp < 1
            yield slot_of(self._pool, node, node.weight * ramp, ramping if slowed else reasons)


def _reasons_in_line(survey: Survey, line: Sequence[Survey]) -> Reasons:
    return ("at",) if survey.datacentre == line[0].datacentre else ("at", "spill")


def _made(reason: str, sites: tuple[Site, ...], spares: tuple[Site, ...] = ()) -> Split:
    return Split(reason, sites, weights.ends([site.share for site in sites])[:-1], spares)
