"""The prepared decision for one pool of one group: shares of the datacentres, and the nodes in each.

Made once for each snapshot (and again while a ramp runs), so that a request costs a few look-ups. What a plan holds, in
the order in which `choose` uses it:

    trials   nodes that this worker may send one request to, to see whether they are back
    sites    the datacentres that take traffic, with their shares: those with weight (reason `weights`), or where none
             of those is usable the serving ones of weight 0 (`no_weight_left`)
    spares   serving datacentres of weight 0 while others have weight: for a second try only
    tiers    where there is no site at all: the held nodes, then (`when_none: try_all`) every expected node of every
             datacentre that is not draining, the least often ejected first

A datacentre is the group's if its weights name it. One that is *out* gets no share, but trials (else a datacentre whose
only node failed could never come back) and tiers; one that is *draining* gets nothing at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby

from steer.steering import weights
from steer.steering.model import (
    Algorithm,
    DatacentreState,
    DatacentreStatus,
    Group,
    GroupStatus,
    Node,
    NodeState,
    NodeStatus,
    Pool,
    Snapshot,
    Verdict,
)

PLAIN_NODE = NodeStatus()
PLAIN_DATACENTRE = DatacentreStatus()
PLAIN_GROUP = GroupStatus()


@dataclass(frozen=True, slots=True)
class Slot:
    """One node that may be chosen, its weight at this moment, and the verdict that says so."""

    node: Node
    index: int
    weight: float
    limit: int
    """Requests in flight (those that wait included) at which it is full."""
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class NodeSet:
    """Nodes among which the algorithm chooses. `ends` are the running sums of their weights."""

    slots: tuple[Slot, ...]
    ends: tuple[float, ...]
    algorithm: Algorithm
    single: Slot | None


@dataclass(frozen=True, slots=True)
class Site:
    """A datacentre that takes traffic. `share` is 0 to 1 over all sites of the plan."""

    datacentre: str
    share: float
    nodes: NodeSet


@dataclass(frozen=True, slots=True)
class Survey:
    """A datacentre as this pool stands in it: what `explain` shows and the shares are made of."""

    datacentre: str
    state: DatacentreState
    cause: str
    base: float
    available: tuple[Node, ...]
    expected: int
    health: float
    ramp: float

    @property
    def is_usable(self) -> bool:
        """Whether ordinary requests may go there: serving, and a node is available."""
        return self.state is DatacentreState.SERVING and bool(self.available)


@dataclass(frozen=True, slots=True)
class Plan:
    group: str
    pool: str
    surveys: tuple[Survey, ...]
    reason: str
    """Why the sites are the sites: `weights`, `no_weight_left`, or empty where there is none."""
    sites: tuple[Site, ...]
    ends: tuple[float, ...]
    """Running sums of the shares without the last: `bisect` over one throw gives the site."""
    spares: tuple[Site, ...]
    tiers: tuple[NodeSet, ...]
    trials: tuple[Slot, ...]
    is_ramping: bool


def node_set(slots: Iterable[Slot], algorithm: Algorithm) -> NodeSet:
    members = tuple(slots)
    single = members[0] if len(members) == 1 else None
    return NodeSet(members, weights.ends([slot.weight for slot in members]), algorithm, single)


def is_available(status: NodeStatus) -> bool:
    """Whether a node takes ordinary requests and counts for its datacentre. A held one is tried but does not count."""
    return status.state is NodeState.SERVING and not status.drained


def prepare(group: Group, pool: Pool, snapshot: Snapshot, now: float, worker: int) -> Plan:
    """The plan of one pool for one group at `now` (monotonic seconds), as this worker sees it."""
    return _Preparation(group, pool, snapshot, now, worker).plan()


def places(pool: Pool, snapshot: Snapshot) -> dict[str, tuple[NodeSet, ...]]:
    """For pinned hostnames: the pool's nodes in each datacentre, the available ones first, then all others."""
    found: dict[str, list[Node]] = {}
    for node in pool.nodes:
        found.setdefault(node.datacentre, []).append(node)
    return {datacentre: _available_first(pool, nodes, snapshot.nodes) for datacentre, nodes in found.items()}


def _available_first(pool: Pool, nodes: list[Node], statuses: Mapping[str, NodeStatus]) -> tuple[NodeSet, ...]:
    def is_ready(node: Node) -> bool:
        return is_available(statuses.get(node.name, PLAIN_NODE))

    parts = ([node for node in nodes if is_ready(node)], [node for node in nodes if not is_ready(node)])
    return tuple(
        node_set((_slot(pool, node, node.weight, ("pinned",)) for node in part), pool.algorithm)
        for part in parts
        if part
    )


def _slot(pool: Pool, node: Node, weight: float, reasons: tuple[str, ...], trial: int = 0) -> Slot:
    limit = pool.max_connections + pool.max_pending
    return Slot(node, node.index, weight, limit, Verdict(node, reasons, trial))


class _Preparation:
    """The steps of `prepare`, over what they all need."""

    def __init__(self, group: Group, pool: Pool, snapshot: Snapshot, now: float, worker: int) -> None:
        self.group = group
        self.pool = pool
        self.nodes = snapshot.nodes
        self.status = snapshot.groups.get(group.name, PLAIN_GROUP)
        self.now = now
        self.worker = worker
        base = {**group.weights, **self.status.weights}
        self.surveys = tuple(self._survey(datacentre, weight) for datacentre, weight in base.items())

    def plan(self) -> Plan:
        weighted = [survey for survey in self.surveys if survey.is_usable and survey.base > 0]
        idle = [survey for survey in self.surveys if survey.is_usable and survey.base <= 0]
        reason = "weights" if weighted else "no_weight_left" if idle else ""
        sites = self._sites(weighted or idle, reason)
        return Plan(
            group=self.group.name,
            pool=self.pool.name,
            surveys=self.surveys,
            reason=reason,
            sites=sites,
            ends=weights.ends([site.share for site in sites])[:-1],
            spares=self._sites(idle, "no_weight_left") if weighted else (),
            tiers=() if sites else self._tiers(),
            trials=self._trials(),
            is_ramping=self._is_ramping(),
        )

    def _survey(self, datacentre: str, base: float) -> Survey:
        status = self.status.datacentres.get(datacentre, PLAIN_DATACENTRE)
        expected = [node for node in self._nodes_in(datacentre) if not self._status(node).drained]
        available = tuple(node for node in expected if is_available(self._status(node)))
        return Survey(
            datacentre=datacentre,
            state=status.state,
            cause=status.cause,
            base=base,
            available=available,
            expected=len(expected),
            health=weights.health(len(available), len(expected)),
            ramp=weights.ramp(status.ramp_from, self.pool.ejection.ramp, self.now),
        )

    def _nodes_in(self, datacentre: str) -> list[Node]:
        return [node for node in self.pool.nodes if node.datacentre == datacentre]

    def _status(self, node: Node) -> NodeStatus:
        return self.nodes.get(node.name, PLAIN_NODE)

    def _node_ramp(self, node: Node) -> float:
        return weights.ramp(self._status(node).ramp_from, self.pool.ejection.ramp, self.now)

    def _sites(self, surveys: list[Survey], reason: str) -> tuple[Site, ...]:
        effective = [(survey.base if survey.base > 0 else 1.0) * survey.health * survey.ramp for survey in surveys]
        return tuple(
            Site(survey.datacentre, share, node_set(self._site_slots(survey, reason), self.pool.algorithm))
            for survey, share in zip(surveys, weights.shares(effective), strict=True)
        )

    def _site_slots(self, survey: Survey, reason: str) -> Iterable[Slot]:
        for node in survey.available:
            ramp = self._node_ramp(node)
            reasons = (reason,) if ramp >= 1 and survey.ramp >= 1 else ("ramp", reason)
            yield _slot(self.pool, node, node.weight * ramp, reasons)

    def _reachable(self, wanted: Callable[[NodeStatus], bool]) -> list[Node]:
        """Expected nodes of the datacentres that are not draining."""
        return [
            node
            for survey in self.surveys
            if survey.state is not DatacentreState.DRAINING
            for node in self._nodes_in(survey.datacentre)
            if not self._status(node).drained and wanted(self._status(node))
        ]

    def _tiers(self) -> tuple[NodeSet, ...]:
        held = self._reachable(lambda status: status.held)
        tiers = [self._tier(held, "held")] if held else []
        if self.pool.try_all:
            rest = self._reachable(lambda status: not status.held)
            rest.sort(key=lambda node: self._status(node).times)
            same_times = groupby(rest, key=lambda node: self._status(node).times)
            tiers += [self._tier(nodes, "try_all") for _, nodes in same_times]
        return tuple(tiers)

    def _tier(self, nodes: Iterable[Node], reason: str) -> NodeSet:
        return node_set((_slot(self.pool, node, node.weight, (reason,)) for node in nodes), self.pool.algorithm)

    def _trials(self) -> tuple[Slot, ...]:
        probing = self._reachable(
            lambda status: (
                status.state is NodeState.PROBING and status.trial != 0 and status.trial_worker == self.worker
            )
        )
        return tuple(
            _slot(self.pool, node, node.weight, ("trial",), trial=self._status(node).trial) for node in probing
        )

    def _is_ramping(self) -> bool:
        return any(
            survey.ramp < 1 or any(self._node_ramp(node) < 1 for node in survey.available) for survey in self.surveys
        )
