"""The flap penalty: how it grows, how it decays, and when it lets go."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steer.steering import penalty
from steer.steering.model import PenaltyRules
from steer.steering.penalty import NONE, POINTS, Penalty

RULES = PenaltyRules()
HALF = RULES.half_life


def outs(*at: float, rules: PenaltyRules = RULES) -> Penalty:
    found = NONE
    for mono in at:
        found = penalty.add(found, rules, mono)
    return found


def test_an_out_costs_1000_points_of_which_half_is_left_after_the_half_life() -> None:
    found = outs(0)
    assert [found.at(RULES, HALF * n) for n in (0, 1, 2)] == [1000, 500, 250]
    assert not found.is_suspended


def test_two_outs_in_a_short_time_suspend_and_the_suspension_ends_under_reuse_not_before() -> None:
    found = outs(0, 60)
    assert found.is_suspended
    wait = penalty.reuse_in(found, RULES, 60)
    assert wait == pytest.approx(HALF * 1.4, rel=0.03)
    assert penalty.settle(found, RULES, 60 + wait - 1).is_suspended
    assert not penalty.settle(found, RULES, 60 + wait + 1).is_suspended
    assert penalty.reuse_in(NONE, RULES, 0) == 0


def test_between_the_thresholds_what_was_free_stays_free() -> None:
    assert not penalty.settle(outs(0), RULES, 0).is_suspended


def test_what_is_not_worth_a_point_is_forgotten() -> None:
    assert penalty.settle(outs(0), RULES, HALF * 10) is NONE


@given(st.lists(st.floats(0, 100_000), max_size=50), st.integers(60, 7200), st.integers(1, 3000), st.integers(1, 3000))
def test_however_many_outs_there_were_it_ends_within_bounds(
    at: list[float], half_life: int, low: int, more: int
) -> None:
    rules = PenaltyRules(half_life, suspend=low + more, reuse=low)
    found = outs(*sorted(at), rules=rules)
    last = max(at, default=0.0)
    assert found.at(rules, last) <= penalty.ceiling(rules)
    longest = half_life * max(penalty.LONGEST, (low + more).bit_length())
    assert not penalty.settle(found, rules, last + longest + 1).is_suspended


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_it_only_decays_by_time(earlier: float, more: float) -> None:
    found = outs(0)
    assert 0 <= found.at(RULES, earlier + more) <= found.at(RULES, earlier) <= POINTS


def test_it_survives_a_restart_and_time_that_passed_counts() -> None:
    plain = json.loads(json.dumps(penalty.to_plain(outs(0, 60), 1_000_060, 60)))
    again = penalty.from_plain(plain, 1_000_060 + HALF, 5.0)
    assert again.is_suspended
    assert again.at(RULES, 5.0) == pytest.approx(outs(0, 60).at(RULES, 60 + HALF))
