from __future__ import annotations

import pytest

from steer.steering.latencies import BOUNDS, BUCKETS, Latencies, percentile


def histogram(**counts: int) -> list[float]:
    """`under_1=5`: five between the bound before 1 s and 1 s; and the sum, which nobody looks at."""
    made = [0.0] * BUCKETS
    for name, count in counts.items():
        made[BOUNDS.index(float(name.removeprefix("under_").replace("_", ".")))] = count
    return [*made, 99.0]


def test_a_percentile_lies_within_its_bucket_in_proportion() -> None:
    assert percentile(histogram(under_0_1=90, under_1=10), 0.95) == pytest.approx(0.75)


def test_of_nothing_there_is_no_percentile() -> None:
    assert percentile(histogram(), 0.95) is None


def test_above_the_last_bound_it_is_that_bound() -> None:
    assert percentile([0.0] * (BUCKETS - 1) + [5.0, 500.0], 0.95) == 10.0


def test_a_window_is_read_when_it_is_whole() -> None:
    seen = Latencies(10.0)
    seen.add(histogram(under_1=30), 103.0)
    seen.add(histogram(under_1=30), 109.0)
    assert seen.of_last_window(109.9, 20) is None
    assert seen.of_last_window(110.0, 20) == pytest.approx(0.975)
    assert seen.of_last_window(119.9, 20) == pytest.approx(0.975)
    assert seen.of_last_window(120.0, 20) is None


def test_too_few_answers_make_no_percentile() -> None:
    seen = Latencies(10.0)
    seen.add(histogram(under_1=19), 100.0)
    assert seen.of_last_window(110.0, 20) is None


def test_after_a_gap_the_window_before_it_is_not_the_last_one() -> None:
    seen = Latencies(10.0)
    seen.add(histogram(under_1=30), 100.0)
    seen.add(histogram(under_1=30), 125.0)
    assert seen.of_last_window(126.0, 20) is None
    assert seen.of_last_window(130.0, 20) is not None


def test_cleared_it_begins_anew() -> None:
    seen = Latencies(10.0)
    seen.add(histogram(under_1=30), 100.0)
    seen.clear()
    assert seen.of_last_window(110.0, 20) is None
