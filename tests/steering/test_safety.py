from __future__ import annotations

from dataclasses import replace

from steer.steering.model import Topology
from steer.steering.safety import check_change
from steer.steering.snapshot import Snapshot
from tests.steering.towns import AUCKLAND, DRAINING, EJECTED, OUT, WELLINGTON, snapshot, town

FINE = snapshot()


def refused(
    after: Snapshot,
    topology: Topology | None = None,
    *,
    before: Snapshot = FINE,
    last_change: float | None = None,
    mono: float = 100.0,
) -> tuple[str, str] | None:
    answer = check_change(topology or town(2, 2), before, after, "website", last_change, mono)
    return None if answer is None else (answer.rule, answer.message)


def test_draining_one_of_two_datacentres_is_fine() -> None:
    assert refused(snapshot(datacentres={WELLINGTON: DRAINING})) is None


def test_draining_the_last_serving_datacentre_is_refused() -> None:
    before = snapshot(datacentres={AUCKLAND: OUT})
    after = snapshot(datacentres={AUCKLAND: OUT, WELLINGTON: DRAINING})
    assert refused(after, before=before) == (
        "at_least",
        "website would be served by none: at least 1 must stay",
    )


def test_a_group_may_ask_for_two_datacentres() -> None:
    topology = town(1, 1)
    topology = replace(topology, groups={"website": replace(topology.groups["website"], at_least=2)})
    answer = refused(snapshot(datacentres={WELLINGTON: DRAINING}), topology)
    assert answer == ("at_least", "website would be served by auckland: at least 2 must stay")


def test_a_datacentre_without_available_nodes_does_not_count_as_serving() -> None:
    before = snapshot({"akl-1": EJECTED})
    after = snapshot({"akl-1": EJECTED}, {WELLINGTON: DRAINING})
    answer = refused(after, town(1, 1), before=before)
    assert answer is not None
    assert answer[0] == "at_least"


def test_a_change_that_mends_is_allowed_where_too_few_serve() -> None:
    broken = snapshot(datacentres={AUCKLAND: OUT, WELLINGTON: DRAINING})
    assert refused(snapshot(datacentres={AUCKLAND: OUT}), before=broken) is None
    assert refused(replace(broken, number=2), before=broken) is None


def test_a_datacentre_of_weight_0_may_be_left_alone_to_serve() -> None:
    topology = town(1, 1, weights={WELLINGTON: 100, AUCKLAND: 0})
    assert refused(snapshot(datacentres={WELLINGTON: DRAINING}), topology) is None


def test_weights_that_are_all_0_are_refused() -> None:
    answer = refused(snapshot(weights={WELLINGTON: 0, AUCKLAND: 0}))
    assert answer == ("at_least", "website would have no datacentre with weight")
    assert refused(snapshot(weights={WELLINGTON: 0})) is None


def test_ejecting_a_node_below_min_nodes_is_refused() -> None:
    topology = town(3, 1, min_nodes=2)
    assert refused(snapshot({"wlg-1": EJECTED}), topology) is None
    answer = refused(snapshot({"wlg-1": EJECTED, "wlg-2": EJECTED}), topology, before=snapshot({"wlg-1": EJECTED}))
    assert answer == ("min_nodes", "web would have 1 nodes in wellington: it needs 2")


def test_nodes_of_a_draining_datacentre_may_all_be_ejected() -> None:
    draining = snapshot(datacentres={WELLINGTON: DRAINING})
    after = snapshot({"wlg-1": EJECTED}, {WELLINGTON: DRAINING})
    assert refused(after, town(1, 1), before=draining) is None


def test_a_change_of_weights_is_allowed_where_nodes_are_lacking_already() -> None:
    before = snapshot({"wlg-1": EJECTED})
    assert refused(snapshot({"wlg-1": EJECTED}, weights={WELLINGTON: 10}), town(1, 1), before=before) is None


def test_two_changes_of_a_group_lie_five_seconds_apart() -> None:
    assert refused(FINE, last_change=96.0) == ("pause", "website was changed less than 5 s ago: wait 1.0 s")
    assert refused(FINE, last_change=95.0) is None
