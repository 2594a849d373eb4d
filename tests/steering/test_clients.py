"""How many clients are left where no new ones go."""

from __future__ import annotations

from dataclasses import replace

from steer.steering.clients import MOST, ClientsLeft, idle_of, stay_of
from steer.steering.model import Affinity, Service, Topology
from tests.steering.towns import AUCKLAND, WELLINGTON, town

PLACE = ("website", WELLINGTON)


def with_affinity(idle: float = 60.0) -> Topology:
    topology = town()
    www = replace(topology.services["www"], affinity=Affinity("cookie", "steer", idle=idle))
    other = Service("api", "website", ("api.example",), (), affinity=Affinity("header", "x-id", idle=idle / 2))
    return replace(topology, services={"www": www, "api": other, "plain": town().services["www"]})


def watching(idle: float = 60.0) -> ClientsLeft:
    clients = ClientsLeft(with_affinity(idle))
    clients.watch([PLACE], 100.0)
    return clients


def test_who_was_seen_is_left_until_idle() -> None:
    clients = watching()
    clients.see(*PLACE, [1, 2], 110)
    clients.see(*PLACE, [2, 3], 140)
    assert [clients.count(*PLACE, mono) for mono in (140, 177, 178, 207, 208)] == [3, 3, 2, 2, 0]


def test_who_has_ended_or_moved_is_not_left() -> None:
    clients = watching()
    clients.hear({"website": {WELLINGTON: [1, 2]}}, {}, 110)
    clients.hear({"website": {WELLINGTON: [3]}}, {"website": {WELLINGTON: [1, 3, 4], AUCKLAND: [2]}}, 120)
    assert clients.count(*PLACE, 120) == 1


def test_that_none_is_left_is_certain_only_when_nobody_came_for_as_long_as_they_may_be_idle() -> None:
    clients = watching()
    assert not clients.is_none_left(*PLACE, 167)
    assert clients.is_none_left(*PLACE, 168)
    clients.see(*PLACE, [1], 150)
    assert not clients.is_none_left(*PLACE, 168)
    assert clients.is_none_left(*PLACE, 218)


def test_a_place_that_is_not_watched_counts_nobody() -> None:
    clients = watching()
    clients.see("website", AUCKLAND, [1], 110)
    assert clients.count("website", AUCKLAND, 110) == 0
    assert not clients.is_none_left("website", AUCKLAND, 1000)


def test_a_place_that_is_watched_anew_begins_anew() -> None:
    clients = watching()
    clients.see(*PLACE, [1], 110)
    clients.watch([], 120)
    clients.watch([PLACE], 120)
    assert clients.count(*PLACE, 120) == 0
    assert not clients.is_none_left(*PLACE, 170)


def test_it_goes_on_when_the_configuration_is_another_one() -> None:
    before, after = watching(), ClientsLeft(with_affinity(30))
    before.see(*PLACE, [1], 110)
    after.succeed(before)
    after.watch([PLACE], 120)
    assert after.count(*PLACE, 143) == 1
    assert after.count(*PLACE, 144) == 0


def test_a_flood_of_clients_is_bounded() -> None:
    clients = watching()
    clients.see(*PLACE, range(MOST + 10), 110)
    assert clients.count(*PLACE, 110) == MOST


def test_only_where_a_service_has_affinity_do_clients_stay() -> None:
    assert (idle_of(with_affinity(), "website"), stay_of(with_affinity(), "website")) == (60, 300)
    assert (idle_of(town(), "website"), stay_of(town(), "website")) == (0, 0)
