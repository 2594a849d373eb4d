"""Affinity's part in the decision: a client stays where it is, for as long as something there can take it."""

from __future__ import annotations

from collections.abc import Sequence

from steer.steering.facts import Facts
from steer.steering.lines import node_key
from steer.steering.model import Bound, Dice, Node, OnLoss, Refusal, Verdict
from steer.steering.pick import Load, first_free
from steer.steering.plan import NodeSet, Plan


def choose_where_bound(plan: Plan, facts: Facts, bound: Bound, load: Load, now: float, dice: Dice) -> Verdict | None:
    """Its node, also as a trial of that; else another node there. None: nothing there takes it."""
    for slot in plan.trials if facts.retriable else ():
        if _is_home(slot.node, bound) and load.may_try(slot):
            load.use_trial(slot.verdict.trial)
            return slot.verdict
    stay = plan.stays.get(bound.datacentre)
    if stay is None:
        return None
    own = stay.own.get(bound.node)
    if own is not None and load.avoid_until[own.index] <= now and not load.is_full(own):
        return own.verdict
    other = first_free((stay.nodes,), (), load, now, dice, node_key(plan.hash_by, facts))
    if other is None:
        return None
    is_elsewhere = bound.node in stay.names and bound.node != other.node.name
    return other.verdict if is_elsewhere else stay.own[other.node.name].verdict


def _is_home(node: Node, bound: Bound) -> bool:
    return node.name == bound.node if bound.node else node.datacentre == bound.datacentre


def is_strict(facts: Facts) -> bool:
    affinity = facts.entry.affinity
    return affinity is not None and affinity.on_loss is OnLoss.STRICT and facts.bound is not None


def where_it_stays(plan: Plan, facts: Facts, tried: Sequence[Node]) -> tuple[NodeSet, ...]:
    """The datacentre of a client with affinity, after a try there: it may be one that takes no new clients."""
    bound = facts.bound if facts.entry.affinity is not None else None
    stay = plan.stays.get(bound.datacentre) if bound is not None else None
    return (stay.nodes,) if bound is not None and stay and bound.datacentre == tried[-1].datacentre else ()


def refuse_strictly(plan: Plan, datacentre: str, tried: Sequence[Node] = ()) -> Refusal:
    """`busy` where its datacentre has a node left that is only full."""
    stay = plan.stays.get(datacentre)
    if stay is not None and any(slot.node not in tried for slot in stay.nodes.slots):
        return Refusal("busy", ("strict", "busy"))
    why = f"the client belongs to {datacentre}, which cannot take it, and must not go elsewhere"
    return Refusal("no_node_here", ("affinity_lost", "strict"), why)
