"""Which plan a request has, by the rules of its group; and the order in which its datacentres are asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from steer.steering.facts import Facts
from steer.steering.model import NOWHERE, Dice, HashBy
from steer.steering.plan import Plan, Site
from steer.steering.rendezvous import ranked
from steer.steering.rules import PreparedRule


def plan_for(plan: Plan, facts: Facts) -> tuple[Plan, bool]:
    """The plan of the first rule that matches, else the group's own; and whether a rule may have been missed because
    nobody knows where the client is."""
    is_missed = False
    for branch in plan.branches:
        if branch.rule.matcher.matches(facts):
            if lacks_location(branch.rule, facts):
                is_missed = True
            else:
                return branch.plan, is_missed
    return plan, is_missed or (plan.needs_place and is_nowhere(facts))


def lacks_location(rule: PreparedRule, facts: Facts) -> bool:
    """Nothing is near to a client that is nowhere."""
    return rule.rule.nearest and facts.place.location is None


def is_nowhere(facts: Facts) -> bool:
    place = facts.place
    return place is NOWHERE or place == NOWHERE


def in_line(plan: Plan, facts: Facts, key: str, dice: Dice) -> Iterator[Site]:
    """The plan's sites, the one for this request first: the nearest; by its key, where it has one, or as a client of a
    group that is stable; else as the dice fall. Lazy, because mostly the first is all that is needed."""
    if plan.near is not None:
        by_name = {site.datacentre: site for site in plan.sites}
        return (by_name[name] for name in near_first(plan.near, facts) if name in by_name)
    if key or plan.is_stable:
        names = [f"{plan.group}\0{site.datacentre}" for site in plan.sites]
        order = ranked(names, [site.share for site in plan.sites], to_bytes(key or facts.client))
        return (plan.sites[index] for index in order)
    return by_weight(plan.sites, None, dice)


def near_first(rule: PreparedRule, facts: Facts) -> tuple[str, ...]:
    location = facts.place.location
    return rule.order(location) if location is not None else ()


def by_weight(sites: Sequence[Site], first: Site | None, dice: Dice) -> Iterator[Site]:
    """All sites: `first` if it is one of them, then the others as the dice fall, each by its share of what is left."""
    rest = list(sites)
    if first in rest:
        rest.remove(first)
        yield first
    while rest:
        point = dice.random() * sum(site.share for site in rest)
        chosen = rest[-1]
        for site in rest:
            point -= site.share
            if point < 0:
                chosen = site
                break
        rest.remove(chosen)
        yield chosen


def to_bytes(key: str) -> bytes:
    """For hashing: whatever a client sent has some."""
    return key.encode("utf-8", "surrogatepass")


def node_key(by: HashBy | None, facts: Facts) -> bytes:
    """What the algorithm `hash` is of; empty where the request has no such field or cookie, and for the others."""
    if by is None:
        return b""
    if by.kind == "client":
        return to_bytes(facts.client)
    return to_bytes((facts.field(by.name) if by.kind == "header" else facts.cookie(by.name)) or "")
