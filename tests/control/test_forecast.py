from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from steer.control.forecast import forecast
from steer.control.metrics import Totals
from steer.control.rehearsal import Rehearsal
from steer.steering.model import Topology
from steer.steering.samples import Sample
from steer.steering.snapshot import GroupStatus, NodeState, NodeStatus, Snapshot
from tests.kit.admin import topology
from tests.kit.clock import ManualClock
from tests.kit.samples import clients, tell

BEFORE = Snapshot()
AFTER = Snapshot(groups={"website": GroupStatus(weights={"auckland": 0})})


def shown(places: Topology, count: int = 100, rate: int = 40, after: Snapshot = AFTER) -> dict[str, Any]:
    clock = ManualClock()
    totals, now = Totals(places, clock), clock.monotonic()
    counted = {("www", "website", "wellington"): rate}
    tell(totals, [Sample("www", "web", client) for client in clients(count)], counted)
    rehearsed = Rehearsal(BEFORE, after, ("website",), {})
    return forecast(places, rehearsed, totals.samples.recent(now), totals.live, now)


def with_capacity(*capacities: float | None) -> Topology:
    places = topology()
    nodes = tuple(replace(node, capacity=each) for node, each in zip(places.nodes, capacities, strict=True))
    return replace(places, nodes=nodes, pools={"web": replace(places.pools["web"], nodes=nodes)})


def test_the_rates_are_the_counted_ones_split_by_the_samples() -> None:
    (group,) = shown(topology())["groups"]
    assert [(d["name"], d["measured"], d["before"], d["after"]) for d in group["datacentres"]] == [
        ("wellington", 40.0, 20.0, 40.0),
        ("auckland", 0.0, 20.0, 0.0),
    ]
    assert (group["clients"]["move"], group["clients"]["margin"]) == (0.5, 0.098)


@pytest.mark.parametrize(("count", "enough"), [(99, False), (100, True)])
def test_of_how_many_it_is_enough(count: int, enough: bool) -> None:
    found = shown(topology(), count)
    assert (found["samples"]["enough"], found["groups"][0]["enough"]) == (enough, enough)


def test_headroom_counts_the_nodes_that_are_available_afterwards() -> None:
    places = with_capacity(30, 50, 100)
    wellington, auckland = shown(places)["headroom"]
    assert (wellington["capacity"], wellington["without_one"], wellington["headroom"]) == (80, 30, -10)
    assert (auckland["capacity"], auckland["headroom"]) == (100, 0)
    lost = Snapshot(nodes={"wlg-2": NodeStatus(NodeState.EJECTED)}, groups=AFTER.groups)
    assert shown(places, after=lost)["headroom"][0]["headroom"] == -40


def test_where_the_capacity_of_a_node_is_not_known_nothing_is_said_of_headroom() -> None:
    assert [each["datacentre"] for each in shown(with_capacity(30, None, 100))["headroom"]] == ["auckland"]


def test_without_samples_the_headroom_is_not_known() -> None:
    assert shown(with_capacity(30, 50, 100), count=0)["headroom"][0]["headroom"] is None
    assert shown(with_capacity(30, 50, 100), count=0, rate=0)["headroom"][0]["headroom"] == 30


def test_requests_that_none_would_take_are_told() -> None:
    places = replace(topology(), pools={"web": replace(topology().pools["web"], try_all=False)})
    none = Snapshot(nodes={node.name: NodeStatus(NodeState.EJECTED) for node in places.nodes})
    (group,) = shown(places, after=none)["groups"]
    assert (group["refused"]["before"], group["refused"]["after"], group["refused"]["share_after"]) == (0.0, 40.0, 1.0)
