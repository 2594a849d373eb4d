"""Budgets: what a connection may have for nothing, how it comes back, and that every one has an end."""

from __future__ import annotations

import pytest

from steer.proxy.http.h2_budgets import BUDGETS, CANCELS, EMPTY, OTHERS, PINGS, SETTINGS, WINDOWS, Purse, price
from steer.proxy.http.h2_frames import Frame


def spend_all(purse: Purse, name: str, now: float) -> int:
    count = 0
    while not purse.spend(name, now):
        count += 1
        assert count < 100_000
    return count


@pytest.mark.parametrize("name", BUDGETS)
def test_what_is_there_at_first_is_spent_and_then_no_more(name: str) -> None:
    purse = Purse(0.0)
    assert spend_all(purse, name, 0.0) == BUDGETS[name].begin
    assert purse.spend(name, 0.0) == f"too many {BUDGETS[name].detail}"


@pytest.mark.parametrize("name", BUDGETS)
def test_time_gives_back_at_a_rate_up_to_the_burst(name: str) -> None:
    purse = Purse(0.0)
    for _ in range(BUDGETS[name].begin):
        assert purse.spend(name, 0.0) == ""
    assert spend_all(purse, name, 1.0) == int(BUDGETS[name].rate)
    assert spend_all(purse, name, 1e6) == BUDGETS[name].burst


def test_honest_work_gives_back_what_it_earns() -> None:
    purse = Purse(0.0)
    for _ in range(30):
        purse.earn(CANCELS)
    assert spend_all(purse, CANCELS, 0.0) == BUDGETS[CANCELS].begin + 30
    for _ in range(10_000):
        purse.earn(CANCELS)
    assert spend_all(purse, CANCELS, 0.0) <= BUDGETS[CANCELS].burst


def test_budgets_do_not_pay_for_each_other() -> None:
    purse = Purse(0.0)
    spend_all(purse, PINGS, 0.0)
    assert purse.spend(SETTINGS, 0.0) == ""
    assert purse.spend(EMPTY, 0.0) == ""


@pytest.mark.parametrize(
    ("kind", "budget"),
    [(0, ""), (1, ""), (2, OTHERS), (3, ""), (4, SETTINGS), (6, PINGS), (7, ""), (8, WINDOWS), (200, OTHERS)],
)
def test_a_frame_is_paid_by_its_kind(kind: int, budget: str) -> None:
    assert price(Frame(kind, 0, 1, 0, b"")) == budget
