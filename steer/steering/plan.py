"""The prepared decision for one pool of one group: shares of the datacentres, and the nodes in each.

Made once for each snapshot (`preparation.py`, and again while a ramp runs), so that a request costs a few look-ups.
What a plan holds, in the order in which `choose` uses it:

    stays    where clients with affinity may be: the nodes there, whatever the weight
    rules    a plan of its own for each rule: other weights, or the nearest datacentre; all else is the same
    trials   nodes that this worker may send one request to, to see whether they are back
    trickle  the share of the idempotent requests that goes to a warm standby, and its nodes
    sites    the datacentres that take traffic, with their shares: those with weight (reason `weights`), or where none
             of those is usable the serving ones of weight 0 (`no_weight_left`); where the group is at one datacentre
             that one (`at`), and with `spill` those that take what it cannot (`spill`); of a rule with `nearest` all
             that are usable
    spares   usable datacentres without a share: for a second try only
    tiers    where there is no site at all: the held nodes, then (`when_none: try_all`) every expected node of every
             datacentre that the group may use and that is not draining, the least often ejected first

Which datacentres these are at all is said in `reach.py`. One that is *out* gets no share, but trials (else a datacentre
whose only node failed could never come back) and tiers; only where a group may be at one datacentre and nowhere else
does *out* change nothing: a pool whose nodes are there goes on. One that is *draining* gets nothing at all but the
clients that may stay there.

A standby gets no trials but those of its trickle. Without one, its ejected node returns by its active check and time
(`ejection.py`: no request could be a trial), because no request may go there to prove it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from steer.steering import weights
from steer.steering.model import Algorithm, HashBy, Node, Pool, Verdict
from steer.steering.rules import PreparedRule
from steer.steering.snapshot import DatacentreState, DatacentreStatus, GroupStatus, NodeState, NodeStatus, Snapshot

PLAIN_NODE = NodeStatus()
PLAIN_DATACENTRE = DatacentreStatus()
PLAIN_GROUP = GroupStatus()


class Part(StrEnum):
    """What a datacentre is to a group that is at one of them. None: the group is active-active."""

    NONE = ""
    CURRENT = "current"
    ARRIVING = "arriving"
    LEAVING = "leaving"
    STANDBY = "standby"


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

    is_usable: bool
    """Whether ordinary requests may go there."""
    part: Part = Part.NONE


@dataclass(frozen=True, slots=True)
class Stay:
    """A datacentre where clients with affinity may be: its available nodes, and each of them by name.

    `names` are those of all nodes of the pool there. A client's node may be of another pool of its service.
    """

    nodes: NodeSet
    own: Mapping[str, Slot]
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Trickle:
    """`share` of the idempotent requests goes to the first of the standbys that can take them."""

    share: float
    nodes: NodeSet | None
    trials: tuple[Slot, ...]
    """Nodes of any standby that await one."""


@dataclass(frozen=True, slots=True)
class Branch:
    """One rule: its conditions, and the plan where they hold."""

    rule: PreparedRule
    plan: Plan


@dataclass(frozen=True, slots=True)
class Plan:
    group: str
    pool: str
    surveys: tuple[Survey, ...]
    reason: str
    """Why the sites are the sites: `weights`, `no_weight_left`, `at`, `spill`, `nearest`, or empty: there is none."""
    sites: tuple[Site, ...]
    ends: tuple[float, ...]
    """Running sums of the shares without the last: `bisect` over one throw gives the site."""
    spares: tuple[Site, ...]
    tiers: tuple[NodeSet, ...]
    trials: tuple[Slot, ...]
    is_ramping: bool
    stays: Mapping[str, Stay] = field(default_factory=dict)
    trickle: Trickle | None = None
    branches: tuple[Branch, ...] = ()
    near: PreparedRule | None = None
    """Of a rule with `nearest`: what puts the datacentres in order."""
    needs_place: bool = False
    """A rule of it can match only a client of whom it is known where it is."""
    hash_by: HashBy | None = None
    is_stable: bool = False
    is_plain: bool = True
    """Dice and weights decide, and nothing of the request: what most groups are."""
    why_none: str = ""
    """Of a group that is at one datacentre which cannot serve this pool: the sentence that says so."""
    why_not_taken: str = ""
    """Of any group that is at one datacentre: the same for a request that each of the nodes refused."""


def node_set(slots: Iterable[Slot], algorithm: Algorithm) -> NodeSet:
    members = tuple(slots)
    single = members[0] if len(members) == 1 else None
    return NodeSet(members, weights.ends([slot.weight for slot in members]), algorithm, single)


def is_available(status: NodeStatus) -> bool:
    """Whether a node takes ordinary requests and counts for its datacentre. A held one is tried but does not count."""
    return status.state is NodeState.SERVING and not status.drained


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
        node_set((slot_of(pool, node, node.weight, ("pinned",)) for node in part), pool.algorithm)
        for part in parts
        if part
    )


def slot_of(pool: Pool, node: Node, weight: float, reasons: tuple[str, ...], trial: int = 0) -> Slot:
    limit = pool.max_connections + pool.max_pending
    return Slot(node, node.index, weight, limit, Verdict(node, reasons, trial))
