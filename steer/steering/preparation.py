"""Plans, made: which datacentres and nodes take how much, from the topology, a snapshot and the time.

First the survey: how each datacentre stands for this pool. Then the split of what comes over those that may be used
(`splitting.py`), and what else may be needed: stays, trials, trickle, tiers. A rule's plan has a split of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from steer.steering import weights
from steer.steering.model import Group, GroupMode, Node, Pool
from steer.steering.plan import (
    PLAIN_DATACENTRE,
    PLAIN_GROUP,
    PLAIN_NODE,
    Branch,
    NodeSet,
    Part,
    Plan,
    Slot,
    Stay,
    Survey,
    Trickle,
    is_available,
    node_set,
    slot_of,
)
from steer.steering.reach import Way, position, reach, rule_base
from steer.steering.rules import PreparedRule
from steer.steering.snapshot import DatacentreState, DatacentreStatus, NodeState, NodeStatus, Snapshot
from steer.steering.splitting import Splitter


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
        self.nodes = snapshot.nodes
        self.status = snapshot.groups.get(group.name, PLAIN_GROUP)
        self.reach = reach(group, self.status)
        self.now = now
        self.worker = worker
        self.splitter = Splitter(pool, self.reach.way, self._node_ramp, arriving=self._is_at_one_place)

    def plan(self, rules: Sequence[PreparedRule], keeps_clients: bool) -> Plan:
        surveys = self._surveys(self.reach.base)
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
            is_ramping=self._is_ramping(surveys),
            stays=self._stays(surveys) if keeps_clients else {},
            trickle=trickle,
            needs_place=any(rule.needs_place for rule in rules),
            hash_by=self.pool.hash_by,
            is_stable=self.group.stable,
            is_plain=not (rules or trials or trickle or self.pool.hash_by or self.group.stable),
            why_none="" if split.sites else self._why_none(),
            why_not_taken=self._why_not_taken(),
        )
        return replace(plan, branches=tuple(self._branch(plan, rule) for rule in rules)) if rules else plan

    def _branch(self, plan: Plan, rule: PreparedRule) -> Branch:
        """A rule says which clients go where: so of the trials it lets through those where it sends somebody."""
        base = (
            dict.fromkeys(self.reach.base, 100.0)
            if rule.rule.nearest
            else rule_base(self.group, self.status, rule.rule)
        )
        surveys = self._surveys(base)
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

    # How each datacentre stands...

    @property
    def _is_at_one_place(self) -> bool:
        return self.group.mode is not GroupMode.ACTIVE_ACTIVE

    def _surveys(self, base: Mapping[str, float]) -> tuple[Survey, ...]:
        """Those that take new clients first, in the order in which they do."""
        names = dict.fromkeys((*base, *self.group.datacentres))
        return tuple(self._survey(name, base) for name in names)

    def _survey(self, datacentre: str, base: Mapping[str, float]) -> Survey:
        status, part = self._datacentre(datacentre), self._part(datacentre)
        running = [node for node in self._nodes_in(datacentre) if not self._status(node).drained]
        available = tuple(node for node in running if is_available(self._status(node)))
        expected = 0 if self.group.cold and part is Part.STANDBY and datacentre not in base else len(running)
        return Survey(
            datacentre=datacentre,
            state=status.state,
            cause=status.cause,
            base=base.get(datacentre, 0.0),
            available=available,
            expected=expected,
            health=weights.health(len(available), expected),
            ramp=weights.ramp(status.ramp_from, self.pool.ejection.ramp, self.now),
            is_usable=datacentre in base and bool(available) and self._takes_clients(status.state),
            part=part,
        )

    def _takes_clients(self, state: DatacentreState) -> bool:
        """Where the group can go nowhere else by itself, *out* is what a failover acts on, and nothing else."""
        if self.reach.way is Way.AT:
            return state is not DatacentreState.DRAINING
        return state is DatacentreState.SERVING

    def _part(self, datacentre: str) -> Part:
        if not self._is_at_one_place:
            return Part.NONE
        if datacentre == position(self.group, self.status):
            return Part.CURRENT
        if datacentre == self.reach.leaving:
            return Part.LEAVING
        return Part.STANDBY if datacentre in self.reach.standbys else Part.ARRIVING

    def _datacentre(self, name: str) -> DatacentreStatus:
        return self.status.datacentres.get(name, PLAIN_DATACENTRE)

    def _nodes_in(self, datacentre: str) -> list[Node]:
        return [node for node in self.pool.nodes if node.datacentre == datacentre]

    def _status(self, node: Node) -> NodeStatus:
        return self.nodes.get(node.name, PLAIN_NODE)

    def _node_ramp(self, node: Node) -> float:
        return weights.ramp(self._status(node).ramp_from, self.pool.ejection.ramp, self.now)

    def _is_ramping(self, surveys: Iterable[Survey]) -> bool:
        return any(survey.ramp < 1 or any(self._node_ramp(node) < 1 for node in survey.available) for survey in surveys)

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
            return name == self.reach.leaving or self._datacentre(name).until is not None
        return survey.state is DatacentreState.SERVING or self.reach.way is Way.AT

    def _stay(self, survey: Survey) -> Stay:
        is_left = survey.state is DatacentreState.DRAINING or survey.part is Part.LEAVING
        before = ("leaving",) if is_left else ()
        others = [
            slot_of(self.pool, node, node.weight * self._node_ramp(node), (*before, "affinity_other_node"))
            for node in survey.available
        ]
        own = {node.name: slot_of(self.pool, node, node.weight, (*before, "affinity")) for node in survey.available}
        names = frozenset(node.name for node in self._nodes_in(survey.datacentre))
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
            slot_of(self.pool, node, node.weight, ("trial",), trial=self._status(node).trial) for node in probing
        )

    def _tiers(self) -> tuple[NodeSet, ...]:
        held = self._reachable(self.reach.base, lambda status: status.held)
        tiers = [self._tier(held, "held")] if held else []
        if self.pool.try_all:
            rest = self._reachable(self.reach.base, lambda status: not status.held)
            rest.sort(key=lambda node: self._status(node).times)
            same_times = groupby(rest, key=lambda node: self._status(node).times)
            tiers += [self._tier(nodes, "try_all") for _, nodes in same_times]
        return tuple(tiers)

    def _reachable(self, datacentres: Iterable[str], wanted: Callable[[NodeStatus], bool]) -> list[Node]:
        """Expected nodes of those of the datacentres that are not draining."""
        return [
            node
            for name in datacentres
            if self._datacentre(name).state is not DatacentreState.DRAINING
            for node in self._nodes_in(name)
            if not self._status(node).drained and wanted(self._status(node))
        ]

    def _tier(self, nodes: Iterable[Node], reason: str) -> NodeSet:
        return node_set((slot_of(self.pool, node, node.weight, (reason,)) for node in nodes), self.pool.algorithm)

    def _why_none(self) -> str:
        """In words, for a group that cannot simply go elsewhere."""
        if not self._is_at_one_place:
            return ""
        at = position(self.group, self.status)
        return f"{self.group.name} is at {at}, {self._what_is_wrong(at)}; {self._who_moves_it()}"

    def _why_not_taken(self) -> str:
        if not self._is_at_one_place:
            return ""
        at = position(self.group, self.status)
        return f"{self.group.name} is at {at}, where no node of {self.pool.name} could take it; {self._who_moves_it()}"

    def _what_is_wrong(self, at: str) -> str:
        status = self._datacentre(at)
        if status.state is DatacentreState.DRAINING:
            return "which is draining"
        none = f"no node of {self.pool.name} is available"
        return f"which is out and where {none}" if status.state is DatacentreState.OUT else f"where {none}"

    def _who_moves_it(self) -> str:
        if self.status.held:
            return f"it is held ({self.status.held})"
        if self.reach.moves_by_itself:
            return "nor can another datacentre take it"
        rules = self.group.failover
        return f"it fails over by itself after {rules.after:g} s" if rules.automatic else "it moves by hand"
