"""The vectors of the design: who gets how much as nodes go."""

from __future__ import annotations

import pytest

from steer.steering.model import Topology
from steer.steering.plan import Plan
from steer.steering.snapshot import DatacentreStatus
from tests.steering.towns import (
    AUCKLAND,
    DRAINING,
    EJECTED,
    OUT,
    WELLINGTON,
    passive,
    positioned,
    snapshot,
    tables_of,
    town,
)

HUNDRED = 100


def shares(plan: Plan) -> dict[str, int]:
    return {site.datacentre: round(100 * site.share) for site in plan.sites}


def spilled(wellington: int, auckland: int, at: str = "") -> dict[str, int]:
    """Percent of the nodes there that are available; 100 nodes each."""
    gone = {f"wlg-{i + 1}": EJECTED for i in range(wellington, HUNDRED)}
    gone |= {f"akl-{i + 1}": EJECTED for i in range(auckland, HUNDRED)}
    topology = passive(HUNDRED, HUNDRED, spill=True)
    return shares(tables_of(topology, positioned(gone, at=at)).plan("website", "web"))


@pytest.mark.parametrize(
    ("wellington", "auckland", "expected"),
    [
        (100, 100, {WELLINGTON: 100}),
        (72, 100, {WELLINGTON: 100}),
        (71, 100, {WELLINGTON: 99, AUCKLAND: 1}),
        (50, 100, {WELLINGTON: 70, AUCKLAND: 30}),
        (25, 100, {WELLINGTON: 35, AUCKLAND: 65}),
        (25, 25, {WELLINGTON: 50, AUCKLAND: 50}),
        (0, 100, {AUCKLAND: 100}),
        (0, 10, {AUCKLAND: 100}),
        (10, 0, {WELLINGTON: 100}),
    ],
)
def test_with_spill_each_takes_what_its_health_allows(wellington: int, auckland: int, expected: dict[str, int]) -> None:
    assert spilled(wellington, auckland) == expected


def test_the_line_begins_where_the_group_is() -> None:
    assert spilled(100, 50, at=AUCKLAND) == {AUCKLAND: 70, WELLINGTON: 30}


def test_half_of_the_lighter_one_lost_moves_traffic_to_the_heavier() -> None:
    topology = town(2, 2, weights={WELLINGTON: 1, AUCKLAND: 2})
    plan = tables_of(topology, snapshot({"wlg-1": EJECTED})).plan("website", "web")
    assert shares(plan) == {WELLINGTON: 26, AUCKLAND: 74}


def of(topology: Topology, **position: object) -> Plan:
    return tables_of(topology, positioned(**position)).plan("website", "web")  # type: ignore[arg-type]  # as given


def test_one_that_spills_says_so_and_the_first_says_at() -> None:
    plan = tables_of(passive(2, 2, spill=True), positioned({"wlg-1": EJECTED})).plan("website", "web")
    reasons = {site.datacentre: site.nodes.slots[0].verdict.reasons for site in plan.sites}
    assert reasons == {WELLINGTON: ("at",), AUCKLAND: ("at", "spill")}
    plan = tables_of(passive(spill=True), positioned(datacentres={WELLINGTON: OUT})).plan("website", "web")
    assert (plan.reason, shares(plan)) == ("spill", {AUCKLAND: 100})


def test_a_return_ramps_in_the_line_too() -> None:
    state = positioned(datacentres={WELLINGTON: DatacentreStatus(ramp_from=85.0)})
    plan = tables_of(passive(spill=True), state, now=100.0).plan("website", "web")
    assert shares(plan) == {WELLINGTON: 50, AUCKLAND: 50}
    assert plan.sites[1].nodes.slots[0].verdict.reasons == ("at", "spill")


def test_without_spill_the_current_one_has_all_and_the_other_nothing() -> None:
    plan = of(passive(2, 2))
    assert (shares(plan), plan.reason, plan.spares, plan.is_plain) == ({WELLINGTON: 100}, "at", (), True)
    assert shares(of(passive(), at=AUCKLAND)) == {AUCKLAND: 100}


def test_out_changes_nothing_for_a_pool_whose_nodes_are_there() -> None:
    state = positioned(datacentres={WELLINGTON: OUT})
    assert shares(tables_of(passive(), state).plan("website", "web")) == {WELLINGTON: 100}
    draining = positioned(datacentres={WELLINGTON: DRAINING})
    plan = tables_of(passive(), draining).plan("website", "web")
    assert (plan.sites, plan.tiers, plan.why_none) == (
        (),
        (),
        "website is at wellington, which is draining; it moves by hand",
    )


def test_while_a_failback_ramps_percentages_share_and_health_counts() -> None:
    state = positioned({"akl-1": EJECTED}, arriving={WELLINGTON: 25, AUCKLAND: 75})
    plan = tables_of(passive(1, 2), state).plan("website", "web")
    assert shares(plan) == {WELLINGTON: 32, AUCKLAND: 68}
    assert plan.sites[0].nodes.slots[0].verdict.reasons == ("at", "weights")
    assert [slot.node.name for tier in plan.tiers for slot in tier.slots] == []
