from __future__ import annotations

import pytest

from steer.steering import weights
from steer.steering.snapshot import NodeStatus
from tests.steering.towns import AUCKLAND, EJECTED, WELLINGTON, snapshot, tables_of, town


@pytest.mark.parametrize(
    ("available", "expected", "kept"),
    [(4, 4, 1.0), (3, 4, 1.0), (72, 100, 1.0), (71, 100, 0.994), (2, 4, 0.7), (1, 4, 0.35), (0, 4, 0.0), (0, 0, 0.0)],
)
def test_a_datacentre_keeps_its_weight_until_29_percent_of_its_nodes_are_lost(
    available: int, expected: int, kept: float
) -> None:
    assert weights.health(available, expected) == pytest.approx(kept)


@pytest.mark.parametrize(
    ("began", "now", "part"),
    [(None, 5.0, 1.0), (100.0, 100.0, 0.1), (100.0, 102.0, 0.1), (100.0, 115.0, 0.5), (100.0, 130.0, 1.0)],
)
def test_a_ramp_goes_from_a_tenth_to_the_whole_weight(began: float | None, now: float, part: float) -> None:
    assert weights.ramp(began, 30.0, now) == pytest.approx(part)


def test_a_ramp_that_begins_in_the_future_stays_at_a_tenth() -> None:
    assert weights.ramp(200.0, 30.0, 100.0) == 0.1


def test_a_ramp_of_no_length_is_over_at_once() -> None:
    assert weights.ramp(100.0, 0.0, 100.0) == 1.0


def test_shares_sum_to_one_and_nothing_has_no_share() -> None:
    assert weights.shares([1.0, 3.0]) == (0.25, 0.75)
    assert weights.shares([0.0, 0.0]) == (0.0, 0.0)


def test_weights_1_to_2_with_half_of_the_first_available_give_26_to_74() -> None:
    topology = town(2, 2, weights={WELLINGTON: 1, AUCKLAND: 2})
    plan = tables_of(topology, snapshot({"wlg-1": EJECTED})).plan("website", "web")
    assert [round(site.share * 100) for site in plan.sites] == [26, 74]


def test_nodes_that_an_operator_drained_do_not_lower_the_health_of_their_datacentre() -> None:
    topology = town(4, 4)
    drained = {name: NodeStatus(drained=True) for name in ("wlg-1", "wlg-2", "wlg-3")}
    plan = tables_of(topology, snapshot(drained)).plan("website", "web")
    assert [site.share for site in plan.sites] == [0.5, 0.5]
