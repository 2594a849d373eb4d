from __future__ import annotations

from steer.steering.snapshot import NodeState
from tests.steering.history import History
from tests.steering.towns import town

EJECTED, SERVING = NodeState.EJECTED, NodeState.SERVING


def test_5xx_never_take_the_last_available_node_of_a_pool_in_a_datacentre() -> None:
    history = History(town(2, 1))
    history.fail("wlg-2", 3)
    history.error("wlg-1", 50)
    assert history.state("wlg-1") is SERVING
    assert "not ejected, it is the last available node" in history.last().detail
    assert history.last().before is history.last().after


def test_5xx_take_a_node_that_stands_alone_while_the_other_datacentre_serves() -> None:
    history = History(town(1, 1))
    history.error("wlg-1", 5)
    assert history.state("wlg-1") is EJECTED


def test_5xx_never_take_the_last_available_node_of_a_pool() -> None:
    history = History(town(1, 1))
    history.error("wlg-1", 5)
    history.error("akl-1", 50)
    assert history.state("akl-1") is SERVING
    assert "not ejected, it is the last available node of its pool" in history.last().detail


def test_5xx_never_take_more_than_half_of_a_pools_nodes_in_a_datacentre() -> None:
    history = History(town(5, 1))
    for node in ("wlg-1", "wlg-2", "wlg-3"):
        history.error(node, 5)
    assert [history.state(f"wlg-{i}") for i in (1, 2, 3)] == [EJECTED, EJECTED, SERVING]
    assert "half of the pool's nodes" in history.last().detail


def test_drained_nodes_do_not_count_for_the_half() -> None:
    history = History(town(4, 1))
    for node in ("wlg-3", "wlg-4"):
        history.ledger.drain(node, True, history.now, history.mono)
    history.error("wlg-1", 5)
    history.error("wlg-2", 5)
    assert [history.state("wlg-1"), history.state("wlg-2")] == [EJECTED, SERVING]


def test_gateway_failures_may_take_every_node() -> None:
    history = History(town(2, 1))
    for node in ("wlg-1", "wlg-2", "akl-1"):
        history.fail(node, 3)
    assert {history.state(node) for node in ("wlg-1", "wlg-2", "akl-1")} == {EJECTED}


def test_only_the_last_available_node_of_the_pool_is_held() -> None:
    history = History(town(2, 1))
    for node in ("wlg-1", "wlg-2", "akl-1"):
        history.fail(node, 3)
    assert [history.status(node).held for node in ("wlg-1", "wlg-2", "akl-1")] == [False, False, True]


def test_a_node_in_the_only_datacentre_that_may_be_used_is_held_though_others_run_elsewhere() -> None:
    history = History(town(1, 2))
    history.datacentres.drain("website", "auckland", history.now, history.mono)
    history.settle_datacentres()
    history.fail("wlg-1", 3)
    assert history.status("wlg-1").held


def test_a_node_in_a_datacentre_that_may_not_be_used_is_not_held() -> None:
    history = History(town(1, 1))
    history.datacentres.drain("website", "wellington", history.now, history.mono)
    history.settle_datacentres()
    history.fail("akl-1", 3)
    history.fail("wlg-1", 3)
    assert (history.status("wlg-1").held, history.status("akl-1").held) == (False, True)


def test_a_node_is_no_longer_held_when_another_of_its_pool_is_back() -> None:
    history = History(town(1, 1))
    history.fail("wlg-1", 3)
    history.wait(10)
    history.fail("akl-1", 3)
    history.serve_time("wlg-1")
    assert history.status("akl-1").held
    for _ in range(3):
        history.trial("wlg-1")
    assert history.state("wlg-1") is SERVING
    assert not history.status("akl-1").held


def test_a_node_is_no_longer_held_when_another_datacentre_may_be_used_again() -> None:
    history = History(town(1, 1))
    history.datacentres.drain("website", "auckland", history.now, history.mono)
    history.settle_datacentres()
    history.fail("wlg-1", 3)
    history.datacentres.restore("website", "auckland", history.now, history.mono)
    history.settle_datacentres()
    assert not history.status("wlg-1").held


def test_a_held_node_stays_held_while_it_is_probing() -> None:
    history = History(town(1, 0))
    history.fail("wlg-1", 3)
    history.serve_time("wlg-1")
    assert history.status("wlg-1").held
    for _ in range(3):
        history.trial("wlg-1")
    assert not history.status("wlg-1").held
