"""What the edge served, in one sentence, from its metrics."""

from __future__ import annotations

import urllib.request
from collections import Counter

from prometheus_client.parser import text_string_to_metric_families

_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open  # never through a proxy of the environment


def served(admin: str) -> str:
    """Ask the edge at this address. Says so when it does not answer."""
    try:
        with _open(f"{admin}/metrics", timeout=2) as answer:
            return in_words(answer.read().decode())
    except OSError as error:
        return f"the edge no longer says what it served: {error}"


def in_words(metrics: str) -> str:
    """`metrics`: the Prometheus text format. Requests that reached no datacentre count as failed or refused only."""
    places: Counter[str] = Counter()
    classes: Counter[str] = Counter()
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            if sample.name == "steer_requests_total":
                places[sample.labels["datacentre"]] += int(sample.value)
                classes[sample.labels["code_class"]] += int(sample.value)
    shares = ", ".join(f"{count} by {place}" for place, count in sorted(places.items()) if place and count)
    return f"{sum(classes.values())} requests" + (f" ({shares})" if shares else "") + f", {classes['5xx']} answered 5xx"
