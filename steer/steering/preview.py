"""What a change would do to the traffic of now: sampled requests, replayed against two snapshots.

No dice are thrown. Of each request the shares are taken that its datacentres have in the decision of `choose`: all of
it goes to one where affinity, a key, a stable client or the nearest place decides, else by the weights. A request
*moves* by what of its shares lies elsewhere afterwards (the total variation distance). So a change of nothing moves
nobody, exactly, and what is uncertain is only whom the samples are of.

Trials and what a worker knows of full or failing nodes are left out: they last for seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from steer.steering.hosts import HostEntry
from steer.steering.lines import in_line
from steer.steering.model import Bound, OnLoss, Place
from steer.steering.pick import Load
from steer.steering.plan import Plan
from steer.steering.samples import Sample
from steer.steering.snapshot import Snapshot
from steer.steering.staying import choose_where_bound
from steer.steering.tables import Tables

Shares = Mapping[str, float]
"""By datacentre; the sum is 1."""

REFUSED = ""
"""The datacentre of requests that get none."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """Where one request would go. `may_stay`: a client with affinity, for as long as the drain lasts."""

    shares: Shares
    may_stay: bool = False


@dataclass(slots=True)
class Moves:
    """How much of those who were sampled moves: of each who came several times the mean."""

    _seen: dict[object, tuple[int, float, float]] = field(default_factory=dict)

    def add(self, who: object, moved: float, leaving: float = 0.0) -> None:
        times, so_far, left = self._seen.get(who, (0, 0.0, 0.0))
        self._seen[who] = (times + 1, so_far + moved, left + leaving)

    @property
    def sampled(self) -> int:
        return len(self._seen)

    @property
    def share(self) -> float:
        """Of those who move at once; 0 where nobody was seen."""
        return sum(moved / times for times, moved, _ in self._seen.values()) / max(1, len(self._seen))

    @property
    def leaving(self) -> float:
        """Of those who may stay for now, and not for ever."""
        return sum(left / times for times, _, left in self._seen.values()) / max(1, len(self._seen))


@dataclass(slots=True)
class Movement:
    """What happens to the requests of one group. `before`, `after`: requests by (pool, datacentre)."""

    samples: int = 0
    requests: float = 0.0
    before: dict[tuple[str, str], float] = field(default_factory=dict)
    after: dict[tuple[str, str], float] = field(default_factory=dict)
    clients: Moves = field(default_factory=Moves)
    sessions: Moves = field(default_factory=Moves)
    """Those of the clients that affinity keeps where they are."""

    def add(self, sample: Sample, before: Outlook, after: Outlook) -> None:
        self.samples += 1
        self.requests += sample.stands_for
        _pour(self.before, sample, before.shares)
        _pour(self.after, sample, after.shares)
        moved = distance(before.shares, after.shares)
        self.clients.add(sample.client, moved)
        if sample.bound is not None:
            who = (sample.service, sample.client, sample.bound, sample.key)
            self.sessions.add(who, moved, float(after.may_stay and not before.may_stay))

    def share_before(self, datacentre: str) -> float:
        return _share(self.before, datacentre, self.requests)

    def share_after(self, datacentre: str) -> float:
        return _share(self.after, datacentre, self.requests)


def replay(before: Tables, after: Tables, samples: Iterable[Sample]) -> dict[str, Movement]:
    """Of each group of the topology, which is the same for both."""
    movements = {name: Movement() for name in before.topology.groups}
    first, second = Replay(before), Replay(after)
    for sample in samples:
        entry = first.entries.get(sample.service)
        if entry is not None and sample.pool in before.plans[entry.group]:
            movements[entry.group].add(sample, first.where(sample), second.where(sample))
    return movements


def without_ramps(snapshot: Snapshot) -> Snapshot:
    """The same when every ramp has come to its end."""
    groups = {
        name: replace(group, datacentres={dc: replace(s, ramp_from=None) for dc, s in group.datacentres.items()})
        for name, group in snapshot.groups.items()
    }
    nodes = {name: replace(status, ramp_from=None) for name, status in snapshot.nodes.items()}
    return Snapshot(snapshot.number, nodes, groups)


def distance(before: Shares, after: Shares) -> float:
    """What of a request lies elsewhere: 0 to 1."""
    return 1.0 - sum(min(share, after.get(name, 0.0)) for name, share in before.items()) if before != after else 0.0


def _pour(into: dict[tuple[str, str], float], sample: Sample, shares: Shares) -> None:
    for datacentre, share in shares.items():
        place = (sample.pool, datacentre)
        into[place] = into.get(place, 0.0) + share * sample.stands_for


def _share(requests: Mapping[tuple[str, str], float], datacentre: str, of: float) -> float:
    return sum(n for place, n in requests.items() if place[1] == datacentre) / of if of else 0.0


# One side...


@dataclass(frozen=True, slots=True)
class _Again:
    """The sampled request as steering asks for it."""

    entry: HostEntry
    pool: str
    client: str
    idempotent: bool
    place: Place
    bound: Bound | None
    key: str
    path: str = ""
    retriable: bool = False

    def field(self, name: str) -> str | None:
        """Which rule it is for is known."""
        return None

    cookie = field


class _Still:
    """Dice for steps whose outcome is not looked at: which node inside a datacentre."""

    def random(self) -> float:
        return 0.5


_DICE = _Still()


class Replay:
    """Where requests go by these tables. Those that cannot differ are worked out once."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._load = Load(len(tables.topology.nodes))
        self._known: dict[object, Outlook] = {}
        self.entries = {entry.service: entry for entry in tables.hosts.values() if entry.pinned is None}
        self.entries |= {name: entry for name, entry in tables.services.items() if name not in self.entries}

    def where(self, sample: Sample) -> Outlook:
        entry = self.entries[sample.service]
        whole = self._tables.plan(entry.group, sample.pool)
        client = sample.client if whole.is_stable else ""
        kind = (sample.service, sample.pool, sample.rule, sample.idempotent, sample.bound, sample.key, sample.location)
        known = self._known.get((kind, client))
        if known is None:
            known = self._known[kind, client] = self._decide(entry, whole, sample)
        return known

    def _decide(self, entry: HostEntry, whole: Plan, sample: Sample) -> Outlook:
        """In the order of `choose`: affinity, the rule, the trickle, the line of datacentres, the last resorts."""
        bound = sample.bound if entry.affinity is not None else None
        key = sample.key if entry.affinity is not None else ""
        place = Place(location=sample.location)
        facts = _Again(entry, sample.pool, sample.client, sample.idempotent, place, bound, key)
        if bound is not None:
            verdict = choose_where_bound(whole, facts, bound, self._load, 0.0, _DICE)
            if verdict is not None:
                return Outlook({verdict.node.datacentre: 1.0}, "leaving" in verdict.reasons)
            if entry.affinity is not None and entry.affinity.on_loss is OnLoss.STRICT:
                return Outlook({REFUSED: 1.0})
        plan = _plan_of(whole, sample)
        shares = _in_line(plan, facts)
        is_new = bound is None and not key
        return Outlook(_with_trickle(plan, shares) if is_new and sample.idempotent else shares)


def _plan_of(whole: Plan, sample: Sample) -> Plan:
    return next((branch.plan for branch in whole.branches if branch.rule.rule.name == sample.rule), whole)


def _in_line(plan: Plan, facts: _Again) -> Shares:
    if not plan.sites:
        return _last_resort(plan)
    if plan.near is not None or facts.key or plan.is_stable:
        first = next(in_line(plan, facts, facts.key, _DICE), None)
        return {first.datacentre: 1.0} if first is not None else _last_resort(plan)
    return {site.datacentre: site.share for site in plan.sites}


def _last_resort(plan: Plan) -> Shares:
    """The first tier, evenly by the weight of its nodes."""
    slots = plan.tiers[0].slots if plan.tiers else ()
    total = sum(slot.weight for slot in slots)
    shares: dict[str, float] = {}
    for slot in slots if total else ():
        datacentre = slot.node.datacentre
        shares[datacentre] = shares.get(datacentre, 0.0) + slot.weight / total
    return shares or {REFUSED: 1.0}


def _with_trickle(plan: Plan, shares: Shares) -> Shares:
    trickle = plan.trickle
    if trickle is None or trickle.nodes is None:
        return shares
    mixed = {name: share * (1 - trickle.share) for name, share in shares.items()}
    standby = trickle.nodes.slots[0].node.datacentre
    return mixed | {standby: mixed.get(standby, 0.0) + trickle.share}
