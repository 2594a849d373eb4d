"""The values that steering works on: what stands where (topology), what was seen of it, what is decided.

All frozen, all plain: `steer/topology.py` makes the topology out of the configuration. How it is now is in
`snapshot.py`.
Durations are seconds, shares are 0 to 1, `monotonic` times are comparable between the processes of one machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol

# What stands where: for the life of a configuration.


class Mode(StrEnum):
    """`on` acts; `observe` counts and says what it would do; `off` does not even count."""

    ON = "on"
    OBSERVE = "observe"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Node:
    """One backend address. `index` is its place in `Topology.nodes` and in every per-node list."""

    index: int
    name: str
    pool: str
    datacentre: str
    weight: int = 1
    capacity: float | None = None
    """Requests a second that it carries; None: nobody has said."""


@dataclass(frozen=True, slots=True)
class ShareRule:
    """At least `share` of the requests of a window (seconds) failed, of at least so many requests."""

    share: float = 0.5
    window: float = 10.0
    requests: int = 20
    mode: Mode = Mode.ON


@dataclass(frozen=True, slots=True)
class PeersRule:
    """The failure share is more than `difference` (a share) over that of the peers, of so many requests each."""

    difference: float = 0.2
    window: float = 30.0
    requests: int = 50
    mode: Mode = Mode.ON


@dataclass(frozen=True, slots=True)
class SlowRule:
    """The p95 is over `times` the median of the peers' and over `floor` (seconds), in so many windows in a row."""

    times: float = 3.0
    floor: float = 1.0
    windows: int = 3
    mode: Mode = Mode.OBSERVE


@dataclass(frozen=True, slots=True)
class Ejection:
    """When failures take a node out, and for how long (seconds). 0 failures turns that detector off."""

    consecutive_gateway_failures: int = 3
    gateway_mode: Mode = Mode.ON
    consecutive_5xx: int = 5
    server_error_mode: Mode = Mode.ON
    share: ShareRule = ShareRule()
    peers: PeersRule = PeersRule()
    slow: SlowRule = SlowRule()
    base_time: float = 30.0
    max_time: float = 300.0
    ramp: float = 30.0


@dataclass(frozen=True, slots=True)
class RetryRules:
    """`attempts` more tries; `budget` is a share of the requests in flight, with at least `floor`."""

    attempts: int = 2
    budget: float = 0.2
    floor: int = 3
    on_status: frozenset[int] = frozenset({502, 503, 504})
    on_timeout: bool = False
    post: bool = False
    body: int = 64 * 1024


Algorithm = Literal["least_requests", "round_robin", "random", "hash"]


@dataclass(frozen=True, slots=True)
class HashBy:
    """What the same node is chosen for: the client's address, a header (name in lower case) or a cookie."""

    kind: Literal["client", "header", "cookie"]
    name: str = ""


@dataclass(frozen=True, slots=True)
class Pool:
    """The nodes, over all datacentres, that can serve the same requests."""

    name: str
    nodes: tuple[Node, ...]
    min_nodes: int = 1
    needed: Mapping[str, int] = field(default_factory=dict)
    """By datacentre: the nodes that it takes to carry the pool alone, where that is written."""
    algorithm: Algorithm = "least_requests"
    hash_by: HashBy | None = None
    """For the algorithm `hash`."""
    max_connections: int = 256
    max_pending: int = 64
    checked: bool = False
    """Has an active check that acts: it must pass before a trial."""
    check_mode: Mode = Mode.ON
    """Of the active check, where there is one."""
    must_pass_first: bool = False
    fall: int = 3
    rise: int = 2
    ejection: Ejection = Ejection()
    retries: RetryRules = RetryRules()
    try_all: bool = True
    """`when_none`: try all expected nodes when no datacentre is usable; else answer a page."""


class GroupMode(StrEnum):
    """In the last two the group *is at* one datacentre and moves whole."""

    ACTIVE_ACTIVE = "active-active"
    ACTIVE_PASSIVE = "active-passive"
    PILOT_LIGHT = "pilot-light"


Location = tuple[float, float]
"""Degrees north, degrees east."""


@dataclass(frozen=True, slots=True)
class Place:
    """What is known of where an address is. Empty: nothing is."""

    country: str = ""
    """ISO 3166-1 alpha-2."""
    subdivision: str = ""
    """The part of ISO 3166-2 after the hyphen."""
    continent: str = ""
    asn: int = 0
    location: Location | None = None


NOWHERE = Place()


@dataclass(frozen=True, slots=True)
class Area:
    """A part of the world: what is given must all hold, and of each list one. Empty: everywhere."""

    countries: frozenset[str] = frozenset()
    subdivisions: frozenset[str] = frozenset()
    continents: frozenset[str] = frozenset()
    asns: frozenset[int] = frozenset()
    networks: tuple[str, ...] = ()
    """CIDR, of the client's address."""


@dataclass(frozen=True, slots=True)
class FieldTest:
    """A request's field is there and passes the one test that is given."""

    name: str
    """In lower case."""
    equals: str | None = None
    prefix: str | None = None
    regex: str | None = None
    """Found anywhere in the value."""


@dataclass(frozen=True, slots=True)
class When:
    """Which requests a rule is for: all of what is given holds."""

    regions: tuple[Area, ...] = ()
    """The client is in one of these."""
    area: Area = Area()
    field: FieldTest | None = None
    paths: tuple[str, ...] = ()
    """Prefixes of whole segments; one of them."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Weights of its own, or the nearest datacentre, for the requests that it matches.

    `bias` (-99 to 99) makes a datacentre's distance seem shorter or longer: x (1 - bias / 100).
    """

    name: str
    when: When
    weights: Mapping[str, float] = field(default_factory=dict)
    nearest: bool = False
    bias: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FailoverRules:
    automatic: bool = False
    after: float = 60.0
    most_per_day: int = 4


@dataclass(frozen=True, slots=True)
class FailbackRules:
    """`ramp`: percent of the traffic, step by step, `hold` seconds each."""

    automatic: bool = False
    after: float = 600.0
    ramp: tuple[float, ...] = (100,)
    hold: float = 0.0


@dataclass(frozen=True, slots=True)
class PenaltyRules:
    """1000 for each *out*; from `suspend` on nothing moves by itself until it has decayed under `reuse`."""

    half_life: float = 1800.0
    suspend: float = 1500.0
    reuse: float = 750.0


@dataclass(frozen=True, slots=True)
class Group:
    """Services that move together. `pools` are all pools of its services, `critical` those that decide.

    `weights` are for active-active, `order` is for the other modes.
    """

    name: str
    weights: Mapping[str, float]
    pools: tuple[str, ...]
    critical: tuple[str, ...]
    out_after: float = 0.0
    back_after: float = 10.0
    at_least: int = 1
    """Safety rule: so many datacentres stay serving."""
    pause: float = 5.0
    """Safety rule: seconds between two changes of the group."""
    mode: GroupMode = GroupMode.ACTIVE_ACTIVE
    order: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    stable: bool = False
    """Weighted rendezvous hashing over (client key, group) in place of the dice."""
    spill: bool = False
    trickle: float = 0.0
    """Share of the idempotent requests that goes to a warm standby."""
    cold: bool = False
    """Nodes of a standby do not run: expected, and no alarm."""
    drain_sessions: float = 300.0
    """Seconds for which clients with affinity may stay in a datacentre that drains, or that the group leaves."""
    failover: FailoverRules = FailoverRules()
    failback: FailbackRules = FailbackRules()
    penalty: PenaltyRules = PenaltyRules()

    @property
    def datacentres(self) -> tuple[str, ...]:
        """Those that it may ever use, in the order of the configuration."""
        return self.order if self.mode is not GroupMode.ACTIVE_ACTIVE else tuple(self.weights)


@dataclass(frozen=True, slots=True)
class Route:
    """`path` is a prefix of whole segments; the longest that matches wins."""

    path: str
    pool: str


@dataclass(frozen=True, slots=True)
class Pinned:
    """A debug hostname: always this datacentre. `allow`: networks (CIDR) that may use it, empty = everybody."""

    datacentre: str
    allow: tuple[str, ...] = ()


class OnLoss(StrEnum):
    """What happens to a client whose datacentre is lost: moves once and stays, returns when it is back, is refused."""

    STICKY = "sticky"
    TEMPORARY = "temporary"
    STRICT = "strict"


@dataclass(frozen=True, slots=True)
class Affinity:
    """What keeps a client where it is: a sealed cookie, or a key that it sends in a header or the query (learned)."""

    kind: Literal["cookie", "header", "query"]
    name: str
    idle: float = 1800.0
    longest: float | None = None
    ends_with_request: str = ""
    """The field of a request that ends it, in lower case; empty: none."""
    ends_with_response: str = ""
    on_loss: OnLoss = OnLoss.STICKY


@dataclass(frozen=True, slots=True)
class Service:
    name: str
    group: str
    hostnames: tuple[str, ...]
    routes: tuple[Route, ...]
    pinned: Mapping[str, Pinned] = field(default_factory=dict)
    affinity: Affinity | None = None


@dataclass(frozen=True, slots=True)
class Topology:
    """All of it. `nodes[i].index == i`."""

    datacentres: tuple[str, ...]
    nodes: tuple[Node, ...]
    pools: Mapping[str, Pool]
    groups: Mapping[str, Group]
    services: Mapping[str, Service]
    locations: Mapping[str, Location] = field(default_factory=dict)
    """Of the datacentres that have one."""
    ids: Mapping[str, int] = field(default_factory=dict)
    """Of the datacentres: 1 to 999."""


# What was seen.


class Outcome(StrEnum):
    """How one try on a node ended. `is_gateway_failure` are those of the gateway detector."""

    SUCCESS = "success"
    REFUSED = "refused"
    RESET = "reset"
    TLS_FAILURE = "tls_failure"
    CONNECT_TIMEOUT = "connect_timeout"
    RESPONSE_TIMEOUT = "response_timeout"
    BROKEN = "broken"
    GATEWAY_STATUS = "gateway_status"
    SERVER_ERROR = "server_error"

    @property
    def is_gateway_failure(self) -> bool:
        return self not in (Outcome.SUCCESS, Outcome.SERVER_ERROR)


@dataclass(frozen=True, slots=True)
class Observation:
    """One failure (or one trial's outcome), shipped from a worker at once.

    `successes` is how many tries on this node succeeded at that worker since it last said anything of the node,
    before this outcome, and `succeeded_at` when the last one did: so "consecutive" is exact over all workers.
    """

    node: str
    outcome: Outcome
    at: float
    """Monotonic."""
    worker: int = 0
    status: int = 0
    client: str = ""
    path: str = ""
    latency: float = 0.0
    successes: int = 0
    succeeded_at: float = 0.0
    """Monotonic, like `at`; 0: never."""
    trial: int = 0
    """The number of the trial that this was, 0: ordinary traffic."""


# What is decided.


@dataclass(frozen=True, slots=True)
class Bound:
    """What affinity says of a client: where it is, and on which node (empty: any there)."""

    datacentre: str
    node: str = ""


class Dice(Protocol):
    """Where chance comes from: `random.Random` fits, and a seed makes it repeat."""

    def random(self) -> float:
        """At least 0, less than 1."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A node to try and the reasons in order, the deciding one last."""

    node: Node
    reasons: tuple[str, ...]
    trial: int = 0

    @property
    def reason(self) -> str:
        return self.reasons[-1]


@dataclass(frozen=True, slots=True)
class Refusal:
    """No node may be tried. `name` is one of the failures of errors.py: no_node, no_node_here, busy, not_allowed."""

    name: str
    reasons: tuple[str, ...]
    why: str = ""
    """A sentence for the person who reads the answer; empty: there is nothing to add."""
