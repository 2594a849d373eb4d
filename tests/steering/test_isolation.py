from __future__ import annotations

import pytest

from steer.steering.isolation import LOOK_BACK, Isolation, is_most_unreached
from steer.steering.model import Outcome
from steer.steering.records import UNREACHED
from steer.steering.snapshot import NodeState
from tests.steering.history import History
from tests.steering.towns import town

SERVING, EJECTED, PROBING = NodeState.SERVING, NodeState.EJECTED, NodeState.PROBING
CANARIES = ("192.0.2.1:53", "198.51.100.1:53")


def is_lost(history: History) -> bool:
    return is_most_unreached(history.ledger.records())


# Most nodes of most datacentres...


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.SUCCESS])
def test_a_node_is_out_of_reach_when_it_did_not_answer_an_error_is_an_answer(outcome: Outcome) -> None:
    history = History(town(1, 0))
    history.fail("wlg-1", 1, outcome)
    assert is_lost(history) is (outcome in UNREACHED)


def test_most_of_one_of_two_datacentres_is_not_enough() -> None:
    history = History(town(3, 1))
    history.fail("wlg-1")
    history.fail("wlg-2")
    history.fail("wlg-3")
    assert not is_lost(history)
    history.fail("akl-1")
    assert is_lost(history)
    history.wait(1)
    history.succeed("akl-1")
    assert not is_lost(history)


def test_drained_nodes_do_not_count() -> None:
    history = History(town(3, 0))
    history.fail("wlg-1")
    assert not is_lost(history)
    history.ledger.drain("wlg-2", True, history.now, history.mono)
    history.ledger.drain("wlg-3", True, history.now, history.mono)
    assert is_lost(history)


def test_a_count_of_the_moments_before_the_failure_does_not_hide_it() -> None:
    history = History(town(1, 0))
    history.fail("wlg-1")
    history.succeed("wlg-1", 20)
    assert is_lost(history)


def test_checks_show_it_too() -> None:
    history = History(town(1, 0, checked=True))
    history.check("wlg-1", passed=False)
    assert is_lost(history)
    history.check("wlg-1", passed=True)
    assert not is_lost(history)


# Suspected, isolated...


def test_without_canaries_an_edge_is_never_suspected() -> None:
    isolation = Isolation(())
    isolation.see(True, 10.0)
    assert isolation.suspected_since is None
    assert not isolation.hear((), 10.0)


def test_both_canaries_silent_isolate_and_one_that_answers_ends_it() -> None:
    isolation = Isolation(CANARIES)
    assert not isolation.hear((False, False), 5.0), "nobody asked"
    isolation.see(True, 10.0)
    assert isolation.suspected_since == 10.0
    assert not isolation.hear((False, False), 9.0), "asked before there was a reason to"
    assert not isolation.hear((True, False), 10.0)
    assert isolation.hear((False, False), 12.0)
    assert isolation.is_isolated
    assert not isolation.hear((False, False), 14.0), "nothing new"
    assert isolation.hear((False, True), 16.0)
    assert not isolation.is_isolated


def test_nodes_that_answer_end_it() -> None:
    isolation = Isolation(CANARIES)
    isolation.see(True, 10.0)
    isolation.hear((False, False), 10.0)
    assert not isolation.see(True, 11.0)
    assert isolation.see(False, 12.0)
    assert (isolation.is_isolated, isolation.suspected_since) == (False, None)


def test_it_says_how_it_stands() -> None:
    isolation = Isolation(CANARIES)
    words = [repr(isolation)]
    isolation.see(True, 10.0)
    words.append(repr(isolation))
    isolation.hear((False, False), 10.0)
    assert [*words, repr(isolation)] == ["<Isolation connected>", "<Isolation suspected>", "<Isolation isolated>"]


# What the ledger makes of it...


def test_what_was_ejected_as_unreachable_just_before_serves_again_with_the_n_that_it_had() -> None:
    history = History(town(2, 2))
    history.error("wlg-2", 5)
    history.fail("wlg-1", 3)
    history.fail("akl-1", 3)
    history.changes += history.ledger.isolate(history.now, history.mono)
    assert [history.state(node) for node in ("wlg-1", "akl-1", "wlg-2")] == [SERVING, SERVING, EJECTED]
    assert history.status("wlg-1").times == 0
    assert (history.last().after, history.last().cause) == (SERVING, "isolated")


def test_what_was_ejected_long_before_stays_out() -> None:
    history = History(town(2, 2))
    history.fail("wlg-1", 3)
    history.wait(LOOK_BACK + 1)
    history.ledger.isolate(history.now, history.mono)
    assert history.state("wlg-1") is EJECTED


def test_isolated_it_ejects_nothing_and_says_so_once() -> None:
    history = History(town(2, 2, checked=True))
    history.ledger.isolate(history.now, history.mono)
    for _ in range(10):
        for node in ("wlg-1", "wlg-2", "akl-1", "akl-2"):
            history.fail(node, 3)
            history.error(node, 5)
            history.check(node, passed=False)
        history.wait(1)
    assert {history.state(node) for node in history.ledger.statuses()} == {SERVING}
    said = [change.detail.partition(":")[0] for change in history.changes if change.node == "wlg-1"]
    assert set(said) == {"not ejected, the edge is isolated"}
    assert len({(change.node, change.cause) for change in history.changes}) == len(history.changes)


def test_a_trial_that_fails_meanwhile_is_as_if_it_had_not_been() -> None:
    history = History(town(2, 2))
    history.fail("wlg-1", 3)
    history.serve_time("wlg-1")
    history.ledger.isolate(history.now, history.mono)
    history.trial("wlg-1", Outcome.CONNECT_TIMEOUT)
    assert (history.state("wlg-1"), history.status("wlg-1").times) == (PROBING, 1)


def test_reconnected_it_begins_anew() -> None:
    history = History(town(2, 2, checked=True))
    history.ledger.isolate(history.now, history.mono)
    history.fail("wlg-1", 2)
    history.check("wlg-1", passed=False, times=2)
    history.ledger.reconnect()
    assert not is_lost(history)
    history.fail("wlg-1", 2)
    history.check("wlg-1", passed=False, times=2)
    assert history.state("wlg-1") is SERVING
    history.fail("wlg-1", 1)
    assert history.state("wlg-1") is EJECTED


def test_an_operator_ejects_all_the_same() -> None:
    history = History(town(2, 2))
    history.ledger.isolate(history.now, history.mono)
    history.ledger.eject("wlg-1", history.now, history.mono)
    assert history.state("wlg-1") is EJECTED
