from __future__ import annotations

import random
from collections import Counter
from math import inf

import pytest

from steer.steering.model import Algorithm
from steer.steering.pick import MOST_TRIALS_REMEMBERED, Load, pick, pick_free
from steer.steering.plan import NodeSet
from tests.steering.towns import tables_of, town


def nodes_of(algorithm: Algorithm, *weights: int) -> NodeSet:
    """The nodes of one datacentre with these weights; their indexes are 0, 1, 2..."""
    tables = tables_of(town(len(weights), 0, algorithm=algorithm, node_weights=weights))
    return tables.plan("website", "web").sites[0].nodes


def count(nodes: NodeSet, load: Load, throws: int = 20_000) -> list[float]:
    dice = random.Random(4)
    picked = Counter(pick(nodes, load, dice).index for _ in range(throws))
    return [picked[slot.index] / throws for slot in nodes.slots]


@pytest.mark.parametrize("algorithm", ["least_requests", "round_robin", "random"])
def test_on_a_quiet_site_every_algorithm_follows_the_weights(algorithm: Algorithm) -> None:
    assert count(nodes_of(algorithm, 5, 3, 2), Load(3)) == pytest.approx([0.5, 0.3, 0.2], abs=0.02)


def test_one_node_needs_no_dice() -> None:
    assert pick(nodes_of("least_requests", 1), Load(1), NoDice()).index == 0


class NoDice:
    def random(self) -> float:
        raise AssertionError("nobody should throw")


def test_least_requests_prefers_the_node_with_less_in_flight() -> None:
    load = Load(2)
    load.in_flight = [1, 0]
    assert count(nodes_of("least_requests", 1, 1), load, 100) == [0.0, 1.0]


def test_least_requests_counts_what_is_in_flight_for_each_unit_of_weight() -> None:
    load = Load(2)
    load.in_flight = [9, 1]
    heavy_and_light = nodes_of("least_requests", 10, 1)
    assert count(heavy_and_light, load, 100) == [1.0, 0.0]
    load.in_flight = [10, 0]
    assert count(heavy_and_light, load, 100) == [0.0, 1.0]


def test_least_requests_of_three_never_draws_one_node_twice() -> None:
    load = Load(3)
    load.in_flight = [5, 0, 0]
    assert count(nodes_of("least_requests", 1, 1, 1), load)[0] == 0.0


def test_round_robin_is_smooth() -> None:
    load, dice = Load(3), random.Random(1)
    nodes = nodes_of("round_robin", 5, 1, 1)
    assert [pick(nodes, load, dice).index for _ in range(7)] == [0, 0, 1, 0, 2, 0, 0]


def test_nodes_that_were_tried_are_full_or_are_avoided_are_not_free() -> None:
    nodes, load, dice = nodes_of("random", 1, 1, 1, 1), Load(4), random.Random(1)
    load.in_flight[1] = nodes.slots[1].limit
    load.avoid_until[2] = 10.0
    tried = [nodes.slots[0].node]
    free = {pick_free(nodes, tried, load, 5.0, dice) for _ in range(50)}
    assert {slot.index for slot in free if slot} == {3}
    free = {pick_free(nodes, tried, load, inf, dice) for _ in range(50)}
    assert {slot.index for slot in free if slot} == {2, 3}


def test_only_the_latest_trials_are_remembered() -> None:
    load = Load(1)
    for number in range(1000):
        load.use_trial(number)
    assert load.trials_used == list(range(1000 - MOST_TRIALS_REMEMBERED, 1000))


def test_a_copy_of_a_load_lives_its_own_life() -> None:
    load = Load(2)
    twin = load.copy()
    twin.in_flight[0] = 3
    twin.avoid_until[0] = 3.0
    twin.turns[0] = 3.0
    twin.use_trial(3)
    assert (load.in_flight, load.avoid_until, load.turns, load.trials_used) == ([0, 0], [0.0, 0.0], [0.0, 0.0], [])
    assert repr(twin) == "<Load [3 in flight on 2 nodes]>"
