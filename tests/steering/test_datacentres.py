from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from steer.steering.datacentres import DatacentreLedger, standbys, usable
from steer.steering.model import Group, Node, Pool, Topology
from steer.steering.shortages import deciding_pools, lacking
from steer.steering.snapshot import DatacentreState, NodeState, NodeStatus
from tests.steering.towns import AUCKLAND, EJECTED, WELLINGTON, town

SERVING, DRAINING, OUT = DatacentreState.SERVING, DatacentreState.DRAINING, DatacentreState.OUT


class Place:
    """Wellington for the group `website`, and a time that the test moves."""

    def __init__(self, topology: Topology) -> None:
        self.ledger = DatacentreLedger(topology)
        self.mono = 1000.0
        self.nodes: dict[str, NodeStatus] = {}

    @property
    def now(self) -> float:
        return self.mono + 1_000_000

    def after(self, seconds: float, nodes: Mapping[str, NodeStatus] | None = None) -> DatacentreState:
        """The state when so much time has passed, and these nodes have changed."""
        self.mono += seconds
        self.nodes |= nodes or {}
        self.ledger.update(self.nodes, self.now, self.mono)
        return self.ledger.status("website", WELLINGTON).state

    def drain(self) -> None:
        self.ledger.drain("website", WELLINGTON, self.now, self.mono)

    def restore(self) -> None:
        self.ledger.restore("website", WELLINGTON, self.now, self.mono)


FINE = NodeStatus()


def test_a_datacentre_is_out_at_once_when_its_last_node_is_ejected() -> None:
    place = Place(town(2, 1))
    assert place.after(0, {"wlg-1": EJECTED}) is SERVING
    [change] = place.ledger.update({"wlg-1": EJECTED, "wlg-2": EJECTED}, place.now, place.mono)
    assert (change.group, change.datacentre, change.before, change.after) == ("website", WELLINGTON, SERVING, OUT)
    assert change.cause == "web has 0 of 1 nodes that it needs"
    assert place.ledger.status("website", WELLINGTON).since == place.now


def test_it_is_out_only_when_nodes_are_lacking_for_out_after() -> None:
    place = Place(town(1, 1, out_after=30))
    assert place.after(0, {"wlg-1": EJECTED}) is SERVING
    assert place.after(29) is SERVING
    assert place.after(0.5, {"wlg-1": FINE}) is SERVING
    assert place.after(0.5, {"wlg-1": EJECTED}) is SERVING
    assert place.after(29) is SERVING
    assert place.after(1) is OUT


def test_it_serves_again_by_the_ramp_when_its_nodes_are_back_for_back_after() -> None:
    place = Place(town(1, 1))
    assert place.after(0, {"wlg-1": EJECTED}) is OUT
    assert place.after(60, {"wlg-1": FINE}) is OUT
    assert place.after(9) is OUT
    assert place.after(0.5, {"wlg-1": EJECTED}) is OUT
    assert place.after(0.5, {"wlg-1": FINE}) is OUT
    assert place.after(9.5) is OUT
    assert place.after(0.5) is SERVING
    assert place.ledger.status("website", WELLINGTON).ramp_from == place.mono


def test_at_start_up_there_is_no_ramp() -> None:
    assert DatacentreLedger(town()).status("website", WELLINGTON).ramp_from is None


def test_min_nodes_says_how_many_are_needed() -> None:
    place = Place(town(3, 1, min_nodes=2))
    assert place.after(0, {"wlg-1": EJECTED}) is SERVING
    assert place.after(0, {"wlg-2": EJECTED}) is OUT


def test_held_probing_and_drained_nodes_are_not_available() -> None:
    for status in (
        NodeStatus(NodeState.EJECTED, held=True),
        NodeStatus(NodeState.PROBING),
        NodeStatus(drained=True),
    ):
        assert Place(town(1, 1)).after(0, {"wlg-1": status}) is OUT


def test_a_drain_lasts_until_it_is_restored_and_returns_by_the_ramp() -> None:
    place = Place(town(1, 1))
    place.drain()
    assert place.after(0) is DRAINING
    assert place.ledger.status("website", WELLINGTON).cause == "override"
    assert place.after(10_000) is DRAINING
    place.restore()
    assert place.after(0) is SERVING
    assert place.ledger.status("website", WELLINGTON).ramp_from == place.mono


def test_draining_twice_is_draining_once() -> None:
    ledger = DatacentreLedger(town())
    assert len(ledger.drain("website", WELLINGTON, 5.0, 5.0)) == 1
    assert ledger.drain("website", WELLINGTON, 6.0, 6.0) == ()
    assert ledger.status("website", WELLINGTON).since == 5.0


def test_nodes_that_fail_under_a_drain_make_it_out_when_the_drain_ends() -> None:
    place = Place(town(1, 1))
    place.drain()
    assert place.after(5, {"wlg-1": EJECTED}) is DRAINING
    place.restore()
    assert place.after(0) is OUT


# Which pools decide...


def two_pools(critical: tuple[str, ...]) -> Topology:
    """`web` in both datacentres, `upload` in Wellington only."""
    nodes = (
        Node(0, "wlg-1", "web", WELLINGTON),
        Node(1, "akl-1", "web", AUCKLAND),
        Node(2, "skybot-1", "upload", WELLINGTON),
    )
    pools = {"web": Pool("web", nodes[:2]), "upload": Pool("upload", nodes[2:])}
    group = Group("website", {WELLINGTON: 1, AUCKLAND: 1}, ("web", "upload"), critical)
    return Topology((WELLINGTON, AUCKLAND), nodes, pools, {"website": group}, {})


def test_by_default_the_pools_that_have_nodes_there_decide() -> None:
    for critical in ((), ("web", "upload"), ("upload", "web")):
        topology = two_pools(critical)
        assert deciding_pools(topology, topology.groups["website"], WELLINGTON) == ("web", "upload")
        assert deciding_pools(topology, topology.groups["website"], AUCKLAND) == ("web",)


def test_every_deciding_pool_must_have_its_nodes() -> None:
    assert Place(two_pools(())).after(0, {"skybot-1": EJECTED}) is OUT
    assert Place(two_pools(("web",))).after(0, {"skybot-1": EJECTED}) is SERVING


def test_a_pool_that_is_named_critical_and_has_no_nodes_there_keeps_the_datacentre_out() -> None:
    topology = two_pools(("upload",))
    assert lacking(topology, topology.groups["website"], AUCKLAND, {}) == "upload has 0 of 1 nodes that it needs"


def test_a_datacentre_without_any_node_of_the_group_is_out() -> None:
    topology = town(1, 0)
    assert lacking(topology, topology.groups["website"], AUCKLAND, {}) == "no nodes here"


def test_groups_are_out_each_for_itself() -> None:
    topology = two_pools(())
    groups = {
        "website": replace(topology.groups["website"], pools=("web",), critical=()),
        "uploads": Group("uploads", {WELLINGTON: 1}, ("upload",), ()),
    }
    ledger = DatacentreLedger(replace(topology, groups=groups))
    ledger.update({"skybot-1": EJECTED}, 0.0, 0.0)
    assert ledger.status("website", WELLINGTON).state is SERVING
    assert ledger.status("uploads", WELLINGTON).state is OUT
    assert repr(ledger).startswith("<DatacentreLedger [website in wellington serving, website in auckland serving")


def test_a_pool_is_usable_where_a_group_with_it_is_served_and_has_a_weight() -> None:
    topology = two_pools(())
    ledger = DatacentreLedger(topology)
    assert usable(topology, ledger) == {
        "web": frozenset({WELLINGTON, AUCKLAND}),
        "upload": frozenset({WELLINGTON, AUCKLAND}),
    }
    ledger.drain("website", WELLINGTON, 0.0, 0.0)
    assert usable(topology, ledger)["web"] == {AUCKLAND}


def test_a_datacentre_is_a_pools_standby_where_no_group_sends_requests() -> None:
    topology = two_pools(())
    assert standbys(topology)["web"] == frozenset()
    assert standbys(topology, {"website": frozenset({AUCKLAND})})["web"] == {WELLINGTON}


# The state file...


def restarted(place: Place, topology: Topology, asleep: float) -> Place:
    fresh = Place(topology)
    data = json.loads(json.dumps(place.ledger.export(place.now, place.mono)))
    fresh.mono = 3.0
    fresh.ledger.restore_state(data, place.now + asleep, fresh.mono)
    return fresh


def test_drains_outs_and_ramps_survive_a_restart() -> None:
    topology = town(1, 1)
    place = Place(topology)
    place.drain()
    again = restarted(place, topology, 5)
    assert again.after(1) is DRAINING
    place.restore()
    ramp_from = restarted(place, topology, 5).ledger.status("website", WELLINGTON).ramp_from
    assert ramp_from == 3.0 - 5.0
    place.after(0, {"wlg-1": EJECTED})
    again = restarted(place, topology, 5)
    assert again.after(9, {"wlg-1": FINE}) is OUT
    assert again.after(10) is SERVING


def test_a_group_that_is_gone_since_is_passed_over() -> None:
    place = Place(two_pools(()))
    place.drain()
    other = replace(town(1, 1), groups={})
    assert restarted(place, other, 0).ledger.statuses("website") == {}
