from __future__ import annotations

import pytest

from steer.steering.model import Ejection, Mode, Observation, Outcome
from steer.steering.snapshot import NodeState
from tests.steering.history import WALL_AHEAD, History
from tests.steering.towns import town

SERVING, EJECTED, PROBING = NodeState.SERVING, NodeState.EJECTED, NodeState.PROBING


# Detectors...


def test_the_third_gateway_failure_in_a_row_ejects() -> None:
    history = History(town(2, 1))
    history.fail("wlg-1", 2)
    assert history.changes == []
    history.fail("wlg-1")
    [change] = history.changes
    assert (change.node, change.before, change.after) == ("wlg-1", SERVING, EJECTED)
    assert (change.cause, change.detail) == ("consecutive_gateway_failures", "3 in a row, the last: refused")


def test_consecutive_means_over_all_workers() -> None:
    history = History(town(2, 1))
    for worker in range(3):
        seen = Observation("wlg-1", Outcome.RESET, history.mono, worker=worker)
        history.changes += history.ledger.observe(seen, history.now, history.mono)
    assert history.state("wlg-1") is EJECTED


def test_a_success_before_the_failure_breaks_the_run() -> None:
    history = History(town(2, 1))
    history.fail("wlg-1", 2)
    succeeded_at = history.mono
    history.wait(0.001)
    history.fail("wlg-1", 2, successes=1, succeeded_at=succeeded_at)
    assert history.state("wlg-1") is SERVING


def test_successes_of_a_worker_before_the_failures_of_others_do_not_hide_them() -> None:
    history = History(town(2, 1))
    alive_at = history.mono
    for _ in range(3):
        history.wait(0.02)
        history.fail("wlg-1", successes=5, succeeded_at=alive_at)
    assert history.state("wlg-1") is EJECTED


def test_a_success_that_is_observed_breaks_the_run() -> None:
    history = History(town(2, 1))
    history.fail("wlg-1", 2)
    history.fail("wlg-1", 1, Outcome.SUCCESS)
    history.fail("wlg-1", 2)
    assert history.state("wlg-1") is SERVING


def test_successes_counted_later_break_the_run_unless_they_may_be_older_than_it() -> None:
    history = History(town(2, 1))
    history.fail("wlg-1", 2)
    history.wait(0.1)
    history.succeed("wlg-1", 20)
    history.fail("wlg-1")
    assert history.state("wlg-1") is EJECTED
    history.fail("wlg-2", 2)
    history.wait(0.2)
    history.succeed("wlg-2", 20)
    history.fail("wlg-2", 2)
    assert history.state("wlg-2") is SERVING


def test_five_500s_eject_where_another_node_is_left() -> None:
    history = History(town(2, 1))
    history.error("wlg-1", 5)
    assert history.state("wlg-1") is EJECTED
    assert history.status("wlg-1").cause == "consecutive_5xx"


def test_a_detector_that_observes_says_what_it_would_do() -> None:
    history = History(town(2, 1, ejection=Ejection(gateway_mode=Mode.OBSERVE)))
    history.fail("wlg-1", 3)
    assert history.state("wlg-1") is SERVING
    assert history.last().before is history.last().after
    assert history.last().detail == "would eject: 3 in a row, the last: refused"


def test_failures_of_a_node_that_is_out_change_nothing_but_are_kept() -> None:
    history = History(town(2, 1))
    history.fail("wlg-1", 3)
    before = history.status("wlg-1")
    history.fail("wlg-1", 5)
    assert history.status("wlg-1") == before
    assert len(history.ledger.evidence("wlg-1")) == 8


def test_a_node_that_is_gone_since_a_reload_changes_nothing() -> None:
    history = History(town(1, 1))
    history.fail("gone", 3)
    history.succeed("gone", 3)
    history.check("gone", passed=False, times=3)
    assert history.changes == []


def test_the_last_ten_failures_are_kept_with_their_wall_time_and_without_the_client() -> None:
    history = History(town(2, 1, ejection=Ejection(gateway_mode=Mode.OFF)))
    for i in range(12):
        seen = Observation("wlg-1", Outcome.GATEWAY_STATUS, history.mono + i, status=502, client="192.0.2.1", path="/a")
        history.ledger.observe(seen, history.now + 20, history.mono + 20)
    evidence = history.ledger.evidence("wlg-1")
    assert [each.at - WALL_AHEAD - history.mono for each in evidence] == list(range(2, 12))
    assert (evidence[0].outcome, evidence[0].status, evidence[0].path) == ("gateway_status", 502, "/a")
    assert "192.0.2.1" not in repr(evidence)


# How long...


@pytest.mark.parametrize(("times", "seconds"), [(1, 30), (2, 60), (3, 90), (9, 270)])
def test_an_ejection_lasts_base_time_times_n_give_or_take_a_tenth(times: int, seconds: float) -> None:
    history = History(town(2, 1))
    history.fail("wlg-1", 3)
    for _ in range(times - 1):
        history.serve_time("wlg-1")
        history.trial("wlg-1", Outcome.REFUSED)
    until = history.status("wlg-1").until
    assert until is not None
    assert 0.9 * seconds <= until - history.now <= 1.1 * seconds
    assert history.status("wlg-1").times == times


def test_no_ejection_lasts_longer_than_max_time() -> None:
    history = History(town(2, 1))
    history.fail("wlg-1", 3)
    for _ in range(20):
        history.serve_time("wlg-1")
        history.trial("wlg-1", Outcome.REFUSED)
        until = history.status("wlg-1").until
        assert until is not None
        assert until - history.now <= 300


def test_nodes_that_fail_together_do_not_return_together() -> None:
    history = History(town(6, 1))
    for i in range(1, 7):
        history.fail(f"wlg-{i}", 3)
    assert len({history.status(f"wlg-{i}").until for i in range(1, 7)}) == 6


def test_n_falls_by_one_for_twenty_successes_and_never_by_the_clock() -> None:
    history = History(town(2, 1))
    history.fail("wlg-1", 3)
    history.serve_time("wlg-1")
    history.trial("wlg-1", Outcome.RESET)
    history.serve_time("wlg-1")
    for _ in range(3):
        history.trial("wlg-1")
    history.wait(100_000)
    assert history.status("wlg-1").times == 2
    history.succeed("wlg-1", 19)
    assert history.status("wlg-1").times == 2
    history.succeed("wlg-1", 1)
    assert history.status("wlg-1").times == 1
    history.succeed("wlg-1", 500)
    assert history.status("wlg-1").times == 0


def test_time_served_leads_to_probing() -> None:
    history = History(town(2, 1))
    history.fail("wlg-1", 3)
    history.wait(26)
    assert history.state("wlg-1") is EJECTED
    history.wait(8)
    assert history.state("wlg-1") is PROBING
    assert history.status("wlg-1").cause == "consecutive_gateway_failures"


# Active checks...


def test_a_checked_node_serves_until_its_check_fell() -> None:
    history = History(town(2, 1, checked=True))
    history.check("wlg-1", passed=False, times=2)
    assert history.state("wlg-1") is SERVING
    history.check("wlg-1", passed=False)
    assert history.state("wlg-1") is EJECTED
    assert (history.last().cause, history.last().detail) == ("active_check", "3 in a row, the last: status 500")


def test_a_check_that_passes_between_begins_the_fall_anew() -> None:
    history = History(town(2, 1, checked=True))
    history.check("wlg-1", passed=False, times=2)
    history.check("wlg-1", passed=True)
    history.check("wlg-1", passed=False, times=2)
    assert history.state("wlg-1") is SERVING


def test_a_node_that_stays_down_keeps_the_evidence_of_how_it_went_down() -> None:
    history = History(town(2, 1, checked=True))
    history.fail("wlg-1", 3, Outcome.RESET)
    history.check("wlg-1", passed=False, times=100)
    outcomes = [each.outcome for each in history.ledger.evidence("wlg-1")]
    assert outcomes == ["reset"] * 3 + ["check_failed"] * 3


def test_a_node_that_must_pass_first_serves_after_its_first_checks_at_full_weight() -> None:
    history = History(town(2, 1, checked=True, must_pass_first=True))
    assert history.state("wlg-1") is PROBING
    history.wait(1000)
    assert history.grant(0) is False
    history.check("wlg-1", passed=True)
    assert history.state("wlg-1") is PROBING
    history.check("wlg-1", passed=True)
    assert history.state("wlg-1") is SERVING
    assert history.status("wlg-1").ramp_from is None


# Operators...


def test_what_an_operator_ejects_stays_out_whatever_is_seen() -> None:
    history = History(town(2, 1, checked=True))
    [change] = history.ledger.eject("wlg-1", history.now, history.mono, "maintenance")
    assert (change.after, change.cause, change.detail) == (EJECTED, "override", "maintenance")
    history.check("wlg-1", passed=True, times=10)
    history.succeed("wlg-1", 100)
    history.wait(1_000_000)
    assert history.state("wlg-1") is EJECTED
    assert history.status("wlg-1").times == 0


def test_an_operators_ejection_with_an_end_leads_to_probing() -> None:
    history = History(town(2, 1))
    history.ledger.eject("wlg-1", history.now, history.mono, until=history.now + 60)
    history.wait(59)
    assert history.state("wlg-1") is EJECTED
    history.wait(1)
    assert history.state("wlg-1") is PROBING


def test_what_an_operator_ejects_is_not_held() -> None:
    history = History(town(1, 0))
    history.ledger.eject("wlg-1", history.now, history.mono)
    assert not history.status("wlg-1").held


def test_an_operator_restores_at_once_by_the_ramp_and_n_is_forgotten() -> None:
    history = History(town(2, 1))
    history.fail("wlg-1", 3)
    [change] = history.ledger.restore("wlg-1", history.now, history.mono, "it was the switch")
    status = history.status("wlg-1")
    assert (change.before, change.after) == (EJECTED, SERVING)
    assert (status.times, status.ramp_from, status.until) == (0, history.mono, None)
    assert history.ledger.restore("wlg-1", history.now, history.mono) == ()
    history.wait(1000)
    assert history.state("wlg-1") is SERVING


def test_an_operator_restores_a_node_that_never_passed_its_first_check() -> None:
    history = History(town(2, 1, checked=True, must_pass_first=True))
    history.ledger.restore("wlg-1", history.now, history.mono)
    assert history.state("wlg-1") is SERVING


def test_a_drained_node_is_serving_but_not_available_and_returns_by_the_ramp() -> None:
    history = History(town(2, 1))
    [change] = history.ledger.drain("wlg-1", True, history.now, history.mono)
    assert (change.before, change.after, change.detail) == (SERVING, SERVING, "drained")
    assert history.ledger.drain("wlg-1", True, history.now, history.mono) == ()
    assert not history.ledger.record("wlg-1").is_available
    history.wait(5)
    history.ledger.drain("wlg-1", False, history.now, history.mono)
    assert history.ledger.record("wlg-1").is_available
    assert history.status("wlg-1").ramp_from == history.mono


def test_restoring_a_drained_node_ends_the_drain() -> None:
    history = History(town(2, 1))
    history.ledger.drain("wlg-1", True, history.now, history.mono)
    history.ledger.restore("wlg-1", history.now, history.mono)
    assert history.ledger.record("wlg-1").is_available


def test_the_ledger_speaks_the_operators_language() -> None:
    history = History(town(2, 1))
    history.fail("wlg-1", 3)
    assert repr(history.ledger) == "<Ledger [2 serving, 1 ejected, 0 probing]>"


# The state file...


def test_ejections_n_and_evidence_survive_a_restart() -> None:
    history = History(town(2, 1))
    history.fail("wlg-1", 3)
    history.ledger.eject("akl-1", history.now, history.mono)
    after = history.restart(asleep=5)
    assert after.state("wlg-1") is EJECTED
    assert after.status("wlg-1").times == 1
    assert after.ledger.evidence("wlg-1") == history.ledger.evidence("wlg-1")
    after.wait(20)
    assert after.state("wlg-1") is EJECTED
    after.wait(10)
    assert after.state("wlg-1") is PROBING
    after.wait(10_000)
    assert after.state("akl-1") is EJECTED


def test_an_ejection_and_a_ramp_go_on_over_a_reboot() -> None:
    history = History(town(2, 1))
    history.ledger.drain("wlg-2", True, history.now, history.mono)
    history.ledger.drain("wlg-2", False, history.now, history.mono)
    history.fail("wlg-1", 3)
    after = history.restart(asleep=12, reboot=True)
    ramp_from, ends = after.status("wlg-2").ramp_from, after.ledger.record("wlg-1").ends
    assert ramp_from is not None
    assert ends is not None
    assert after.mono - ramp_from == pytest.approx(12)
    assert 15 - 1 <= ends - after.mono <= 21


def test_a_wall_clock_that_was_set_back_keeps_nobody_out_for_longer_than_max_time() -> None:
    history = History(town(2, 1))
    history.fail("wlg-1", 3)
    data = history.ledger.export(history.now, history.mono)
    after = History(town(2, 1))
    after.ledger.restore_state(data, history.now - 1_000_000, after.mono)
    after.wait(300)
    assert after.state("wlg-1") is PROBING


def test_a_probing_node_gets_its_trials_after_a_restart() -> None:
    history = History(town(2, 1))
    history.fail("wlg-1", 3)
    history.serve_time("wlg-1")
    history.grant()
    after = history.restart(asleep=1)
    assert after.status("wlg-1").trial == 0
    for _ in range(3):
        after.trial("wlg-1")
    assert after.state("wlg-1") is SERVING


def test_a_node_that_passed_its_first_checks_need_not_pass_them_again_after_a_reload() -> None:
    history = History(town(2, 1, checked=True, must_pass_first=True))
    history.check("wlg-1", passed=True, times=2)
    after = history.restart()
    assert after.state("wlg-1") is SERVING
    assert after.state("wlg-2") is PROBING


def test_nodes_that_came_or_went_with_a_reload_are_as_new_or_gone() -> None:
    small, large = History(town(1, 1)), History(town(2, 1))
    small.fail("wlg-1", 3)
    large.ledger.restore_state(small.ledger.export(small.now, small.mono), large.now, large.mono)
    assert (large.state("wlg-1"), large.state("wlg-2")) == (EJECTED, SERVING)
    large.fail("wlg-2", 3)
    small.ledger.restore_state(large.ledger.export(large.now, large.mono), small.now, small.mono)
    assert set(small.ledger.statuses()) == {"wlg-1", "akl-1"}


# An active check that only observes...


def test_a_check_that_observes_says_what_it_would_do_and_keeps_nobody_out() -> None:
    history = History(town(2, 1, check_mode=Mode.OBSERVE))
    history.check("wlg-1", passed=False, times=5)
    assert history.state("wlg-1") is SERVING
    [change] = history.changes
    assert (change.cause, change.detail) == ("active_check", "would eject: 3 in a row, the last: status 500")
    history.fail("wlg-1", 3)
    history.serve_time("wlg-1")
    history.trial("wlg-1")
    history.check("wlg-1", passed=False)
    history.trial("wlg-1")
    history.trial("wlg-1")
    assert history.state("wlg-1") is SERVING
