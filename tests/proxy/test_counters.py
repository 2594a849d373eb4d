from __future__ import annotations

import pytest

from steer.control.counts import Counts
from steer.proxy.counters import Counters, Histogram
from steer.steering.latencies import BOUNDS


def test_a_histogram_counts_by_bucket_and_sums_then_starts_anew() -> None:
    histogram = Histogram()
    for seconds in (0.0005, 0.001, 0.002, 0.3, 99.0):
        histogram.observe(seconds)
    *buckets, total = histogram.drain()
    assert len(buckets) == len(BOUNDS) + 1
    assert buckets[:2] == [2, 1], "a value on the bound lies below it, as Prometheus counts"
    assert buckets[BOUNDS.index(0.5)] == 1
    assert buckets[-1] == 1
    assert total == pytest.approx(99.3035)
    assert histogram.drain() == []


def test_what_is_empty_is_not_shipped() -> None:
    assert Counters(("a", "b")).drain() == {}


def test_successes_go_along_once_with_a_failure_or_else_with_the_counts() -> None:
    counters = Counters(("a", "b"))
    counters.successes[0] += 3
    counters.successes[1] += 2
    assert counters.take_successes(0) == 3
    assert counters.take_successes(0) == 0
    assert counters.drain()["successes"] == {"b": 2}


def test_what_a_worker_ships_is_what_control_takes() -> None:
    counters = Counters(("a",))
    counters.successes[0] = 1
    counters.requests[("www", "website", "wellington"), 2] += 4
    counters.retries["refused"] += 1
    counters.handshakes["TLSv1.3", True] += 1
    counters.total.observe(0.1)
    counters.connect.observe(0.1)
    counters.upstream[0].observe(0.1)
    shipped = Counts.model_validate({"worker": 0, **counters.drain()})
    assert shipped.requests == [("www", "website", "wellington", "2xx", 4)]
    assert set(shipped.seconds) == {"total", "connect"}
    assert counters.drain() == {}
