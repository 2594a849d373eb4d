from __future__ import annotations

from dataclasses import replace

from steer.steering.model import Ejection, Mode, Outcome, PeersRule, ShareRule
from steer.steering.snapshot import NodeState
from steer.steering.trials import JUST, TRIAL_PATIENCE
from tests.steering.history import History
from tests.steering.towns import town

PROBING, SERVING, EJECTED = NodeState.PROBING, NodeState.SERVING, NodeState.EJECTED


def a_probing_node(*, checked: bool = False, ejection: Ejection | None = None) -> History:
    history = History(town(2, 1, checked=checked, ejection=ejection))
    history.fail("wlg-1", 3)
    history.serve_time("wlg-1")
    return history


def test_only_probing_nodes_get_a_trial() -> None:
    history = History(town(2, 1))
    assert history.grant(0) is False
    history.fail("wlg-1", 3)
    assert history.grant(0) is False
    history.serve_time("wlg-1")
    assert history.grant(0) is True
    assert history.status("wlg-1").trial > 0
    assert history.status("wlg-2").trial == 0


def test_without_workers_nobody_gets_a_trial() -> None:
    history = a_probing_node()
    assert history.ledger.grant_trials((), history.now, history.mono) is False


def test_one_trial_at_a_time_and_after_a_second_the_next_worker_has_it() -> None:
    history = a_probing_node()
    history.grant(4, 7)
    first = history.status("wlg-1")
    history.wait(TRIAL_PATIENCE / 2)
    assert history.grant(4, 7) is False
    history.wait(TRIAL_PATIENCE / 2)
    assert history.grant(4, 7) is True
    second = history.status("wlg-1")
    assert {first.trial_worker, second.trial_worker} == {4, 7}
    assert second.trial > first.trial


def test_three_successful_trials_bring_a_node_back_by_the_ramp() -> None:
    history = a_probing_node()
    for _ in range(2):
        history.trial("wlg-1")
        assert history.state("wlg-1") is PROBING
    history.trial("wlg-1")
    status = history.status("wlg-1")
    assert (status.state, status.ramp_from, status.times, status.cause) == (SERVING, history.mono, 1, "trial")


def test_a_failed_trial_ejects_for_longer() -> None:
    history = a_probing_node()
    history.trial("wlg-1")
    history.trial("wlg-1", Outcome.REFUSED)
    status = history.status("wlg-1")
    assert (status.state, status.times, status.cause) == (EJECTED, 2, "trial_failed")
    assert status.until is not None
    assert 54 <= status.until - history.now <= 66


def test_an_answer_that_comes_after_the_trial_moved_on_counts_once() -> None:
    history = a_probing_node()
    history.grant(0, 1)
    early = history.status("wlg-1").trial
    history.wait(TRIAL_PATIENCE)
    history.grant(0, 1)
    for _ in range(5):
        history.fail("wlg-1", 1, Outcome.SUCCESS, trial=early)
    assert history.ledger.record("wlg-1").trials_passed == 1
    assert history.status("wlg-1").trial > early


def test_an_answer_of_an_earlier_probing_does_not_count() -> None:
    history = a_probing_node()
    history.grant()
    old = history.status("wlg-1").trial
    history.trial("wlg-1", Outcome.RESET)
    history.serve_time("wlg-1")
    history.fail("wlg-1", 1, Outcome.RESET, trial=old)
    assert history.state("wlg-1") is PROBING


def test_numbers_never_repeat_over_nodes_and_over_a_restart_of_control() -> None:
    history = a_probing_node()
    history.fail("akl-1", 3)
    history.serve_time("akl-1")
    history.grant(0)
    numbers = {history.status("wlg-1").trial, history.status("akl-1").trial}
    after = history.restart(asleep=0.5)
    after.grant(0)
    numbers |= {after.status("wlg-1").trial, after.status("akl-1").trial}
    assert len(numbers) == 4


def test_where_the_pool_is_checked_trials_wait_for_the_check() -> None:
    history = a_probing_node(checked=True)
    history.check("wlg-1", passed=True)
    assert history.grant(0) is False
    history.check("wlg-1", passed=True)
    assert history.grant(0) is True


def test_a_check_that_fails_between_trials_begins_them_anew() -> None:
    history = a_probing_node(checked=True)
    history.check("wlg-1", passed=True, times=2)
    history.trial("wlg-1")
    history.trial("wlg-1")
    history.check("wlg-1", passed=False)
    assert history.grant(0) is False
    history.check("wlg-1", passed=True, times=2)
    history.trial("wlg-1")
    assert history.state("wlg-1") is PROBING


def test_a_500_fails_a_trial_only_where_a_detector_that_counts_it_is_on() -> None:
    nobody = Ejection(
        server_error_mode=Mode.OBSERVE, share=ShareRule(mode=Mode.OFF), peers=PeersRule(mode=Mode.OBSERVE)
    )
    strict, lenient = a_probing_node(ejection=replace(nobody, peers=PeersRule())), a_probing_node(ejection=nobody)
    strict.trial("wlg-1", Outcome.SERVER_ERROR)
    lenient.trial("wlg-1", Outcome.SERVER_ERROR)
    assert (strict.state("wlg-1"), lenient.state("wlg-1")) == (EJECTED, PROBING)


def test_a_500_on_a_path_that_just_failed_on_another_node_says_nothing() -> None:
    history = a_probing_node()
    history.fail("wlg-2", 1, Outcome.SERVER_ERROR, client="192.0.2.1", path="/broken")
    history.grant()
    history.fail("wlg-1", 1, Outcome.SERVER_ERROR, path="/broken", trial=history.status("wlg-1").trial)
    assert history.state("wlg-1") is PROBING
    assert history.status("wlg-1").trial == 0, "the next request may be the trial"
    history.grant()
    history.fail("wlg-1", 1, Outcome.SERVER_ERROR, path="/other", trial=history.status("wlg-1").trial)
    assert history.state("wlg-1") is EJECTED


def test_a_page_that_failed_elsewhere_long_ago_is_no_excuse() -> None:
    history = a_probing_node()
    history.fail("wlg-2", 1, Outcome.SERVER_ERROR, client="192.0.2.1", path="/broken")
    history.wait(JUST + 1)
    history.grant()
    history.fail("wlg-1", 1, Outcome.SERVER_ERROR, path="/broken", trial=history.status("wlg-1").trial)
    assert history.state("wlg-1") is EJECTED


def test_where_every_trial_meets_a_broken_page_the_node_returns_in_the_end() -> None:
    history = a_probing_node()
    for _ in range(31):
        history.fail("wlg-2", 1, Outcome.SERVER_ERROR, client="192.0.2.1", path="/broken")
        if history.state("wlg-1") is PROBING:
            history.grant()
            history.fail("wlg-1", 1, Outcome.SERVER_ERROR, path="/broken", trial=history.status("wlg-1").trial)
        history.wait(10)
    assert history.state("wlg-1") is SERVING


def test_a_drained_node_gets_no_trial() -> None:
    history = a_probing_node()
    history.ledger.drain("wlg-1", True, history.now, history.mono)
    assert history.grant(0) is False


def test_a_node_for_which_no_request_can_be_a_trial_returns_by_the_ramp_in_the_end() -> None:
    history = a_probing_node()
    history.wait(299)
    assert history.state("wlg-1") is PROBING
    history.wait(1)
    assert history.state("wlg-1") is SERVING
    assert history.status("wlg-1").ramp_from == history.mono
    assert history.last().detail == "no request could be a trial for 300 s"


def test_a_checked_node_returns_so_only_long_after_its_check_passed() -> None:
    history = a_probing_node(checked=True)
    history.wait(1000)
    assert history.state("wlg-1") is PROBING
    history.check("wlg-1", passed=True, times=2)
    history.wait(299)
    assert history.state("wlg-1") is PROBING
    history.wait(1)
    assert history.state("wlg-1") is SERVING


def test_at_a_standby_a_check_that_passes_brings_a_node_back_at_once() -> None:
    history = History(town(2, 1, checked=True))
    history.settle_standby("wellington")
    history.check("wlg-1", False, 3)
    assert history.state("wlg-1") is EJECTED
    history.check("wlg-1", True)
    assert history.state("wlg-1") is EJECTED
    history.check("wlg-1", True)
    assert history.state("wlg-1") is SERVING
    assert "no request goes there" in history.last().detail


def test_at_a_standby_an_operators_ejection_stays() -> None:
    history = History(town(2, 1, checked=True))
    history.settle_standby("wellington")
    history.changes += history.ledger.eject("wlg-1", history.now, history.mono, "broken disk")
    history.check("wlg-1", True, 5)
    assert history.state("wlg-1") is EJECTED


def test_where_requests_go_a_check_that_passes_ends_no_ejection() -> None:
    history = History(town(2, 1, checked=True))
    history.settle_standby("auckland")
    history.check("wlg-1", False, 3)
    history.check("wlg-1", True, 5)
    assert history.state("wlg-1") is EJECTED
