from __future__ import annotations

from steer.proxy.pace import Pace


def test_nothing_is_asked_for_while_the_grace_lasts() -> None:
    pace = Pace(100.0, rate=1024, grace=10.0)
    assert pace.patience(109.0) == 1.0


def test_a_body_that_never_comes_is_too_slow_after_the_grace() -> None:
    assert Pace(100.0, rate=1024, grace=10.0).patience(110.5) < 0


def test_each_second_of_bytes_buys_a_second() -> None:
    pace = Pace(100.0, rate=1024, grace=10.0)
    pace.count(5 * 1024)
    assert pace.patience(110.0) == 5.0
    assert pace.patience(116.0) < 0


def test_a_byte_now_and_then_does_not_keep_a_connection() -> None:
    pace = Pace(100.0, rate=1024, grace=10.0)
    for _ in range(30):
        pace.count(1)
    assert pace.patience(130.0) < 0


def test_time_in_which_we_did_not_read_is_not_the_clients() -> None:
    pace = Pace(100.0, rate=1024, grace=10.0)
    pace.hold(101.0)
    pace.hold(105.0)
    pace.go_on(131.0)
    assert pace.patience(131.0) == 9.0


def test_going_on_without_a_hold_changes_nothing() -> None:
    pace = Pace(100.0, rate=1024, grace=10.0)
    pace.go_on(105.0)
    assert pace.patience(105.0) == 5.0


def test_a_rate_of_0_is_no_limit() -> None:
    assert Pace(100.0, rate=0, grace=10.0).patience(1e9) == 10.0
