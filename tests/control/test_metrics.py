"""Counts of workers add up, stay bounded, and a wrong message counts nothing."""

from __future__ import annotations

from typing import Any

import pytest

from steer.control.histogram import Histogram
from steer.control.metrics import Totals
from steer.steering.latencies import BOUNDS, BUCKETS
from steer.steering.snapshot import NodeState, NodeStatus, Snapshot
from tests.kit.admin import topology
from tests.kit.clock import ManualClock


def histogram(*buckets: int, total: float) -> list[float]:
    """The first buckets as given, the rest 0, and the sum."""
    return [*buckets, *[0] * (BUCKETS - len(buckets)), total]


def counts(**parts: Any) -> dict[str, Any]:
    return {"worker": 0, **parts}


def totals(clock: ManualClock | None = None) -> Totals:
    return Totals(topology(), clock or ManualClock())


def test_what_two_workers_counted_adds_up() -> None:
    found = totals()
    for worker in (0, 1):
        requests = [["www", "website", "wellington", "2xx", 3], ["www", "website", "auckland", "5xx", 1]]
        found.add({"worker": worker, "requests": requests, "retries": {"refused": 2}})
    assert found.requests == {
        ("www", "website", "wellington", "2xx"): 6,
        ("www", "website", "auckland", "5xx"): 2,
    }
    assert found.retries == {"refused": 4}


def test_gauges_are_what_is_now_and_go_with_their_worker() -> None:
    found = totals()
    found.add({"worker": 0, "gauges": {"connections": 5, "in_flight": {"wlg-1": 2}}})
    found.add({"worker": 1, "gauges": {"connections": 7, "in_flight": {"wlg-1": 1}}})
    found.add({"worker": 0, "gauges": {"connections": 4, "in_flight": {"wlg-1": 2}}})
    found.add({"worker": 0, "requests": []})
    assert (found.connections, found.in_flight("wlg-1")) == (11, 3)
    found.forget(1)
    assert (found.connections, found.in_flight("wlg-1")) == (4, 2)


def test_names_that_nobody_configured_do_not_become_labels() -> None:
    found = totals()
    for number in range(100):
        found.add(
            counts(
                requests=[[f"s{number}", f"g{number}", f"d{number}", f"{number}xx", 1]],
                seconds={f"phase{number}": histogram(1, total=0.1)},
                upstream={f"n{number}": histogram(1, total=0.1)},
                retries={f"r{number}": 1},
                handshakes=[[f"v{number}", True, 1]],
            )
        )
    assert set(found.requests) <= {("", "", "", "other"), *(("", "", "", f"{n}xx") for n in range(1, 6))}
    assert sum(found.requests.values()) == 100
    assert found.retries == {"other": 100}
    assert found.handshakes == {("other", True): 100}
    assert set(found.upstream) == {"wlg-1", "wlg-2", "akl-1"}
    assert set(found.seconds) == {"total", "connect", "response_head"}


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"worker": -1},
        {"worker": 0, "unknown": 1},
        {"worker": 0, "requests": [["www", "website", "wellington", "2xx"]]},
        {"worker": 0, "requests": [["www", "website", "wellington", "2xx", -1]]},
        {"worker": 0, "seconds": {"total": [1, 2, 3]}},
        {"worker": 0, "upstream": {"wlg-1": [float("nan")] * (BUCKETS + 1)}},
        {"worker": 0, "gauges": {"connections": "many"}},
        {"worker": 0, "retries": {"refused": 1.5}},
    ],
)
def test_a_message_of_another_shape_is_refused_and_nothing_of_it_counted(wrong: dict[str, Any]) -> None:
    found = totals()
    with pytest.raises(ValueError, match="validation error"):
        found.add({"requests": [["www", "website", "wellington", "2xx", 1]], "retries": {"refused": 1}, **wrong})
    assert not found.requests
    assert not found.retries


def ejected(since: float, cause: str = "active_check", state: NodeState = NodeState.EJECTED) -> Snapshot:
    return Snapshot(nodes={"wlg-1": NodeStatus(state=state, since=since, cause=cause)})


def test_an_ejection_counts_once_however_often_its_snapshot_is_seen() -> None:
    clock = ManualClock()
    found = totals(clock)
    clock.advance(5)
    now = clock.wall()
    for snapshot in (ejected(now), ejected(now), ejected(now, state=NodeState.PROBING), ejected(now + 30)):
        found.saw(snapshot)
    assert found.ejections == {("wlg-1", "active_check"): 2}


def test_an_ejection_from_before_the_start_is_not_new() -> None:
    clock = ManualClock()
    found = totals(clock)
    found.saw(ejected(clock.wall() - 1))
    assert found.ejections.total() == 0


# The last ten seconds.


def test_rates_are_over_the_last_ten_seconds_only() -> None:
    clock = ManualClock()
    found = totals(clock)
    for _ in range(30):
        found.add(
            counts(requests=[["www", "website", "wellington", "2xx", 9], ["www", "website", "auckland", "5xx", 1]])
        )
        clock.advance(1)
    rate, failed = found.live.rates(clock.monotonic() - 0.001)
    assert rate == pytest.approx(10, rel=0.02)
    assert failed == pytest.approx(1, rel=0.02)
    assert found.live.rates(clock.monotonic() - 0.001, "website", "auckland")[0] == pytest.approx(1, rel=0.02)
    clock.advance(10)
    assert found.live.rates(clock.monotonic()) == (0, 0)


def test_right_after_the_start_the_rate_is_over_the_time_that_there_was() -> None:
    clock = ManualClock()
    found = totals(clock)
    clock.advance(2)
    found.add(counts(requests=[["www", "website", "wellington", "2xx", 20]]))
    assert found.live.rates(clock.monotonic())[0] == pytest.approx(10)


def test_latencies_of_a_node_are_its_own() -> None:
    clock = ManualClock()
    found = totals(clock)
    found.add(counts(upstream={"wlg-1": histogram(0, 0, 100, total=0.4), "akl-1": histogram(100, total=0.05)}))
    slow = found.live.node_latencies(clock.monotonic(), "wlg-1").percentile(0.5)
    fast = found.live.node_latencies(clock.monotonic(), "akl-1").percentile(0.5)
    assert slow == pytest.approx(0.00375)
    assert fast == pytest.approx(0.0005)


def test_a_percentile_of_nothing_is_none_and_beyond_the_last_bound_it_is_that_bound() -> None:
    seen = Histogram()
    assert seen.percentile(0.99) is None
    seen.add([0] * (BUCKETS - 1) + [3, 90.0])
    assert seen.percentile(0.5) == BOUNDS[-1]
