"""`steer_session_*`: how the store stands, out of what it said of itself last (`store.status.SiteStatus`, plain).

Where there is no store there are no such families, so that nobody alarms on a lag of 0 that nobody measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client.core import Metric

from steer.control.families import Sample, counter, gauge

LINK = ("namespace", "peer")
DONE = ("shipped", "conflicts", "repaired", "backfills", "refused")
"""What is counted of a namespace and a peer (`replication.tally.Tally`)."""
LAG = {
    "seconds": "Age of the oldest write that the peer lacks",
    "writes": "Writes that the peer lacks: what would be lost with this site",
    "records": "Records that the peer lacks",
}


def session_metrics(status: Mapping[str, Any]) -> Iterator[Metric]:
    """`status` is empty where there is no store, or it has not spoken yet."""
    if not status:
        return
    own = (str(status["site"]),)
    yield gauge(
        "steer_session_engine_up", "1 while this site's engine answers", ("site",), [(own, not status["problem"])]
    )
    yield gauge("steer_session_away", "1 while a peer's engine answers in its place", ("site",), [(own, _away(status))])
    skews = [(own, status["skew"]), *(((str(p["site"]),), p["skew"]) for p in status["peers"] if p["skew"] is not None)]
    yield gauge("steer_session_clock_skew_seconds", "That its engine is ahead of this edge", ("site",), skews)
    behind = (((str(p["site"]),), p["behind"]) for p in status["peers"] if p["behind"] is not None)
    yield gauge("steer_session_behind_seconds", "That this site is behind the peer", ("peer",), behind)
    for name, meaning in LAG.items():
        yield gauge(f"steer_session_lag_{name}", meaning, LINK, _links(status, "out", name))
    for name in DONE:
        yield counter(
            f"steer_session_{name}",
            f"Records or rounds {name}, since the store began",
            LINK,
            _links(status, "tally", name),
        )
    tombstones = (((s["name"],), s["tombstones"]) for s in status["spaces"] if s["tombstones"] is not None)
    yield gauge("steer_session_tombstones", "As many as the last audit saw", ("namespace",), tombstones)
    if (peers := status["doors"].get("replication")) is not None:
        connections = [(own, peers["connections"])]
        yield gauge("steer_session_peer_connections", "Of edges of other sites, to this one", ("site",), connections)
        refused = [(own, peers["refused"])]
        yield counter("steer_session_peers_refused", "Who came to replicate and was no known edge", ("site",), refused)


def _away(status: Mapping[str, Any]) -> bool:
    return bool(status["standing"] != "home")


def _links(status: Mapping[str, Any], part: str, name: str) -> Iterator[Sample]:
    for space in status["spaces"]:
        for link in space["links"]:
            yield (space["name"], str(link["peer"])), link[part][name]
