"""Traffic as workers tell of it: counts, and samples of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from steer.control.metrics import Totals
from steer.steering.samples import Sample, sample_to_wire

MOST = 50
"""Samples in one message."""


def clients(count: int) -> list[str]:
    return [f"192.0.{number // 250}.{number % 250}" for number in range(count)]


def tell(totals: Totals, samples: Iterable[Sample], counted: Mapping[tuple[str, str, str], int]) -> None:
    """`counted`: requests by (service, group, datacentre)."""
    rows = [sample_to_wire(sample) for sample in samples]
    for start in range(0, len(rows), MOST):
        totals.add({"worker": 0, "samples": rows[start : start + MOST]})
    totals.add({"worker": 0, "requests": [[*labels, "2xx", n] for labels, n in counted.items()]})
