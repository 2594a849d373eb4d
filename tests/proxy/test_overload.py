from __future__ import annotations

import pytest

from steer.proxy.overload import CALM, CALM_S, FULL, LAGS, OVERLOADED, Overload


def lagging(seconds: float, ticks: int = LAGS) -> Overload:
    overload = Overload()
    for tick in range(ticks):
        overload.note_lag(seconds)
        overload.judge(tick / 10)
    return overload


def test_one_stall_is_no_overload() -> None:
    assert lagging(3.0, ticks=LAGS - 1).level == CALM


def test_a_loop_that_is_late_at_each_tick_is() -> None:
    assert lagging(0.3).level == CALM
    assert lagging(0.6).level == FULL
    assert lagging(1.2).level == OVERLOADED
    assert lagging(1.2).cause == "lag"


@pytest.mark.parametrize(("share", "level"), [(0.5, CALM), (0.9, FULL), (0.96, OVERLOADED), (2.0, OVERLOADED)])
def test_memory_that_runs_out_is_overload_at_once(share: float, level: int) -> None:
    overload = Overload()
    overload.note_memory(share)
    assert overload.judge(0.0) == (level != CALM)
    assert overload.level == level
    assert overload.cause == "memory"


def test_a_level_is_left_when_all_has_been_well_below_it_for_a_while() -> None:
    overload = lagging(0.6)
    overload.note_lag(0.4)  # under what leads there, over what leads away
    assert not any(overload.judge(10.0 + second) for second in range(10))
    assert overload.level == FULL
    overload.note_lag(0.1)
    assert not overload.judge(30.0)
    assert not overload.judge(30.0 + CALM_S / 2)
    assert overload.judge(30.0 + CALM_S)
    assert overload.name == "calm"


def test_a_relapse_starts_the_wait_anew() -> None:
    overload = Overload()
    overload.note_memory(0.9)
    overload.judge(0.0)
    for moment, share in ((1.0, 0.5), (1.5, 0.8), (2.0, 0.5), (2.9, 0.5)):
        overload.note_memory(share)
        overload.judge(moment)
    assert overload.level == FULL
    overload.judge(3.1)
    assert overload.level == CALM


def test_it_is_left_step_by_step() -> None:
    overload = Overload()
    overload.note_memory(0.97)
    overload.judge(0.0)
    assert overload.level == OVERLOADED
    overload.note_memory(0.65)  # calm enough for requests, not for connections
    overload.judge(1.0)
    overload.judge(2.5)
    assert overload.level == FULL
