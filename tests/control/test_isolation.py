"""The keeper and its canaries: who is asked when, what is said, and what comes back."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from steer.control.keeper import Keeper
from steer.steering.model import FailoverRules, GroupMode
from steer.steering.snapshot import NodeState
from tests.control.keeping import Desk, desk, topology
from tests.kit.clock import ManualClock

CANARIES = ("192.0.2.1:53", "198.51.100.1:53")
NODES = ("wlg-1", "wlg-2", "akl-1", "akl-2")


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[Desk]:
    with desk(tmp_path, ManualClock()) as made:
        made.keeper = Keeper(
            topology(), made.clock, random.Random(1), made.snapshots.append, made.state, made.events, CANARIES
        )
        made.keeper.set_workers((0, 1))
        yield made


def lose_everything(edge: Desk) -> None:
    for node in NODES:
        edge.fail(node)
    edge.wait(0.2)


def test_the_canaries_are_asked_when_most_nodes_of_most_datacentres_are_out_of_reach(edge: Desk) -> None:
    assert not edge.keeper.may_be_isolated()
    lose_everything(edge)
    assert edge.keeper.may_be_isolated()


def test_both_silent_it_is_isolated_says_so_and_takes_back_what_it_ejected(edge: Desk) -> None:
    lose_everything(edge)
    assert {edge.node(node).state for node in NODES} == {NodeState.EJECTED}
    edge.keeper.hear_canaries((False, False), edge.clock.monotonic())
    assert edge.keeper.is_isolated
    assert "isolated edge" in edge.kinds()
    assert {edge.node(node).state for node in NODES} == {NodeState.SERVING}
    lose_everything(edge)
    assert {edge.node(node).state for node in NODES} == {NodeState.SERVING}


def test_one_that_answers_means_that_the_nodes_are_down(edge: Desk) -> None:
    lose_everything(edge)
    edge.keeper.hear_canaries((True, False), edge.clock.monotonic())
    assert not edge.keeper.is_isolated
    assert {edge.node(node).state for node in NODES} == {NodeState.EJECTED}


def test_it_ends_when_nodes_answer(edge: Desk) -> None:
    lose_everything(edge)
    edge.keeper.hear_canaries((False, False), edge.clock.monotonic())
    edge.wait(1)
    assert edge.keeper.is_isolated
    edge.keeper.count(0, {"successes": dict.fromkeys(NODES, 3)})
    edge.wait(0.2)
    assert not edge.keeper.is_isolated
    assert edge.kinds()[-1] == "isolation_ended edge"
    edge.fail("wlg-1")
    assert edge.node("wlg-1").state is NodeState.EJECTED


def test_it_ends_when_a_canary_answers(edge: Desk) -> None:
    lose_everything(edge)
    edge.keeper.hear_canaries((False, False), edge.clock.monotonic())
    edge.wait(2)
    edge.keeper.hear_canaries((False, True), edge.clock.monotonic())
    assert not edge.keeper.is_isolated
    edge.wait(0.2)
    assert not edge.keeper.may_be_isolated()


def test_without_canaries_it_is_never_isolated(tmp_path: Path) -> None:
    with desk(tmp_path) as edge:
        lose_everything(edge)
        assert not edge.keeper.may_be_isolated()


def test_what_an_isolated_edge_sees_costs_no_points_and_moves_no_group(tmp_path: Path) -> None:
    made = topology()
    website = replace(
        made.groups["website"],
        mode=GroupMode.ACTIVE_PASSIVE,
        weights={},
        order=("wellington", "auckland"),
        failover=FailoverRules(automatic=True, after=5),
    )
    with desk(tmp_path, places=replace(made, groups={**made.groups, "website": website})) as edge:
        edge.keeper = Keeper(
            edge.keeper.topology, edge.clock, random.Random(1), edge.snapshots.append, edge.state, edge.events, CANARIES
        )
        lose_everything(edge)
        assert edge.group("api").held == "penalty"
        edge.keeper.hear_canaries((False, False), edge.clock.monotonic())
        edge.wait(1)
        assert edge.group("api").held == ""
        assert edge.keeper.group_report("api").penalty == 0
        edge.wait(60, step=1)
        assert edge.group().at == ""
