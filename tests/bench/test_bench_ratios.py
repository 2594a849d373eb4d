"""Medians of pairs, and whose turn it is."""

from __future__ import annotations

import pytest

from bench.ratios import ratio, turns


def test_a_ratio_is_the_median_of_the_pairs_and_not_the_quotient_of_the_medians() -> None:
    found = ratio([10.0, 40.0, 12.0], [10.0, 20.0, 8.0])
    assert found is not None
    assert found.pairs == (1.0, 2.0, 1.5)
    assert (found.median, found.least, found.greatest) == (1.5, 1.0, 2.0)


def test_a_slow_minute_that_hits_both_does_not_move_the_ratio() -> None:
    found = ratio([15.0, 150.0, 15.0], [10.0, 100.0, 10.0])
    assert found is not None
    assert found.least == found.greatest == pytest.approx(1.5)


def test_rounds_that_only_one_of_them_has_are_left_out() -> None:
    found = ratio([3.0, 3.0, 3.0], [1.0])
    assert found is not None
    assert found.pairs == (3.0,)


def test_there_is_no_ratio_to_a_peer_without_a_sample() -> None:
    assert ratio([3.0], []) is None


def test_each_proxy_is_first_as_often_as_the_others() -> None:
    order = turns(("a", "b", "c"), rounds=4)
    assert order == [("a", "b", "c"), ("b", "c", "a"), ("c", "a", "b"), ("a", "b", "c")]
