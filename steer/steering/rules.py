"""Rules of groups, prepared once for the life of a configuration: conditions, and for `nearest` the order of places."""

from __future__ import annotations

from functools import lru_cache

from steer.steering.conditions import Matcher, compile_when
from steer.steering.distance import nearest
from steer.steering.model import Group, GroupMode, Location, Rule, Topology

MOST_PLACES = 4096
"""Locations of clients whose order of datacentres is kept: 1 MiB a process. Working it out again costs 2 us for each
datacentre; a database knows some 100,000 towns, of which most clients live in a few."""


class PreparedRule:
    """`order` says the group's datacentres from the nearest to the farthest; those without a location come last."""

    __slots__ = ("matcher", "order", "rule")

    def __init__(self, rule: Rule, datacentres: tuple[str, ...], topology: Topology) -> None:
        self.rule = rule
        self.matcher: Matcher = compile_when(rule.when)
        known = {name: topology.locations[name] for name in datacentres if name in topology.locations}
        unknown = tuple(name for name in datacentres if name not in known)

        @lru_cache(MOST_PLACES)
        def order(location: Location) -> tuple[str, ...]:
            return nearest(location, known, rule.bias) + unknown

        self.order = order

    def __repr__(self) -> str:
        return f"<PreparedRule {self.rule.name}>"

    @property
    def needs_place(self) -> bool:
        """Whether an address of which nothing is known can never match."""
        return self.matcher.needs_place or self.rule.nearest


def prepare_rules(topology: Topology) -> dict[str, tuple[PreparedRule, ...]]:
    """By group. A group that is at one datacentre has no weights that a rule could give others of."""
    return {name: _of(group, topology) for name, group in topology.groups.items()}


def _of(group: Group, topology: Topology) -> tuple[PreparedRule, ...]:
    if group.mode is not GroupMode.ACTIVE_ACTIVE:
        return ()
    return tuple(PreparedRule(rule, group.datacentres, topology) for rule in group.rules)
