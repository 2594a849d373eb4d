"""Small topologies for the tests of steering: two datacentres, named as in the example configurations."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from steer.steering.model import (
    NOWHERE,
    Affinity,
    Algorithm,
    Bound,
    Ejection,
    Group,
    GroupMode,
    HashBy,
    Mode,
    Node,
    OnLoss,
    Pinned,
    Place,
    Pool,
    Route,
    Service,
    Topology,
)
from steer.steering.snapshot import DatacentreState, DatacentreStatus, GroupStatus, NodeState, NodeStatus, Snapshot
from steer.steering.tables import HostEntry, Tables

WELLINGTON, AUCKLAND = "wellington", "auckland"
SHORT = {WELLINGTON: "wlg", AUCKLAND: "akl"}


@dataclass
class Request:
    """Facts of a request, as the proxy would give them."""

    entry: HostEntry
    pool: str = "web"
    client: str = "192.0.2.1"
    path: str = "/"
    retriable: bool = True
    idempotent: bool = True
    place: Place = NOWHERE
    bound: Bound | None = None
    key: str = ""
    fields: Mapping[str, str] = dataclasses.field(default_factory=dict)
    cookies: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def field(self, name: str) -> str | None:
        return self.fields.get(name)

    def cookie(self, name: str) -> str | None:
        return self.cookies.get(name)


def town(
    wellington: int = 1,
    auckland: int = 1,
    *,
    weights: Mapping[str, float] | None = None,
    node_weights: Sequence[int] = (),
    algorithm: Algorithm = "least_requests",
    allow: tuple[str, ...] = (),
    checked: bool = False,
    must_pass_first: bool = False,
    try_all: bool = True,
    max_connections: int = 256,
    max_pending: int = 64,
    min_nodes: int = 1,
    out_after: float = 0.0,
    ejection: Ejection | None = None,
    check_mode: Mode = Mode.ON,
) -> Topology:
    """One pool `web` with so many nodes (wlg-1.., akl-1..) in each datacentre, a group `website`, a service `www`."""
    places = [WELLINGTON] * wellington + [AUCKLAND] * auckland
    names = [f"wlg-{i + 1}" for i in range(wellington)] + [f"akl-{i + 1}" for i in range(auckland)]
    node_weights = node_weights or [1] * len(names)
    nodes = tuple(
        Node(index, name, "web", place, node_weights[index])
        for index, (name, place) in enumerate(zip(names, places, strict=True))
    )
    pool = Pool(
        "web",
        nodes,
        algorithm=algorithm,
        checked=checked,
        check_mode=check_mode,
        must_pass_first=must_pass_first,
        try_all=try_all,
        max_connections=max_connections,
        max_pending=max_pending,
        min_nodes=min_nodes,
        ejection=ejection or Ejection(),
    )
    group = Group(
        "website", weights or {WELLINGTON: 50, AUCKLAND: 50}, pools=("web",), critical=("web",), out_after=out_after
    )
    service = Service(
        "www",
        "website",
        hostnames=("www.agency.example",),
        routes=(Route("/", "web"),),
        pinned={"stack.example": Pinned(WELLINGTON, allow), "stack-dr.example": Pinned(AUCKLAND, allow)},
    )
    return Topology((WELLINGTON, AUCKLAND), nodes, {"web": pool}, {"website": group}, {"www": service})


def with_group(topology: Topology, **changes: Any) -> Topology:
    """The same town whose group `website` is otherwise."""
    group = dataclasses.replace(topology.groups["website"], **changes)
    return dataclasses.replace(topology, groups={"website": group})


def passive(
    wellington: int = 1, auckland: int = 1, *, in_town: Mapping[str, Any] | None = None, **changes: Any
) -> Topology:
    """A group that is at one datacentre, Wellington first."""
    mode = {"mode": GroupMode.ACTIVE_PASSIVE, "order": (WELLINGTON, AUCKLAND), "weights": {}}
    return with_group(town(wellington, auckland, **(in_town or {})), **{**mode, **changes})


def with_affinity(topology: Topology, on_loss: OnLoss = OnLoss.STICKY) -> Topology:
    service = dataclasses.replace(topology.services["www"], affinity=Affinity("cookie", "steer", on_loss=on_loss))
    return dataclasses.replace(topology, services={"www": service})


def hashed(topology: Topology, kind: Literal["client", "header", "cookie"], name: str = "") -> Topology:
    """The same town whose pool chooses nodes by a hash."""
    pool = dataclasses.replace(topology.pools["web"], algorithm="hash", hash_by=HashBy(kind, name))
    return dataclasses.replace(topology, pools={"web": pool})


def positioned(
    nodes: Mapping[str, NodeStatus] | None = None,
    datacentres: Mapping[str, DatacentreStatus] | None = None,
    **position: Any,
) -> Snapshot:
    """A snapshot in which the group `website` is somewhere."""
    return Snapshot(1, nodes or {}, {"website": GroupStatus(datacentres=datacentres or {}, **position)})


def snapshot(
    nodes: Mapping[str, NodeStatus] | None = None,
    datacentres: Mapping[str, DatacentreStatus] | None = None,
    weights: Mapping[str, float] | None = None,
) -> Snapshot:
    return Snapshot(1, nodes or {}, {"website": GroupStatus(weights=weights or {}, datacentres=datacentres or {})})


def tables_of(topology: Topology, state: Snapshot | None = None, *, now: float = 0.0, worker: int = 0) -> Tables:
    return Tables(topology, state or Snapshot(), now, worker)


def request_for(tables: Tables, host: str = "www.agency.example", *, retriable: bool = True) -> Request:
    entry = tables.host(host)
    assert entry is not None
    return Request(entry, retriable=retriable)


EJECTED = NodeStatus(NodeState.EJECTED, cause="consecutive_gateway_failures", times=1)
OUT = DatacentreStatus(DatacentreState.OUT)
DRAINING = DatacentreStatus(DatacentreState.DRAINING)
