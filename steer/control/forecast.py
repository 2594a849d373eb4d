"""What a change would do, in numbers for people: sampled requests replayed, with the rates that were counted.

Rates are requests a second over the last ten seconds, shares are 0 to 1. Nothing names a client.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import sqrt
from typing import Any

from steer.control.live import Live
from steer.control.rehearsal import Rehearsal
from steer.control.shares import NO_WORKER
from steer.steering.model import Node, Topology
from steer.steering.plan import PLAIN_NODE, is_available
from steer.steering.preview import Movement, replay
from steer.steering.samples import Sample
from steer.steering.snapshot import Snapshot
from steer.steering.tables import Tables

View = dict[str, Any]

ENOUGH = 100
"""Samples of a group. Of fewer clients a share is not known to 10 points."""

DEVIATE = 0.98
"""Half of the width of a 95 % interval of a share is at most 1.96 sqrt(p (1 - p) / n), which is largest for p = 1/2."""


def forecast(
    topology: Topology, rehearsed: Rehearsal, recent: Iterable[tuple[float, Sample]], live: Live, mono: float
) -> View:
    """`{"samples": {..}, "groups": [..], "headroom": [..]}`. `recent`: (age, sample), the oldest first."""
    aged = list(recent)
    before = Tables(topology, rehearsed.before, mono, NO_WORKER)
    movements = replay(before, before.with_snapshot(rehearsed.after, mono), [sample for _, sample in aged])
    counted = {name: live.rates(mono, name)[0] for name in topology.groups}
    groups = [_group(topology, name, movements[name], counted[name], live, mono) for name in rehearsed.groups]
    return {
        "samples": _samples(aged, movements, rehearsed.groups),
        "groups": groups,
        "headroom": _headroom(topology, rehearsed, movements, counted),
    }


def _samples(aged: Sequence[tuple[float, Sample]], movements: Mapping[str, Movement], groups: Iterable[str]) -> View:
    """Over all groups that the change is about."""
    used = sum(movements[name].samples for name in groups)
    is_enough = all(movements[name].samples >= ENOUGH for name in groups)
    oldest = round(aged[0][0], 1) if aged else None
    few = f"too few samples: {used}, {ENOUGH} of each group would do"
    return {"count": used, "oldest": oldest, "enough": is_enough, "says": "" if is_enough else few}


def _group(topology: Topology, name: str, moved: Movement, counted: float, live: Live, mono: float) -> View:
    """`move` are those who move at once, `leave` those who may stay for as long as the drain lasts."""
    known = moved.requests > 0
    return {
        "name": name,
        "samples": moved.samples,
        "enough": moved.samples >= ENOUGH,
        "requests_per_second": round(counted, 2),
        "clients": {
            "sampled": moved.clients.sampled,
            "move": _rounded(moved.clients.share, known),
            "margin": _rounded(min(1.0, DEVIATE / sqrt(max(1, moved.clients.sampled))), known),
        },
        "sessions": {
            "sampled": moved.sessions.sampled,
            "move": _rounded(moved.sessions.share, moved.sessions.sampled > 0),
            "leave": _rounded(moved.sessions.leaving, moved.sessions.sampled > 0),
        },
        "datacentres": [
            {
                "name": datacentre,
                "measured": round(live.rates(mono, name, datacentre)[0], 2),
                **_side("before", moved.share_before(datacentre), counted, known),
                **_side("after", moved.share_after(datacentre), counted, known),
            }
            for datacentre in topology.groups[name].datacentres
        ],
        "refused": {
            **_side("before", moved.share_before(""), counted, known),
            **_side("after", moved.share_after(""), counted, known),
        },
    }


def _side(when: str, share: float, counted: float, known: bool) -> View:
    return {when: _rounded(share * counted, known), f"share_{when}": _rounded(share, known)}


def _rounded(number: float, known: bool) -> float | None:
    """None where nothing was seen that it could rest on."""
    return round(number, 4) if known else None


# Headroom...


def _headroom(
    topology: Topology, rehearsed: Rehearsal, movements: Mapping[str, Movement], counted: Mapping[str, float]
) -> list[View]:
    """Of each pool of the groups, in each datacentre where traffic of any group would go to it: what its nodes carry
    if the largest of them dies, over what would come. Only where the capacity of every node is given."""
    pools = dict.fromkeys(pool for name in rehearsed.groups for pool in topology.groups[name].pools)
    places = [(pool, datacentre) for pool in pools for datacentre in topology.datacentres]
    found = (
        _headroom_of(topology, rehearsed.after, place, _rate(topology, place, movements, counted)) for place in places
    )
    return [each for each in found if each is not None]


def _rate(
    topology: Topology, place: tuple[str, str], movements: Mapping[str, Movement], counted: Mapping[str, float]
) -> float | None:
    """Of all groups that use the pool. None: one of them has requests, and no sample of them."""
    users = [name for name, group in topology.groups.items() if place[0] in group.pools and counted[name]]
    if not all(movements[name].requests for name in users):
        return None
    return sum(movements[name].after.get(place, 0.0) / movements[name].requests * counted[name] for name in users)


def _headroom_of(topology: Topology, after: Snapshot, place: tuple[str, str], rate: float | None) -> View | None:
    pool, datacentre = place
    nodes = [node for node in topology.pools[pool].nodes if node.datacentre == datacentre and _serves(after, node)]
    capacities = [node.capacity for node in nodes if node.capacity is not None]
    if not capacities or len(capacities) < len(nodes):
        return None
    without_one = sum(capacities) - max(capacities)
    return {
        "pool": pool,
        "datacentre": datacentre,
        "requests_per_second": None if rate is None else round(rate, 2),
        "capacity": sum(capacities),
        "without_one": without_one,
        "headroom": None if rate is None else round(without_one - rate, 2),
    }


def _serves(after: Snapshot, node: Node) -> bool:
    return is_available(after.nodes.get(node.name, PLAIN_NODE))
