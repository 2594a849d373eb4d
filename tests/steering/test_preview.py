"""Sampled requests, replayed against two snapshots."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from steer.steering.choose import Load, choose
from steer.steering.model import NOWHERE, Bound, FieldTest, OnLoss, Place, Refusal, Rule, Topology, When
from steer.steering.preview import REFUSED, Movement, Replay, distance, replay, without_ramps
from steer.steering.samples import Sample, sample_of
from steer.steering.snapshot import DatacentreState, DatacentreStatus, NodeStatus, Snapshot
from steer.steering.tables import Tables
from tests.steering.test_modes_properties import requests, snapshots, towns
from tests.steering.towns import (
    AUCKLAND,
    DRAINING,
    EJECTED,
    WELLINGTON,
    Request,
    passive,
    positioned,
    request_for,
    snapshot,
    tables_of,
    town,
    with_affinity,
    with_group,
)

THROWS = 150
CLIENTS = tuple(f"192.0.{number // 250}.{number % 250}" for number in range(1000))


def samples(clients: Iterable[str] = CLIENTS, **facts: Any) -> list[Sample]:
    return [Sample("www", "web", client, **facts) for client in clients]


def moved(topology: Topology, before: Snapshot, after: Snapshot, of: Iterable[Sample]) -> Movement:
    return replay(tables_of(topology, before), tables_of(topology, after), of)["website"]


def weights(wellington: float) -> Snapshot:
    return snapshot(weights={WELLINGTON: wellington, AUCKLAND: 100 - wellington})


# What holds for any snapshot...


def seen_by(tables: Tables, request: Request) -> dict[str, float]:
    """What `choose` gives so many times: shares."""
    dice, load = random.Random(1), Load(len(tables.topology.nodes))
    verdicts = (choose(tables, request, load, 100.0, dice) for _ in range(THROWS))
    seen = Counter(REFUSED if isinstance(verdict, Refusal) else verdict.node.datacentre for verdict in verdicts)
    return {name: times / THROWS for name, times in seen.items()}


def replayed_like_chosen(topology: Topology, state: Snapshot, asked: Mapping[str, Any]) -> None:
    """Nobody who previews has a trial, and which of the last resorts is for the pool's algorithm to say."""
    tables = tables_of(topology, without_ramps(state), now=100.0, worker=-2)
    request = replace(request_for(tables), **{**asked, "retriable": False})
    shares, seen = Replay(tables).where(sample_of(tables, request, 1.0)).shares, seen_by(tables, request)
    assert sum(shares.values()) == pytest.approx(1.0)
    if not (tables.plan("website", "web").tiers and len(shares) > 1):
        found = {name: seen.get(name, 0.0) for name in {*shares, *seen}}
        assert found == pytest.approx({name: shares.get(name, 0.0) for name in found}, abs=0.25)


@given(data=st.data())
def test_the_shares_are_those_that_choose_gives(data: st.DataObject) -> None:
    topology = data.draw(towns())
    rules = topology.groups["website"].rules
    assume(len({rule.name for rule in rules}) == len(rules))
    replayed_like_chosen(topology, data.draw(snapshots(topology)), data.draw(requests))


WELL = {
    "plain": town(),
    "weights": town(weights={WELLINGTON: 90, AUCKLAND: 10}),
    "stable": with_group(town(), stable=True),
    "rule": with_group(town(), rules=(Rule("beta", When(field=FieldTest("x-beta", equals="1")), {AUCKLAND: 100}),)),
    "rule of stable clients": with_group(town(), stable=True, rules=(Rule("all", When(), {WELLINGTON: 1}),)),
    "nearest": replace(
        with_group(town(), rules=(Rule("near", When(), nearest=True),)),
        locations={WELLINGTON: (-41.29, 174.78), AUCKLAND: (-36.85, 174.76)},
    ),
    "affinity": with_affinity(town(weights={WELLINGTON: 60, AUCKLAND: 40})),
    "strict": with_affinity(town(), OnLoss.STRICT),
    "passive": passive(),
    "spill": passive(2, 2, spill=True),
    "trickle": passive(trickle=0.4),
    "trickle and affinity": with_affinity(passive(trickle=0.4)),
}
LOST: tuple[Mapping[str, NodeStatus], ...] = ({}, {"wlg-1": EJECTED}, {"akl-1": EJECTED})


@pytest.mark.parametrize("topology", WELL.values(), ids=WELL)
def test_and_so_they_are_of_each_kind_of_group(topology: Topology) -> None:
    places = (NOWHERE, Place("NZ", location=(-36.0, 174.0)))
    bounds = (None, Bound(WELLINGTON, "wlg-1"), Bound(AUCKLAND))
    brought = product(bounds, ("", "talk", "chat"), (True, False), places, ({}, {"x-beta": "1"}))
    names = ("bound", "key", "idempotent", "place", "fields")
    for values, nodes in product(brought, LOST):
        replayed_like_chosen(topology, snapshot(nodes), dict(zip(names, values, strict=True)))


@given(data=st.data())
def test_what_changes_nothing_moves_nobody(data: st.DataObject) -> None:
    topology = data.draw(towns())
    state = data.draw(snapshots(topology))
    asked: list[dict[str, Any]] = data.draw(st.lists(requests, min_size=1, max_size=5))
    tables = tables_of(topology, state)
    of = [sample_of(tables, replace(request_for(tables), **facts), 1.0) for facts in asked]
    found = moved(topology, state, replace(state, number=state.number + 1), of)
    assert (found.clients.share, found.sessions.share, found.sessions.leaving) == (0.0, 0.0, 0.0)
    assert found.before == found.after


@settings(max_examples=20)
@given(before=st.integers(1, 99), by=st.integers(-100, 100))
def test_a_change_of_the_weights_by_x_moves_x_of_the_stable_clients(before: int, by: int) -> None:
    after = min(100, max(0, before + by))
    found = moved(with_group(town(), stable=True), weights(before), weights(after), samples())
    assert found.clients.share == pytest.approx(abs(after - before) / 100, abs=0.05)
    assert found.share_after(WELLINGTON) == pytest.approx(after / 100, abs=0.05)


@given(before=st.integers(1, 99), after=st.integers(0, 100))
def test_where_dice_decide_it_is_exactly_x(before: int, after: int) -> None:
    found = moved(town(), weights(before), weights(after), samples(CLIENTS[:3]))
    assert found.clients.share == pytest.approx(abs(after - before) / 100)
    assert found.share_before(WELLINGTON) == pytest.approx(before / 100)


# One at a time...


def test_clients_with_affinity_stay_when_weights_change() -> None:
    topology = with_affinity(town())
    bound = samples(CLIENTS[:10], bound=Bound(WELLINGTON, "wlg-1"))
    found = moved(topology, weights(50), weights(0), [*bound, *samples(CLIENTS[10:20])])
    assert (found.clients.sampled, found.sessions.sampled) == (20, 10)
    assert (found.clients.share, found.sessions.share) == (0.25, 0.0)


def test_under_a_drain_they_may_stay_for_now() -> None:
    topology, bound = with_affinity(town()), samples(CLIENTS[:4], bound=Bound(WELLINGTON, "wlg-1"))
    draining = DatacentreStatus(DatacentreState.DRAINING, until=900.0)
    found = moved(topology, snapshot(), snapshot(datacentres={WELLINGTON: draining}), bound)
    assert (found.sessions.share, found.sessions.leaving) == (0.0, 1.0)
    found = moved(topology, snapshot(), snapshot(datacentres={WELLINGTON: DRAINING}), bound)
    assert (found.sessions.share, found.sessions.leaving) == (1.0, 0.0)


def test_strict_ones_whose_datacentre_goes_are_refused() -> None:
    topology = with_affinity(town(), OnLoss.STRICT)
    bound = samples(CLIENTS[:4], bound=Bound(WELLINGTON, "wlg-1"))
    found = moved(topology, snapshot(), snapshot({"wlg-1": EJECTED}), bound)
    assert found.after == {("web", REFUSED): 4.0}


def test_only_those_of_the_rule_move_with_its_weights() -> None:
    topology = with_group(town(), rules=(Rule("canary", When(), {WELLINGTON: 90, AUCKLAND: 10}),))
    raised = replace(
        positioned(),
        groups={"website": replace(positioned().groups["website"], rules={"canary": {AUCKLAND: 90, WELLINGTON: 10}})},
    )
    found = moved(topology, positioned(), raised, [*samples(CLIENTS[:5], rule="canary"), *samples(CLIENTS[5:10])])
    assert found.clients.share == pytest.approx(0.4)


def test_a_failover_moves_all_but_the_trickle() -> None:
    topology = passive(trickle=0.1)
    found = moved(topology, positioned(), positioned(at=AUCKLAND), samples(CLIENTS[:4], idempotent=True))
    assert found.clients.share == pytest.approx(0.8)
    found = moved(topology, positioned(), positioned(at=AUCKLAND), samples(CLIENTS[:4]))
    assert found.clients.share == 1.0


def test_where_no_datacentre_is_left_the_last_resort_takes_it_or_nobody() -> None:
    both: Mapping[str, NodeStatus] = {"wlg-1": EJECTED, "akl-1": EJECTED}
    found = moved(town(), snapshot(), snapshot(both), samples(CLIENTS[:2]))
    assert (found.share_after(WELLINGTON), found.share_after(AUCKLAND)) == (0.5, 0.5)
    found = moved(town(try_all=False), snapshot(), snapshot(both), samples(CLIENTS[:2]))
    assert found.share_after(REFUSED) == 1.0


def test_a_client_counts_once_however_often_it_came_and_a_request_for_those_that_it_stands_for() -> None:
    topology = with_affinity(town())
    often = samples(["192.0.2.1"] * 9, bound=Bound(AUCKLAND, "akl-1"))
    found = moved(topology, weights(100), weights(0), [*often, *samples(["192.0.2.2"], stands_for=27.0)])
    assert found.clients.share == 0.5
    assert found.share_after(AUCKLAND) == 1.0
    assert found.share_before(WELLINGTON) == 0.75


def test_samples_of_what_is_not_there_are_passed_over() -> None:
    found = moved(town(), snapshot(), snapshot(), [Sample("gone", "web", "192.0.2.1"), Sample("www", "gone", "::1")])
    assert found.samples == 0


def test_the_distance_of_two_spreads_is_what_lies_elsewhere() -> None:
    assert distance({"a": 0.5, "b": 0.5}, {"a": 0.5, "b": 0.5}) == 0.0
    assert distance({"a": 0.5, "b": 0.5}, {"b": 0.25, "c": 0.75}) == 0.75


def test_a_service_of_pinned_hostnames_alone_can_be_replayed() -> None:
    topology = town()
    service = replace(topology.services["www"], hostnames=())
    found = moved(replace(topology, services={"www": service}), weights(50), weights(0), samples(CLIENTS[:1]))
    assert found.clients.share == 0.5
