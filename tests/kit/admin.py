"""A small edge for the tests of the admin API and its command line: two datacentres, one node each."""

from __future__ import annotations

from steer.steering.model import Group, Node, Pinned, Pool, Route, Service, Topology


def topology() -> Topology:
    nodes = (Node(0, "wlg-1", "web", "wellington"), Node(1, "akl-1", "web", "auckland"))
    weights = {"wellington": 50.0, "auckland": 50.0}
    return Topology(
        datacentres=("wellington", "auckland"),
        nodes=nodes,
        pools={"web": Pool("web", nodes)},
        groups={"website": Group("website", weights, ("web",), ("web",), pause=0.0)},
        services={
            "www": Service(
                "www",
                "website",
                ("www.agency.example",),
                (Route("/", "web"),),
                {"stack-dr.cwp.example": Pinned("auckland")},
            )
        },
    )
