"""A topology with two datacentres for the tests of affinity."""

from __future__ import annotations

from steer.steering.model import Affinity, Group, Node, Pool, Route, Service, Topology

WALL = 1_700_000_000.0
"""Where `ManualClock` begins."""


def topology(affinity: Affinity | None = None, service: str = "www", pools: tuple[str, ...] = ("web",)) -> Topology:
    """Wellington (1) and Auckland (2), two nodes in each for each pool: wlg-web-1 and so on."""
    named = [(pool, place, number) for pool in pools for place in ("wellington", "auckland") for number in (1, 2)]
    short = {"wellington": "wlg", "auckland": "akl"}
    nodes = tuple(
        Node(index, f"{short[place]}-{pool}-{number}", pool, place) for index, (pool, place, number) in enumerate(named)
    )
    weights = {"wellington": 50.0, "auckland": 50.0}
    return Topology(
        datacentres=("wellington", "auckland"),
        nodes=nodes,
        pools={pool: Pool(pool, tuple(node for node in nodes if node.pool == pool)) for pool in pools},
        groups={"website": Group("website", weights, pools, pools)},
        services={
            service: Service(service, "website", ("www.agency.example",), (Route("/", pools[0]),), affinity=affinity)
        },
        ids={"wellington": 1, "auckland": 2},
    )
