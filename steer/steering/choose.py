"""The decision: which node a request tries first, and which next when that failed.

Pure but for two notes that a choice leaves in the worker's own `Load`: the turns of `round_robin`, and the number of a
trial that was handed out. The order of decision: pinned hostname, trial, shares of the datacentres, node.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from math import inf
from typing import Protocol

from steer.steering.hosts import PinnedTo
from steer.steering.model import Bound, Dice, Node, Place, Refusal, Verdict
from steer.steering.pick import Load, pick, pick_free
from steer.steering.plan import NodeSet, Plan, Site, Slot
from steer.steering.tables import HostEntry, Tables

__all__ = ["Facts", "Load", "choose", "choose_next"]


class Facts(Protocol):
    """What steering asks of a request."""

    @property
    def entry(self) -> HostEntry:
        """From `Tables.host`."""

    @property
    def pool(self) -> str:
        """From `HostEntry.pool_for`."""

    @property
    def client(self) -> str:
        """The client's address as text."""

    @property
    def path(self) -> str:
        """Without its query, as it was sent."""

    @property
    def retriable(self) -> bool:
        """Idempotent and can be replayed, so that it may carry a trial."""

    @property
    def idempotent(self) -> bool:
        """By its method, so that it may be part of a trickle."""

    @property
    def place(self) -> Place:
        """Where the client is; read only where a rule of the group asks for it."""

    @property
    def bound(self) -> Bound | None:
        """Where affinity says that the client is; None: nowhere yet. Read only where the service has affinity."""

    @property
    def key(self) -> str:
        """The learned key of the client's affinity, as the client sent it; empty: it sent none, or it is no such."""

    def field(self, name: str) -> str | None:
        """The request's field of this name (lower case); None: it has none. Read only where a rule or a hash asks."""

    def cookie(self, name: str) -> str | None:
        """The cookie of this name; None: it has none. Read only where a hash asks."""


def choose(tables: Tables, facts: Facts, load: Load, now: float, dice: Dice) -> Verdict | Refusal:
    """The node to try first. `now` is monotonic seconds.

    A pinned hostname goes to its datacentre whatever the state of that and of its nodes; so where all of them are down,
    the verdict is still a node, and it is for the caller to answer `no_node_here` when no try can connect.
    """
    pinned = facts.entry.pinned
    if pinned is not None:
        return _choose_pinned(tables, facts, pinned, load, now, dice)
    plan = tables.plans[facts.entry.group][facts.pool]
    if plan.trials and facts.retriable:
        trial = _unused_trial(plan, load)
        if trial is not None:
            load.use_trial(trial.verdict.trial)
            return trial.verdict
    if not plan.sites:
        return _choose_from(plan.tiers, load, now, dice)
    site = plan.sites[bisect_right(plan.ends, dice.random())] if plan.ends else plan.sites[0]
    slot = pick(site.nodes, load, dice)
    if load.avoid_until[slot.index] > now or load.in_flight[slot.index] >= slot.limit:
        return _choose_instead(plan, site, slot, load, now, dice)
    return slot.verdict


def choose_next(
    tables: Tables, facts: Facts, tried: Sequence[Node], load: Load, now: float, dice: Dice
) -> Verdict | Refusal:
    """The node for another try: not one of `tried` (at least one, in order), never where the group may not go.

    First the other nodes of the datacentre of the last try, then other serving datacentres by weight, then those of
    weight 0. Where no datacentre is usable, the rest of the tiers. A node that this worker avoids comes after all
    others. A pinned hostname stays in its datacentre. The tables may be of a later configuration than the request,
    which its group or pool has left.
    """
    if facts.entry.pinned is not None:
        here = tables.places.get(facts.pool, {}).get(facts.entry.pinned.datacentre, ())
        slot = _first_free(here, tried, load, now, dice)
        return _again(slot, tried, ("pinned",)) if slot else Refusal("no_node_here", ("pinned",))
    plan = tables.plans.get(facts.entry.group, {}).get(facts.pool)
    if plan is None:
        return Refusal("no_node", ("no_node",))
    sets = _sets_for_retry(plan, tried[-1].datacentre, dice)
    slot = _first_free(sets, tried, load, now, dice)
    if slot is None:
        return _refuse(sets, tried)
    before = () if plan.sites else slot.verdict.reasons
    return _again(slot, tried, before)


def _choose_pinned(
    tables: Tables, facts: Facts, pinned: PinnedTo, load: Load, now: float, dice: Dice
) -> Verdict | Refusal:
    if not pinned.allows(facts.client):
        return Refusal("not_allowed", ("pinned", "not_allowed"))
    here = tables.places[facts.pool].get(pinned.datacentre)
    if not here:
        return Refusal("no_node_here", ("pinned", "no_node_here"))
    slot = _first_free(here, (), load, now, dice)
    return slot.verdict if slot else Refusal("busy", ("pinned", "busy"))


def _unused_trial(plan: Plan, load: Load) -> Slot | None:
    for slot in plan.trials:
        if slot.verdict.trial not in load.trials_used and not load.is_full(slot):
            return slot
    return None


def _choose_from(tiers: Sequence[NodeSet], load: Load, now: float, dice: Dice) -> Verdict | Refusal:
    """No datacentre is usable: the first tier that has a free node."""
    slot = _first_free(tiers, (), load, now, dice)
    return slot.verdict if slot else _refuse(tiers, ())


def _choose_instead(plan: Plan, site: Site, passed_over: Slot, load: Load, now: float, dice: Dice) -> Verdict | Refusal:
    """The node that was picked is full, or this worker avoids it: another one here, else one of another site."""
    sets = [other.nodes for other in _by_weight(plan.sites, site, dice)]
    slot = _first_free(sets, (), load, now, dice)
    if slot is None:
        return Refusal("busy", (plan.reason, "busy"))
    if slot is passed_over:
        return slot.verdict
    why = "busy" if load.is_full(passed_over) else "avoided"
    return Verdict(slot.node, (*slot.verdict.reasons, why))


def _first_free(sets: Sequence[NodeSet], tried: Sequence[Node], load: Load, now: float, dice: Dice) -> Slot | None:
    """A node of the first set that has one; those that this worker avoids only where no set has another."""
    for avoid_after in (now, inf):
        for nodes in sets:
            slot = pick_free(nodes, tried, load, avoid_after, dice)
            if slot is not None:
                return slot
    return None


def _sets_for_retry(plan: Plan, datacentre: str, dice: Dice) -> Sequence[NodeSet]:
    if not plan.sites:
        return plan.tiers
    here = next((site for site in (*plan.sites, *plan.spares) if site.datacentre == datacentre), None)
    order = [*_by_weight(plan.sites, here, dice), *_by_weight(plan.spares, None, dice)]
    return [site.nodes for site in sorted(order, key=lambda site: site is not here)]


def _by_weight(sites: Sequence[Site], first: Site | None, dice: Dice) -> Iterator[Site]:
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


def _again(slot: Slot, tried: Sequence[Node], before: tuple[str, ...]) -> Verdict:
    is_same = slot.node.datacentre == tried[-1].datacentre
    return Verdict(slot.node, (*before, "retry_same_datacentre" if is_same else "retry_other_datacentre"))


def _refuse(sets: Sequence[NodeSet], tried: Sequence[Node]) -> Refusal:
    """`busy` where a node is left that is only full, else `no_node`."""
    is_left = any(slot.node not in tried for nodes in sets for slot in nodes.slots)
    name = "busy" if is_left else "no_node"
    return Refusal(name, (name,))
