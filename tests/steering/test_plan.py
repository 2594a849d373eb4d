from __future__ import annotations

from steer.steering.plan import NodeSet, Plan
from steer.steering.snapshot import NodeState, NodeStatus
from tests.steering.towns import AUCKLAND, DRAINING, EJECTED, OUT, WELLINGTON, snapshot, tables_of, town


def plan_of(tables_plan: Plan) -> tuple[str, dict[str, float]]:
    return tables_plan.reason, {site.datacentre: round(site.share, 2) for site in tables_plan.sites}


def names(nodes: NodeSet) -> list[str]:
    return [slot.node.name for slot in nodes.slots]


def test_the_weights_of_the_group_decide_where_all_is_well() -> None:
    plan = tables_of(town(weights={WELLINGTON: 90, AUCKLAND: 10})).plan("website", "web")
    assert plan_of(plan) == ("weights", {WELLINGTON: 0.9, AUCKLAND: 0.1})
    assert not plan.tiers


def test_overridden_weights_replace_those_of_the_datacentres_they_name() -> None:
    plan = tables_of(town(), snapshot(weights={WELLINGTON: 150})).plan("website", "web")
    assert plan_of(plan) == ("weights", {WELLINGTON: 0.75, AUCKLAND: 0.25})


def test_a_datacentre_that_is_out_or_draining_gets_no_share() -> None:
    for status in (OUT, DRAINING):
        plan = tables_of(town(), snapshot(datacentres={WELLINGTON: status})).plan("website", "web")
        assert plan_of(plan) == ("weights", {AUCKLAND: 1.0})


def test_a_datacentre_without_an_available_node_of_this_pool_gets_no_share() -> None:
    plan = tables_of(town(), snapshot({"wlg-1": EJECTED})).plan("website", "web")
    assert plan_of(plan) == ("weights", {AUCKLAND: 1.0})


def test_weight_0_takes_over_when_no_datacentre_with_weight_is_left() -> None:
    topology = town(weights={WELLINGTON: 100, AUCKLAND: 0})
    assert plan_of(tables_of(topology).plan("website", "web")) == ("weights", {WELLINGTON: 1.0})
    out = snapshot(datacentres={WELLINGTON: OUT})
    assert plan_of(tables_of(topology, out).plan("website", "web")) == ("no_weight_left", {AUCKLAND: 1.0})


def test_a_drained_datacentre_never_takes_over() -> None:
    topology = town(weights={WELLINGTON: 100, AUCKLAND: 0})
    state = snapshot(datacentres={WELLINGTON: OUT, AUCKLAND: DRAINING})
    plan = tables_of(topology, state).plan("website", "web")
    assert plan_of(plan) == ("", {})
    assert [names(tier) for tier in plan.tiers] == [["wlg-1"]]


def test_where_nothing_is_usable_held_nodes_come_first_and_then_the_least_often_ejected() -> None:
    state = snapshot(
        {
            "wlg-1": NodeStatus(NodeState.EJECTED, times=3),
            "wlg-2": NodeStatus(NodeState.EJECTED, times=1),
            "wlg-3": NodeStatus(drained=True),
            "akl-1": NodeStatus(NodeState.EJECTED, times=2, held=True),
        },
        {WELLINGTON: OUT, AUCKLAND: OUT},
    )
    plan = tables_of(town(3, 1), state).plan("website", "web")
    assert [names(tier) for tier in plan.tiers] == [["akl-1"], ["wlg-2"], ["wlg-1"]]
    assert [tier.slots[0].verdict.reason for tier in plan.tiers] == ["held", "try_all", "try_all"]


def test_with_a_page_for_none_only_held_nodes_are_tried() -> None:
    state = snapshot({"wlg-1": EJECTED, "akl-1": NodeStatus(NodeState.EJECTED, held=True)})
    plan = tables_of(town(try_all=False), state).plan("website", "web")
    assert [names(tier) for tier in plan.tiers] == [["akl-1"]]


def test_a_node_that_ramps_has_a_part_of_its_weight_and_says_so() -> None:
    state = snapshot({"wlg-1": NodeStatus(ramp_from=100.0)})
    plan = tables_of(town(2, 1), state, now=115.0).plan("website", "web")
    ramping, whole = plan.sites[0].nodes.slots
    assert (ramping.weight, ramping.verdict.reasons) == (0.5, ("ramp", "weights"))
    assert (whole.weight, whole.verdict.reasons) == (1.0, ("weights",))
    assert plan.is_ramping


def test_trials_are_for_the_worker_that_they_were_granted_to() -> None:
    state = snapshot({"wlg-1": NodeStatus(NodeState.PROBING, trial=7, trial_worker=1)}, {WELLINGTON: OUT})
    assert not tables_of(town(), state, worker=0).plan("website", "web").trials
    [trial] = tables_of(town(), state, worker=1).plan("website", "web").trials
    assert (trial.node.name, trial.verdict.trial, trial.verdict.reason) == ("wlg-1", 7, "trial")


def test_no_trial_goes_to_a_draining_datacentre_or_a_drained_node() -> None:
    probing = NodeStatus(NodeState.PROBING, trial=7)
    draining = snapshot({"wlg-1": NodeStatus(NodeState.PROBING, trial=7, trial_worker=0)}, {WELLINGTON: DRAINING})
    drained = snapshot({"wlg-1": NodeStatus(NodeState.PROBING, trial=7, trial_worker=0, drained=True)})
    assert probing.trial_worker == -1
    for state in (draining, drained, snapshot({"wlg-1": probing})):
        assert not tables_of(town(), state).plan("website", "web").trials
