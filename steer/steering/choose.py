"""The decision: which node a request tries first, and which next when that failed.

Pure but for two notes that a choice leaves in the worker's own `Load`: the turns of `round_robin`, and the number of a
trial that was handed out. The order of decision: pinned hostname, affinity, rule, trial, trickle, datacentre, node.
Most requests have a plain hostname and a plain plan, where dice and weights decide: they take the short way.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from steer.steering.facts import Facts
from steer.steering.hosts import PinnedTo
from steer.steering.lines import by_weight, in_line, near_first, node_key, plan_for
from steer.steering.model import Dice, Node, OnLoss, Refusal, Verdict
from steer.steering.pick import Load, first_free, pick, pick_free
from steer.steering.plan import NodeSet, Plan, Site, Slot
from steer.steering.staying import choose_where_bound, is_strict, refuse_strictly, where_it_stays
from steer.steering.tables import Tables

__all__ = ["Facts", "Load", "choose", "choose_next"]

Reasons = tuple[str, ...]


def choose(tables: Tables, facts: Facts, load: Load, now: float, dice: Dice) -> Verdict | Refusal:
    """The node to try first. `now` is monotonic seconds.

    A pinned hostname goes to its datacentre whatever the state of that and of its nodes; so where all of them are down,
    the verdict is still a node, and it is for the caller to answer `no_node_here` when no try can connect.
    """
    entry = facts.entry
    plan = tables.plans[entry.group][facts.pool]
    if not (entry.is_plain and plan.is_plain):
        if entry.pinned is not None:
            return _choose_pinned(tables, plan, facts, entry.pinned, load, now, dice)
        return _choose_with_care(plan, facts, load, now, dice)
    if not plan.sites:
        return _choose_from(plan, load, now, dice)
    site = plan.sites[bisect_right(plan.ends, dice.random())] if plan.ends else plan.sites[0]
    slot = site.nodes.single or pick(site.nodes, load, dice)
    if load.avoid_until[slot.index] > now or load.in_flight[slot.index] >= slot.limit:
        return _choose_instead(plan, by_weight(plan.sites, site, dice), slot, load, now, dice)
    return slot.verdict


def choose_next(
    tables: Tables, facts: Facts, tried: Sequence[Node], load: Load, now: float, dice: Dice
) -> Verdict | Refusal:
    """The node for another try: not one of `tried` (at least one, in order), never where the group may not go.

    First the other nodes of the datacentre of the last try, then the other sites in their order, then the spares: a
    failed trial or trickle, which may have been anywhere, leads back to where new clients go.
    Where no datacentre is usable, the rest of the tiers. A node that this worker avoids comes after all others. A
    pinned hostname stays in its datacentre, and so does a client whose affinity is strict. The tables may be of a later
    configuration than the request, which its group or pool has left.
    """
    pinned = facts.entry.pinned
    plan = tables.plans.get(facts.entry.group, {}).get(facts.pool)
    key = node_key(plan.hash_by, facts) if plan is not None else b""
    if pinned is not None:
        here = tables.places.get(facts.pool, {}).get(pinned.datacentre, ())
        slot = first_free(here, tried, load, now, dice, key)
        return _again(slot, tried, ("pinned",)) if slot else Refusal("no_node_here", ("pinned",))
    if plan is None:
        return Refusal("no_node", ("no_node",))
    if not facts.entry.is_plain and is_strict(facts):
        return _next_where_bound(plan, facts, tried, load, now, dice, key)
    sets = [*where_it_stays(plan, facts, tried), *_sets_for_retry(plan, facts, tried[-1].datacentre, dice)]
    slot = first_free(sets, tried, load, now, dice, key)
    if slot is None:
        return _refuse(plan, sets, tried)
    return _again(slot, tried, () if plan.sites else slot.verdict.reasons)


# Pinned...


def _choose_pinned(
    tables: Tables, plan: Plan, facts: Facts, pinned: PinnedTo, load: Load, now: float, dice: Dice
) -> Verdict | Refusal:
    if not pinned.allows(facts.client):
        return Refusal("not_allowed", ("pinned", "not_allowed"))
    here = tables.places[facts.pool].get(pinned.datacentre)
    if not here:
        return Refusal("no_node_here", ("pinned", "no_node_here"))
    slot = first_free(here, (), load, now, dice, node_key(plan.hash_by, facts))
    return slot.verdict if slot else Refusal("busy", ("pinned", "busy"))


# Where the request decides too...


def _choose_with_care(plan: Plan, facts: Facts, load: Load, now: float, dice: Dice) -> Verdict | Refusal:
    affinity = facts.entry.affinity
    bound = facts.bound if affinity is not None else None
    before: Reasons = ()
    if bound is not None:
        verdict = choose_where_bound(plan, facts, bound, load, now, dice)
        if verdict is not None:
            return verdict
        if affinity is not None and affinity.on_loss is OnLoss.STRICT:
            return refuse_strictly(plan, bound.datacentre)
        before = ("affinity_lost",)
    key = facts.key if affinity is not None else ""
    plan, is_missed = plan_for(plan, facts)
    if is_missed:
        before = (*before, "place_unknown")
    is_new = bound is None and not key
    probe = _proof(plan, facts, load, now, dice) if is_new and (plan.trials or plan.trickle) else None
    return probe or _choose_in_line(plan, facts, key, before, load, now, dice)


def _choose_in_line(
    plan: Plan, facts: Facts, key: str, before: Reasons, load: Load, now: float, dice: Dice
) -> Verdict | Refusal:
    """The datacentre, and the node inside it."""
    line = in_line(plan, facts, key, dice)
    site = next(line, None)
    hashed = node_key(plan.hash_by, facts)
    if site is None:
        return _with(before, _choose_from(plan, load, now, dice, hashed))
    slot = pick(site.nodes, load, dice, hashed)
    after = _by_hash(plan, key)
    if load.avoid_until[slot.index] > now or load.in_flight[slot.index] >= slot.limit:
        return _with(before, _choose_instead(plan, (site, *line), slot, load, now, dice, hashed, after))
    return _with(before, slot.verdict, after)


def _by_hash(plan: Plan, key: str) -> Reasons:
    """The reason where a hash chose the datacentre."""
    if plan.near is not None:
        return ()
    return ("learned",) if key else ("stable",) if plan.is_stable else ()


def _proof(plan: Plan, facts: Facts, load: Load, now: float, dice: Dice) -> Verdict | None:
    """The request as a trial, or as a part of a trickle, if it is apt for one and one is due."""
    trial = _unused_trial(plan, facts, load) if facts.retriable else None
    if trial is not None:
        load.use_trial(trial.verdict.trial)
        return trial.verdict
    trickle = plan.trickle
    if trickle is None or trickle.nodes is None or not facts.idempotent or dice.random() >= trickle.share:
        return None
    slot = pick_free(trickle.nodes, (), load, now, dice, node_key(plan.hash_by, facts))
    return slot.verdict if slot else None


def _unused_trial(plan: Plan, facts: Facts, load: Load) -> Slot | None:
    for slot in plan.trials:
        if load.may_try(slot) and (plan.near is None or _is_near(plan, facts, slot.node.datacentre)):
            return slot
    for slot in plan.trickle.trials if plan.trickle is not None and facts.idempotent else ():
        if load.may_try(slot):
            return slot
    return None


def _is_near(plan: Plan, facts: Facts, datacentre: str) -> bool:
    """Not farther than the datacentre that gets the request: if the node were back, this client would go there."""
    usable = {site.datacentre for site in plan.sites}
    for name in near_first(plan.near, facts) if plan.near is not None else ():
        if name == datacentre:
            return True
        if name in usable:
            return False
    return False


# Steps of all ways...


def _choose_from(plan: Plan, load: Load, now: float, dice: Dice, key: bytes = b"") -> Verdict | Refusal:
    """No datacentre is usable: the first tier that has a free node."""
    slot = first_free(plan.tiers, (), load, now, dice, key)
    return slot.verdict if slot else _refuse(plan, plan.tiers, ())


def _choose_instead(
    plan: Plan,
    line: Iterable[Site],
    passed_over: Slot,
    load: Load,
    now: float,
    dice: Dice,
    key: bytes = b"",
    after: Reasons = (),
) -> Verdict | Refusal:
    """The node that was picked is full, or this worker avoids it: another one here, else one of another site."""
    sets = [site.nodes for site in line]
    slot = first_free(sets, (), load, now, dice, key)
    if slot is None:
        return Refusal("busy", (plan.reason, "busy"))
    if slot is passed_over:
        return _with((), slot.verdict, after)
    why = "busy" if load.is_full(passed_over) else "avoided"
    return Verdict(slot.node, (*slot.verdict.reasons, *after, why))


def _sets_for_retry(plan: Plan, facts: Facts, datacentre: str, dice: Dice) -> Sequence[NodeSet]:
    if not plan.sites:
        return plan.tiers
    if not plan.is_plain:
        plan, _ = plan_for(plan, facts)
    key = facts.key if facts.entry.affinity is not None else ""
    lines = (in_line(plan, facts, key, dice), _spares(plan, dice))
    return [site.nodes for line in lines for site in sorted(line, key=lambda site: site.datacentre != datacentre)]


def _spares(plan: Plan, dice: Dice) -> Iterable[Site]:
    """Those of a group that spills stand in line already."""
    return plan.spares if plan.reason in ("at", "spill") else by_weight(plan.spares, None, dice)


def _next_where_bound(
    plan: Plan, facts: Facts, tried: Sequence[Node], load: Load, now: float, dice: Dice, key: bytes
) -> Verdict | Refusal:
    """A strict client: the other nodes of its datacentre, or none."""
    slot = first_free(where_it_stays(plan, facts, tried), tried, load, now, dice, key)
    return _again(slot, tried, ()) if slot else refuse_strictly(plan, tried[-1].datacentre, tried)


def _with(before: Reasons, told: Verdict | Refusal, after: Reasons = ()) -> Verdict | Refusal:
    """The same with more reasons around its own."""
    if not before and not after:
        return told
    reasons = (*before, *told.reasons, *after)
    if isinstance(told, Refusal):
        return Refusal(told.name, reasons, told.why)
    return Verdict(told.node, reasons, told.trial)


def _again(slot: Slot, tried: Sequence[Node], before: Reasons) -> Verdict:
    is_same = slot.node.datacentre == tried[-1].datacentre
    return Verdict(slot.node, (*before, "retry_same_datacentre" if is_same else "retry_other_datacentre"))


def _refuse(plan: Plan, sets: Sequence[NodeSet], tried: Sequence[Node]) -> Refusal:
    """`busy` where a node is left that is only full, else `no_node`."""
    if any(slot.node not in tried for nodes in sets for slot in nodes.slots):
        return Refusal("busy", ("busy",))
    return Refusal("no_node", ("at", "no_node") if plan.why_none else ("no_node",), plan.why_none)
