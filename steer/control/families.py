"""Metric families out of labels and values."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from steer.control.histogram import Histogram

Sample = tuple[tuple[str, ...], float]


def counter(name: str, meaning: str, labels: tuple[str, ...], samples: Iterable[Sample]) -> Metric:
    family = CounterMetricFamily(name, meaning, labels=labels)
    for values, n in samples:
        family.add_metric(values, n)
    return family


def gauge(name: str, meaning: str, labels: tuple[str, ...], samples: Iterable[Sample]) -> Metric:
    family = GaugeMetricFamily(name, meaning, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def histogram(
    name: str, meaning: str, labels: tuple[str, ...], samples: Iterable[tuple[tuple[str, ...], Histogram]]
) -> Metric:
    family = HistogramMetricFamily(name, f"{meaning}, in seconds", labels=labels)
    for values, seen in samples:
        family.add_metric(values, seen.cumulative(), seen.sum)
    return family
