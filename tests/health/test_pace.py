from __future__ import annotations

import pytest

from steer.health.expect import CheckSettings
from steer.health.pace import Streak, first_pause, first_streak, pause

SETTINGS = CheckSettings(node="wlg-1", url="http://127.0.0.1:1/")
CAUTIOUS = CheckSettings(node="wlg-1", url="http://127.0.0.1:1/", must_pass_first=True)


class Throw:
    """Dice that always fall the same way."""

    def __init__(self, value: float) -> None:
        self.value = value

    def random(self) -> float:
        return self.value


def after(*results: bool, streak: Streak | None = None) -> Streak:
    streak = streak or first_streak(SETTINGS)
    for passed in results:
        streak = streak.after(passed, SETTINGS)
    return streak


@pytest.mark.parametrize(
    ("results", "is_up", "in_doubt"),
    [
        ((), True, False),
        ((True,), True, False),
        ((False,), True, True),
        ((False, True), True, False),
        ((False, False, False), False, True),
        ((False, False, True, False), True, True),
        ((False, False, False, True), False, True),
        ((False, False, False, True, False, True), False, True),
        ((False, False, False, True, True), True, False),
    ],
)
def test_doubt_is_from_the_first_failure_until_enough_passes(
    results: tuple[bool, ...], is_up: bool, in_doubt: bool
) -> None:
    streak = after(*results)
    assert streak.is_up is is_up
    assert streak.is_in_doubt(SETTINGS, suspected=False) is in_doubt


def test_a_node_that_the_traffic_took_out_is_in_doubt_until_it_passed_rise_times() -> None:
    assert after(False, True).is_in_doubt(SETTINGS, suspected=True)
    assert not after(True, True).is_in_doubt(SETTINGS, suspected=True)


def test_a_node_that_must_pass_first_is_not_up_before() -> None:
    assert not first_streak(CAUTIOUS).is_up
    assert after(True, streak=first_streak(CAUTIOUS)).is_up is False
    assert after(True, True, streak=first_streak(CAUTIOUS)).is_up is True


@pytest.mark.parametrize(("throw", "seconds"), [(0.0, 4.5), (0.5, 5.0), (1.0, 5.5)])
def test_the_interval_has_a_jitter_of_ten_per_cent(throw: float, seconds: float) -> None:
    assert pause(SETTINGS, in_doubt=False, dice=Throw(throw)) == pytest.approx(seconds)


def test_in_doubt_the_interval_is_one_second_and_never_more_than_the_usual_one() -> None:
    quick = CheckSettings(node="wlg-1", url="http://127.0.0.1:1/", interval=0.2)
    assert pause(SETTINGS, in_doubt=True, dice=Throw(0.5)) == pytest.approx(1.0)
    assert pause(quick, in_doubt=True, dice=Throw(0.5)) == pytest.approx(0.2)


def test_first_checks_are_spread_over_the_interval_and_over_one_second_for_who_must_pass_first() -> None:
    assert first_pause(SETTINGS, Throw(0.0)) == 0.0
    assert first_pause(SETTINGS, Throw(0.8)) == pytest.approx(4.0)
    assert first_pause(CAUTIOUS, Throw(0.8)) == pytest.approx(0.8)
