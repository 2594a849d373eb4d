"""The steps of a decision in words: of each whether it was taken, and why or why not.

Only steps that could have decided are told: affinity where the service has it, each rule of the group, `at`, `spill`
and `trickle` where the group is at one datacentre.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from steer.steering.facts import Facts
from steer.steering.lines import is_nowhere, lacks_location, near_first
from steer.steering.model import Bound, Group, GroupMode, OnLoss, Refusal, Verdict
from steer.steering.plan import PLAIN_GROUP, Branch, Part, Plan
from steer.steering.reach import position
from steer.steering.rules import PreparedRule
from steer.steering.snapshot import DatacentreState, GroupStatus
from steer.steering.tables import Tables

Plain = dict[str, Any]

HELD = {
    "hold": "an operator holds it",
    "penalty": "it was out too often of late",
    "most_per_day": "it has failed over as often as it may in a day",
}
"""`GroupStatus.held` in words."""


@dataclass(frozen=True, slots=True)
class Case:
    """What was decided. `whole` is the group's own plan, `plan` that of the rule that matched, if one did."""

    tables: Tables
    facts: Facts
    whole: Plan
    plan: Plan
    verdict: Verdict | Refusal

    @property
    def group(self) -> Group:
        return self.tables.topology.groups[self.plan.group]

    @property
    def status(self) -> GroupStatus:
        return self.tables.snapshot.groups.get(self.plan.group, PLAIN_GROUP)

    @property
    def is_at_one_place(self) -> bool:
        return self.group.mode is not GroupMode.ACTIVE_ACTIVE

    @property
    def by_affinity(self) -> bool:
        """Whether nothing after it had to decide."""
        return not {"affinity", "affinity_other_node", "strict"}.isdisjoint(self.verdict.reasons)

    def has(self, reason: str) -> bool:
        return reason in self.verdict.reasons


def steps(case: Case) -> list[Plain]:
    """`[{"step", "taken", "because"}, ..]` in the order of decision."""
    told = [_step(case, "pinned", _about_pinned(case))]
    if case.facts.entry.pinned is None:
        told += [*_affinity(case), *_rules(case), _step(case, "trial", _about_trials(case))]
        told += [*_position(case), *_hold(case), *_weights(case), *_stable(case), *_last_resorts(case)]
        told.append(_step(case, "ramp", _about_ramp(case.plan)))
        told.append(_told("node", isinstance(case.verdict, Verdict), _about_node(case)))
    return told


def _told(step: str, taken: bool, because: str) -> Plain:
    return {"step": step, "taken": taken, "because": because}


def _step(case: Case, reason: str, because: str) -> Plain:
    return _told(reason, case.has(reason), because)


def _about_pinned(case: Case) -> str:
    pinned, client = case.facts.entry.pinned, case.facts.client
    if pinned is None:
        return "the hostname is not pinned to a datacentre"
    words = f"the hostname is pinned to {pinned.datacentre}"
    if not pinned.allows(client):
        return f"{words}, and {client} is in none of the networks that may use it"
    if isinstance(case.verdict, Refusal) and case.verdict.name == "no_node_here":
        return f"{words}, where the pool has no nodes"
    return f"{words}, whatever its state"


# Affinity...


def _affinity(case: Case) -> Iterator[Plain]:
    affinity = case.facts.entry.affinity
    if affinity is None:
        return
    bound = case.facts.bound
    if bound is not None:
        yield _told("affinity", case.by_affinity, _about_bound(case, bound, affinity.on_loss))
    elif case.facts.key:
        how = "a hash of it over the weights decides" if case.plan.near is None else "it begins at the nearest"
        yield _told("affinity", case.has("learned"), f"its key is not known yet: {how}")
    else:
        yield _told("affinity", False, "the client has no affinity yet")


def _about_bound(case: Case, bound: Bound, on_loss: OnLoss) -> str:
    words = f"the client belongs to {bound.node or 'any node'} in {bound.datacentre}"
    if case.has("affinity_lost"):
        end = "it is refused, because affinity is strict" if on_loss is OnLoss.STRICT else "it goes as a new one"
        return f"{words}, {_why_lost(case, bound.datacentre)}: {end}"
    if case.has("leaving"):
        words += ", which takes no new clients and keeps those that it has for now"
    return f"{words}; another node there takes its place" if case.has("affinity_other_node") else words


def _why_lost(case: Case, datacentre: str) -> str:
    survey = next((each for each in case.whole.surveys if each.datacentre == datacentre), None)
    if survey is None:
        return "which the group does not use"
    if survey.part is Part.STANDBY and datacentre not in case.whole.stays:
        return f"where the group is not: it is at {position(case.group, case.status)}"
    if survey.state is not DatacentreState.SERVING:
        return f"which is {survey.state.value}"
    return "where every node is full" if survey.available else "where no node is available"


# Rules...


def _rules(case: Case) -> Iterator[Plain]:
    is_over = "affinity decided" if case.by_affinity else ""
    for branch in case.whole.branches:
        is_taken = branch.plan is case.plan and not is_over
        yield _told(f"rule:{branch.rule.rule.name}", is_taken, is_over or _about_rule(case, branch))
        if is_taken:
            is_over = f"rule {branch.rule.rule.name} matched before"


def _about_rule(case: Case, branch: Branch) -> str:
    rule, facts = branch.rule, case.facts
    if branch.plan is case.plan:
        return _what_it_gives(rule, branch.plan, facts)
    if rule.needs_place and (is_nowhere(facts) or lacks_location(rule, facts)):
        return f"nobody knows where {facts.client} is"
    return "its conditions do not hold for this request"


def _what_it_gives(rule: PreparedRule, plan: Plan, facts: Facts) -> str:
    if rule.rule.nearest:
        return f"it matches; from the nearest: {', '.join(near_first(rule, facts))}"
    return f"it matches and gives {', '.join(f'{s.datacentre} {s.base:g}' for s in plan.surveys)}"


def _about_trials(case: Case) -> str:
    plan, facts = case.plan, case.facts
    slots = (*plan.trials, *(plan.trickle.trials if plan.trickle is not None else ()))
    if not slots:
        return "no probing node has a trial for this worker"
    names = ", ".join(slot.node.name for slot in slots)
    if case.has("trial"):
        return f"this request may show whether {names} is back"
    if not facts.retriable:
        return f"{names} awaits a trial, but this request could not be sent again"
    if facts.entry.affinity is not None and (facts.bound is not None or facts.key):
        return f"{names} awaits a trial, but not of a client with affinity to another"
    return f"the trial of {names} was sent already" if plan.near is None else f"{names} awaits a trial of other clients"


# Where a group is at one datacentre...


def _position(case: Case) -> Iterator[Plain]:
    if not case.is_at_one_place:
        return
    yield _step(case, "at", _about_position(case))
    if case.group.spill:
        yield _step(case, "spill", _about_spill(case))
    if case.group.trickle:
        yield _step(case, "trickle", _about_trickle(case))


def _about_position(case: Case) -> str:
    if case.plan.why_none:
        return case.plan.why_none
    at = position(case.group, case.status)
    words = f"{case.group.name} is at {at}"
    if case.status.arriving:
        steps = ", ".join(f"{name} {percent:g} %" for name, percent in case.status.arriving.items())
        return f"{words}, and new clients go by steps: {steps}"
    here = next(survey for survey in case.plan.surveys if survey.datacentre == at)
    return f"{words}, which is out for others of its pools" if here.state is DatacentreState.OUT else words


def _about_spill(case: Case) -> str:
    if case.status.arriving:
        return "not while new clients go by steps"
    shares = ", ".join(f"{site.datacentre} {site.share:.1%}" for site in case.plan.sites)
    return shares or "no other datacentre of its order is serving with an available node"


def _about_trickle(case: Case) -> str:
    trickle, facts = case.plan.trickle, case.facts
    if trickle is None:
        return "the standby is cold, or new clients go there by steps, or nothing serves where the group is"
    if trickle.nodes is None:
        return "no standby is serving with an available node"
    words = f"{trickle.share:.1%} of the idempotent requests go to {trickle.nodes.slots[0].node.datacentre}"
    if not facts.idempotent:
        return f"{words}, and this is none"
    if facts.entry.affinity is not None and (facts.bound is not None or facts.key):
        return f"{words}, but none of a client with affinity"
    return words


def _hold(case: Case) -> Iterator[Plain]:
    if case.status.held:
        why = HELD.get(case.status.held, case.status.held)
        yield _told("hold", False, f"nothing of {case.group.name} moves by itself: {why}")


# Weights...


def _weights(case: Case) -> Iterator[Plain]:
    """By affinity or position alone: not asked."""
    if case.is_at_one_place and not case.status.arriving:
        return
    if case.plan.near is not None:
        yield _step(case, "nearest", _about_nearest(case))
    else:
        yield _step(case, "weights", _about_weights(case.plan))
        yield _step(case, "no_weight_left", _about_no_weight(case.plan))


def _about_nearest(case: Case) -> str:
    usable = {site.datacentre for site in case.plan.sites}
    near = near_first(case.plan.near, case.facts) if case.plan.near is not None else ()
    first = next((name for name in near if name in usable), None)
    if first is None:
        return "no datacentre is serving with an available node"
    farther = near[: near.index(first)]
    return f"{first} is the nearest" + (f" that is usable: {', '.join(farther)} is not" if farther else "")


def _about_weights(plan: Plan) -> str:
    if plan.reason == "weights":
        return ", ".join(f"{site.datacentre} {site.share:.1%}" for site in plan.sites)
    return "no datacentre with weight is serving with an available node"


def _about_no_weight(plan: Plan) -> str:
    if plan.reason == "weights":
        return "a datacentre with weight is usable"
    names = ", ".join(site.datacentre for site in plan.sites)
    return f"no datacentre with weight is left, {names} takes over" if names else "no other datacentre is serving"


def _stable(case: Case) -> Iterator[Plain]:
    if case.plan.is_stable and case.plan.near is None:
        because = "a hash of its key decided" if case.has("learned") else f"by a hash of {case.facts.client}"
        yield _step(case, "stable", because)


# Where nothing is usable, and the node...


def _last_resorts(case: Case) -> Iterator[Plain]:
    yield _step(case, "held", _about_tier(case.plan, "held", "no node is held"))
    if case.tables.topology.pools[case.plan.pool].try_all:
        otherwise = "every other node is drained, or in a datacentre that is"
        yield _step(case, "try_all", _about_tier(case.plan, "try_all", otherwise))
    else:
        yield _step(case, "try_all", "when_none is a page")


def _about_tier(plan: Plan, reason: str, otherwise: str) -> str:
    names = [slot.node.name for tier in plan.tiers for slot in tier.slots if slot.verdict.reason == reason]
    if plan.sites:
        return "a datacentre is usable"
    return ", ".join(names) or otherwise


def _about_ramp(plan: Plan) -> str:
    ramps = [f"{survey.datacentre} at {survey.ramp:.0%} of its weight" for survey in plan.surveys if survey.ramp < 1]
    if ramps:
        return ", ".join(ramps)
    return "a node has not its full weight yet" if plan.is_ramping else "nothing ramps"


def _about_node(case: Case) -> str:
    verdict = case.verdict
    if isinstance(verdict, Refusal):
        return f"none: {verdict.name}, {_why_refused(case, verdict)}"
    words = f"{verdict.node.name} by {_what_picked(case)}"
    return f"{words}, another was {verdict.reason}" if verdict.reason in ("busy", "avoided") else words


def _why_refused(case: Case, refusal: Refusal) -> str:
    pool = case.tables.topology.pools[case.plan.pool]
    if refusal.name == "busy":
        most = pool.max_connections + pool.max_pending
        return (
            f"each node of {pool.name} that it may go to has as many requests under way as a worker gives it ({most})"
        )
    if refusal.why:
        return refusal.why
    rest = "every other one drains" if pool.try_all else "when_none is a page"
    return f"no node of {pool.name} is available or held, and {rest}"


def _what_picked(case: Case) -> str:
    if case.has("affinity"):
        return "affinity"
    pool = case.tables.topology.pools[case.plan.pool]
    by = pool.hash_by
    return f"{pool.algorithm} of the {f'{by.kind} {by.name}'.strip()}" if by is not None else pool.algorithm
