"""Plans, made: which datacentres and nodes take how much, from the topology, a snapshot and the time.

First the survey: how each datacentre stands for this pool (`surveying.py`). Then the split of what comes over those
that may be used (`splitting.py`), and what else may be needed: stays, trials, trickle, tiers. A rule's plan has a split
of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import groupby

from steer.steering.model import Group, Node, Pool
from steer.steering.plan import (
    Branch,
    NodeSet,
    Part,
    Plan,
    Slot,
    Stay,
    Survey,
    Trickle,
    node_set,
    slot_of,
)
from steer.steering.reach import Way, rule_base
from steer.steering.rules import PreparedRule
from steer.steering.snapshot import DatacentreState, NodeState, NodeStatus, Snapshot
from steer.steering.splitting import Splitter
from steer.steering.surveying import Surveyor
from steer.steering.why_not import why_none, why_not_taken


def prepare(
    group: Group,
    pool: Pool,
    snapshot: Snapshot,
    now: float,
    worker: int,
    rules: Sequence[PreparedRule] = (),
    *,
    keeps_clients: bool = False,
) -> Plan:
    """The plan of one pool for one group at `now` (monotonic seconds), as this worker sees it.

    `rules`: those of the group. `keeps_clients`: a service of the group has affinity.
    """
    return _Preparation(group, pool, snapshot, now, worker).plan(rules, keeps_clients)


class _Preparation:
    """The steps of `prepare`, over what they all need."""

    def __init__(self, group: Group, pool: Pool, snapshot: Snapshot, now: float, worker: int) -> None:
        self.group = group
        self.pool = pool
        self.seen = Surveyor(group, pool, snapshot, now)
        self.reach = self.seen.reach
        self.worker = worker
        self.splitter = Splitter(pool, self.reach.way, self.seen.node_ramp, arriving=self.seen.is_at_one_place)

    def plan(self, rules: Sequence[PreparedRule], keeps_clients: bool) -> Plan:
        surveys = self.seen.surveys(self.reach.base)
        split = self.splitter.split(surveys)
        trickle = self._trickle(surveys) if split.sites else None
        trials = self._trials(self.reach.base)
        plan = Plan(
            group=self.group.name,
            pool=self.pool.name,
            surveys=surveys,
            reason=split.reason,
            sites=split.sites,
            ends=split.ends,
            spares=split.spares,
            tiers=() if split.sites else self._tiers(),
            trials=trials,
            is_ramping=self.seen.is_ramping(surveys),
            stays=self._stays(surveys) if keeps_clients else {},
            trickle=trickle,
            needs_place=any(rule.needs_place for rule in rules),
            hash_by=self.pool.hash_by,
            is_stable=self.group.stable,
            is_plain=not (rules or trials or trickle or self.pool.hash_by or self.group.stable),
            why_none="" if split.sites else why_none(self.seen),
            why_not_taken=why_not_taken(self.seen),
        )
        return replace(plan, branches=tuple(self._branch(plan, rule) for rule in rules)) if rules else plan

    def _branch(self, plan: Plan, rule: PreparedRule) -> Branch:
        """A rule says which clients go where: so of the trials it lets through those where it sends somebody."""
        base = (
            dict.fromkeys(self.reach.base, 100.0)
            if rule.rule.nearest
            else rule_base(self.group, self.seen.group_status, rule.rule)
        )
        surveys = self.seen.surveys(base)
        split = self.splitter.split(surveys, rule.rule)
        return Branch(
            rule,
            replace(
                plan,
                surveys=surveys,
                reason=split.reason,
                sites=split.sites,
                ends=split.ends,
                spares=split.spares,
                trials=tuple(slot for slot in plan.trials if base.get(slot.node.datacentre, 0) > 0),
                near=rule if rule.rule.nearest else None,
            ),
        )

    # What else may be needed...

    def _stays(self, surveys: Iterable[Survey]) -> dict[str, Stay]:
        return {
            survey.datacentre: self._stay(survey) for survey in surveys if survey.available and self._may_stay(survey)
        }

    def _may_stay(self, survey: Survey) -> bool:
        """Whatever the weight; in one that drains or that the group has left, for as long as control lets them."""
        name = survey.datacentre
        if name not in self.reach.stays:
            return False
        if survey.state is DatacentreState.DRAINING:
            return name == self.reach.leaving or self.seen.datacentre(name).until is not None
        return survey.state is DatacentreState.SERVING or self.reach.way is Way.AT

    def _stay(self, survey: Survey) -> Stay:
        is_left = survey.state is DatacentreState.DRAINING or survey.part is Part.LEAVING
        before = ("leaving",) if is_left else ()
        others = [
            slot_of(self.pool, node, node.weight * self.seen.node_ramp(node), (*before, "affinity_other_node"))
            for node in survey.available
        ]
        own = {node.name: slot_of(self.pool, node, node.weight, (*before, "affinity")) for node in survey.available}
        names = frozenset(node.name for node in self.seen.nodes_in(survey.datacentre))
        return Stay(node_set(others, self.pool.algorithm), own, names)

    def _trickle(self, surveys: Iterable[Survey]) -> Trickle | None:
        """None while a failback ramps: then real traffic goes there anyway."""
        if not self.group.trickle or self.group.cold or self.reach.way is Way.WEIGHTS:
            return None
        by_name = {survey.datacentre: survey for survey in surveys}
        ready = [by_name[name] for name in self.reach.standbys]
        ready = [survey for survey in ready if survey.available and survey.state is DatacentreState.SERVING]
        nodes = self._tier(ready[0].available, "trickle") if ready else None
        return Trickle(self.group.trickle, nodes, self._trials(set(self.reach.standbys) - self.reach.base.keys()))

    def _trials(self, datacentres: Iterable[str]) -> tuple[Slot, ...]:
        probing = self._reachable(
            datacentres,
            lambda status: (
                status.state is NodeState.PROBING and status.trial != 0 and status.trial_worker == self.worker
            ),
        )
        return tuple(
            slot_of(self.pool, node, node.weight, ("trial",), trial=self.seen.status(node).trial) for node in probing
        )

    def _tiers(self) -> tuple[NodeSet, ...]:
        held = self._reachable(self.reach.base, lambda status: status.held)
        tiers = [self._tier(held, "held")] if held else []
        if self.pool.try_all:
            rest = self._reachable(self.reach.base, lambda status: not status.held)
            rest.sort(key=lambda node: self.seen.status(node).times)
            same_times = groupby(rest, key=lambda node: self.seen.status(node).times)
            tiers += [self._tier(nodes, "try_all") for _, nodes in same_times]
        return tuple(tiers)

    def _reachable(self, datacentres: Iterable[str], wanted: Callable[[NodeStatus], bool]) -> list[Node]:
        """Expected nodes of those of the datacentres that are not draining."""
        return [
            node
            for name in datacentres
            if self.seen.datacentre(name).state is not DatacentreState.DRAINING
            for node in self.seen.nodes_in(name)
            if not self.seen.status(node).drained and wanted(self.seen.status(node))
        ]

    def _tier(self, nodes: Iterable[Node], reason: str) -> NodeSet:
        return node_set((slot_of(self.pool, node, node.weight, (reason,)) for node in nodes), self.pool.algorithm)
