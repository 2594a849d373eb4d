from __future__ import annotations

import pytest
from pydantic import ValidationError

from steer.control.counts import Counts
from steer.control.metrics import Totals
from steer.steering.latencies import BUCKETS
from tests.kit.admin import topology

ONE_QUICK = [1.0, *[0.0] * (BUCKETS - 1), 0.0005]


def test_a_worker_says_only_what_it_counted() -> None:
    counts = Counts.model_validate({"worker": 3, "successes": {"wlg-1": 2}})
    assert (counts.worker, counts.successes, counts.requests, counts.gauges) == (3, {"wlg-1": 2}, [], None)


@pytest.mark.parametrize("name", ["upstream", "pinned", "seconds"])
@pytest.mark.parametrize("numbers", [[], ONE_QUICK[1:], [*ONE_QUICK, 1.0], [-1.0, *ONE_QUICK[1:]]])
def test_a_histogram_of_another_shape_is_refused(name: str, numbers: list[float]) -> None:
    with pytest.raises(ValidationError):
        Counts.model_validate({"worker": 0, name: {"wlg-1": numbers}})


def test_requests_by_debug_hostnames_are_in_the_metrics_as_all_others() -> None:
    totals = Totals(topology())
    totals.add({"worker": 0, "upstream": {"wlg-1": ONE_QUICK}, "pinned": {"wlg-1": ONE_QUICK, "gone": ONE_QUICK}})
    assert totals.upstream["wlg-1"].count == 2
    assert totals.live.node_latencies(totals.clock.monotonic(), "wlg-1").count == 2
