"""A group that an operator moves, and what becomes of it over a crash."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from steer.control.groups import GroupReport, Stay
from steer.errors import Refused, Unacceptable
from steer.steering.model import Affinity, FailbackRules, FailoverRules, GroupMode, Rule, Topology, When
from steer.steering.snapshot import DatacentreState, DatacentreStatus, NodeState
from tests.control.keeping import Desk, desk, topology
from tests.kit.clock import ManualClock

SERVING, OUT = DatacentreState.SERVING, DatacentreState.OUT


def places(idle: float = 60.0, **changes: Any) -> Topology:
    """`website` is at Wellington, and can be at Auckland; `api` is active-active over the same nodes."""
    made = topology(("wlg-1", "akl-1"))
    rules = {"mode": GroupMode.ACTIVE_PASSIVE, "weights": {}, "order": ("wellington", "auckland"), "pause": 0.0}
    affinity = Affinity("cookie", "steer", idle=idle) if idle else None
    return replace(
        made,
        groups={**made.groups, "website": replace(made.groups["website"], **{**rules, **changes})},
        services={"www": replace(made.services["www"], affinity=affinity)},
    )


def alone(**changes: Any) -> Topology:
    """Without `api`."""
    made = places(**changes)
    return replace(made, groups={"website": made.groups["website"]})


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[Desk]:
    with desk(tmp_path, places=places()) as edge:
        yield edge


def fail_over(edge: Desk, to: str | None = None, *, ungraceful: bool = False, force: bool = False) -> None:
    edge.keeper.failover("website", to, ungraceful=ungraceful, owner="ops", reason="patching", force=force)


def fail_back(edge: Desk, *, force: bool = False) -> None:
    edge.keeper.failback("website", owner="ops", reason="patched", force=force)


def hold(edge: Desk, group: str = "website") -> None:
    edge.keeper.override("hold", group=group, owner="ops", reason="looking")


def release(edge: Desk, group: str = "website") -> None:
    edge.keeper.override("restore", group=group, owner="ops", reason="seen")


def report(edge: Desk, group: str = "website") -> GroupReport:
    return edge.keeper.group_report(group)


def refused(edge: Desk, **asked: Any) -> str:
    with pytest.raises(Refused) as found:
        fail_over(edge, **asked)
    return found.value.rule


# By hand.


def test_new_clients_go_to_the_other_datacentre_at_once_and_others_may_stay(edge: Desk) -> None:
    fail_over(edge)
    status = edge.group()
    assert (status.at, status.leaving) == ("auckland", "wellington")
    assert status.leaving_until == edge.clock.wall() + 300
    assert report(edge).stage == "leaving"
    assert report(edge).cause == "ops: patching"
    assert "group_moved website" in edge.kinds()
    assert edge.group("api").at == ""


def test_an_ungraceful_one_lets_nobody_stay_and_cuts_a_graceful_one_short(edge: Desk) -> None:
    fail_over(edge)
    fail_over(edge, ungraceful=True)
    assert (edge.group().at, edge.group().leaving, report(edge).stage) == ("auckland", "", "away")


def test_where_no_service_has_affinity_there_is_nobody_to_wait_for(tmp_path: Path) -> None:
    with desk(tmp_path, places=places(idle=0)) as edge:
        fail_over(edge)
        assert (edge.group().at, edge.group().leaving, report(edge).stage) == ("auckland", "", "away")


def test_clients_that_workers_meet_are_counted_down_and_when_none_is_left_the_move_is_over(edge: Desk) -> None:
    fail_over(edge)
    edge.keeper.count(0, {"bound": {"website": {"wellington": [1, 2], "auckland": [9]}}})
    edge.wait(0.1)
    edge.keeper.count(1, {"bound": {"website": {"wellington": [2, 3]}, "gone": {"wellington": [4]}}})
    assert report(edge).stays == (Stay("wellington", 299.9, 3),)
    edge.wait(59)
    edge.keeper.count(0, {"bound": {"website": {"wellington": [1]}}})
    edge.wait(10)
    assert report(edge).stays[0].clients_left == 1
    edge.wait(59)
    assert report(edge).stage == "away"
    assert edge.said()[-1].reason == "wellington: no client is left"


def test_the_move_is_over_when_the_time_is(edge: Desk) -> None:
    fail_over(edge)
    for _ in range(10):
        edge.keeper.count(0, {"bound": {"website": {"wellington": [1]}}})
        edge.wait(30, step=1)
    assert report(edge).stage == "away"
    assert edge.said()[-1].reason == "wellington: the time is over"


def test_it_fails_back_by_its_ramp(tmp_path: Path) -> None:
    with desk(tmp_path, places=places(idle=0, failback=FailbackRules(ramp=(10, 100), hold=30))) as edge:
        fail_over(edge)
        fail_back(edge)
        assert edge.group().arriving == {"wellington": 10, "auckland": 90}
        assert report(edge).stage == "returning"
        edge.wait(30.1)
        assert (edge.group().at, edge.group().arriving, report(edge).stage) == ("", {}, "home")


def test_where_it_is_already_it_cannot_go_not_even_by_force(edge: Desk) -> None:
    assert refused(edge, to="wellington", force=True) == "already_there"
    with pytest.raises(Refused, match="at home already: wellington"):
        fail_back(edge)
    fail_over(edge)
    assert refused(edge, to="auckland") == "already_there"


def test_a_target_without_its_nodes_is_refused_by_name_and_force_goes_there(edge: Desk) -> None:
    edge.fail("akl-1")
    assert refused(edge) == "min_nodes"
    assert edge.group().at == ""
    fail_over(edge, force=True)
    assert edge.group().at == "auckland"


def test_a_pilot_light_needs_all_that_are_listed_unless_it_is_told_and_says_what_to_do(tmp_path: Path) -> None:
    made = places(mode=GroupMode.PILOT_LIGHT, cold=True)
    nodes = topology(("wlg-1", "akl-1", "akl-2"))
    made = replace(made, nodes=nodes.nodes, pools=nodes.pools)
    with desk(tmp_path, places=made) as edge:
        edge.fail("akl-2")
        said = r"web has 1 available in auckland, website needs 2 \(start its nodes there"
        with pytest.raises(Refused, match=said) as no:
            fail_over(edge)
        assert no.value.rule == "needed"
    told = {"web": replace(nodes.pools["web"], needed={"auckland": 1})}
    with desk(tmp_path / "told", places=replace(made, pools=told)) as edge:
        edge.fail("akl-2")
        fail_over(edge)
        assert edge.group().at == "auckland"


def test_a_draining_target_is_refused(edge: Desk) -> None:
    edge.drain(datacentre="auckland", group="website")
    assert refused(edge, to="auckland") == "draining"


def test_two_moves_lie_as_far_apart_as_other_changes(tmp_path: Path) -> None:
    with desk(tmp_path, places=places(pause=5.0)) as edge:
        fail_over(edge)
        assert refused(edge, to="wellington") == "pause"
        edge.wait(5)
        fail_over(edge, "wellington")
        assert (edge.group().at, edge.group().leaving) == ("wellington", "auckland")


def test_an_active_active_group_is_told_to_drain(edge: Desk) -> None:
    with pytest.raises(Unacceptable, match=r"api is active-active.*`steer drain DATACENTRE --group api`"):
        edge.keeper.failover("api", None, owner="ops", reason="r")
    with pytest.raises(Unacceptable, match="is active-passive: it is at one datacentre"):
        edge.set_weights(wellington=1)
    with pytest.raises(Unacceptable, match="no datacentre of website is called 'akl'"):
        fail_over(edge, "akl")
    with pytest.raises(Unacceptable, match="no group is called"):
        edge.keeper.failback("web", owner="ops", reason="r")


def test_the_datacentre_where_a_group_is_cannot_be_drained_under_it(edge: Desk) -> None:
    with pytest.raises(Refused, match="website is at wellington: nothing would serve it") as found:
        edge.drain(datacentre="wellington")
    assert found.value.rule == "at_least"
    fail_over(edge)
    edge.drain(datacentre="wellington")


# By itself.

AUTOMATIC: dict[str, Any] = {
    "failover": FailoverRules(automatic=True, after=60),
    "failback": FailbackRules(automatic=True, after=600),
    "out_after": 30.0,
}


def restore_by_trials(edge: Desk, name: str) -> None:
    """What its nodes do, with traffic: probing, three trials, serving."""
    edge.keeper.override("restore", node=name, owner="ops", reason="it is back")


def test_a_held_node_does_not_stand_in_the_way_of_a_failover(tmp_path: Path) -> None:
    with desk(tmp_path, places=alone(**AUTOMATIC)) as edge:
        edge.fail("wlg-1")
        assert edge.node("wlg-1").held
        edge.wait(29, step=1)
        assert edge.datacentre("wellington") is SERVING
        edge.wait(62, step=1)
        assert edge.group().at == "auckland"
        assert not edge.node("wlg-1").held
        assert report(edge).failovers == 1
        restore_by_trials(edge, "wlg-1")
        edge.wait(615, step=1)
        assert (edge.group().at, edge.group().leaving) == ("wellington", "auckland")
        edge.wait(69, step=1)
        assert report(edge).stage == "home"


def test_an_automatic_move_is_on_disk_when_workers_hear_of_it(tmp_path: Path) -> None:
    with desk(tmp_path, places=places(**AUTOMATIC)) as edge:
        edge.fail("wlg-1")
        edge.wait(100, step=1)
        assert edge.state.load()["groups"]["website"]["position"]["at"] == "auckland"


def test_it_moves_by_itself_although_the_disk_is_broken(tmp_path: Path) -> None:
    with desk(tmp_path, places=places(**AUTOMATIC)) as edge:
        (tmp_path / "edge.json.new").symlink_to("/dev/full")
        edge.fail("wlg-1")
        edge.wait(100, step=1)
        assert edge.group().at == "auckland"


# Hold and release.


def test_a_held_group_does_not_move_by_itself_and_moves_by_hand(tmp_path: Path) -> None:
    with desk(tmp_path, places=places(**AUTOMATIC)) as edge:
        hold(edge)
        assert edge.group().held == "hold"
        edge.fail("wlg-1")
        edge.wait(200, step=1)
        assert edge.group().at == ""
        assert "held website" in edge.kinds()
        fail_over(edge)
        assert edge.group().at == "auckland"
        release(edge)
        assert edge.group().held == ""
        assert edge.keeper.overrides() == ()


def test_a_hold_is_no_change_that_a_move_would_have_to_wait_for(tmp_path: Path) -> None:
    with desk(tmp_path, places=places(pause=5.0)) as edge:
        hold(edge)
        fail_over(edge)
        assert edge.group().at == "auckland"


def test_a_failback_by_a_ramp_is_refused_while_it_is_held_and_forced_in_one_step(tmp_path: Path) -> None:
    with desk(tmp_path, places=places(idle=0, failback=FailbackRules(ramp=(10, 100), hold=30))) as edge:
        fail_over(edge)
        hold(edge)
        with pytest.raises(Refused) as found:
            fail_back(edge)
        assert found.value.rule == "hold"
        fail_back(edge, force=True)
        assert report(edge).stage == "home"


def test_a_held_active_active_group_takes_nobody_back_until_it_is_released(edge: Desk) -> None:
    hold(edge, "api")
    edge.fail("wlg-1")
    restore_by_trials(edge, "wlg-1")
    edge.wait(20, step=1)
    assert edge.datacentre("wellington", "api") is OUT
    assert edge.group("api").datacentres["wellington"].cause == "nodes are back, the group is held: hold"
    release(edge, "api")
    edge.wait(1)
    assert edge.datacentre("wellington", "api") is SERVING


def flap(edge: Desk, node: str = "wlg-1") -> None:
    edge.fail(node)
    edge.wait(2, step=1)
    restore_by_trials(edge, node)
    edge.wait(12, step=1)


def test_a_restore_of_a_datacentre_that_flapped_brings_it_back_and_forgets_its_penalty(edge: Desk) -> None:
    flap(edge)
    flap(edge)
    assert edge.group("api").held == "penalty"
    assert edge.datacentre("wellington", "api") is OUT
    edge.restore(datacentre="wellington", group="api")
    edge.wait(1)
    assert edge.datacentre("wellington", "api") is SERVING
    assert (report(edge, "api").penalty, edge.group("api").held) == (0, "")


def test_what_is_not_held_cannot_be_released(edge: Desk) -> None:
    with pytest.raises(Unacceptable, match="website is not held"):
        release(edge)


def test_an_operator_s_own_doing_costs_no_points(edge: Desk) -> None:
    edge.drain("wlg-1", force=True)
    assert edge.datacentre("wellington", "api") is OUT
    assert report(edge, "api").penalty == 0


@pytest.mark.parametrize(
    ("kind", "target", "said"),
    [
        ("hold", {"node": "wlg-1"}, "a hold is of a group"),
        ("hold", {"datacentre": "auckland", "group": "api"}, "a hold is of a group"),
        ("drain", {"group": "api"}, "a whole group cannot be drained"),
        ("eject", {"group": "api"}, "a whole group cannot be ejected"),
        ("hold", {"group": "nope"}, "no group is called"),
    ],
)
def test_an_override_fits_what_it_is_of(edge: Desk, kind: Any, target: dict[str, str], said: str) -> None:
    with pytest.raises(Unacceptable, match=said):
        edge.keeper.override(kind, **target, owner="ops", reason="r")  # type: ignore[arg-type]


# Drains.


def drained(edge: Desk, group: str = "api") -> DatacentreStatus:
    return edge.group(group).datacentres["wellington"]


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Desk]:
    """`api` has affinity too."""
    made = places()
    api = replace(made.services["www"], name="api", group="api", hostnames=("api.example",), pinned={})
    with desk(tmp_path, places=replace(made, services={**made.services, "api": api})) as edge:
        yield edge


def test_clients_with_affinity_stay_in_a_datacentre_that_drains_for_a_while(both: Desk) -> None:
    both.drain(datacentre="wellington", group="api")
    assert drained(both).until == both.clock.wall() + 300
    both.keeper.count(0, {"bound": {"api": {"wellington": [1, 2]}}})
    both.wait(0.1)
    assert report(both, "api").stays == (Stay("wellington", 299.9, 2),)
    both.wait(69)
    assert drained(both).state is DatacentreState.DRAINING
    assert drained(both).until is None
    assert "drained wellington for api" in both.kinds()


def test_an_ejected_datacentre_keeps_nobody(both: Desk) -> None:
    both.drain(datacentre="wellington", group="api")
    both.wait(5)
    both.eject(datacentre="wellington", group="api")
    assert drained(both).state is DatacentreState.DRAINING
    assert drained(both).until is None
    assert report(both, "api").stays == ()


# Rules.


def with_rule(nearest: bool = False) -> Topology:
    made = topology(("wlg-1", "akl-1"))
    rule = Rule("canary", When(paths=("/",)), {} if nearest else {"wellington": 90.0, "auckland": 10.0}, nearest)
    website = replace(made.groups["website"], rules=(rule,), pause=0.0)
    return replace(made, groups={**made.groups, "website": website})


def test_weights_of_a_rule_are_set_beside_those_of_the_group(tmp_path: Path) -> None:
    with desk(tmp_path, places=with_rule()) as edge:
        edge.set_weights(wellington=70)
        of_rule = edge.keeper.set_weights("website", {"auckland": 20.0}, rule="canary", owner="ops", reason="r")
        assert of_rule.target == {"group": "website", "rule": "canary"}
        assert edge.group().weights == {"wellington": 70}
        assert edge.group().rules == {"canary": {"auckland": 20}}
        edge.keeper.set_weights("website", {"wellington": 80.0}, rule="canary", owner="ops", reason="r")
        assert edge.group().rules == {"canary": {"auckland": 20, "wellington": 80}}
        assert len(edge.keeper.overrides()) == 2
    with desk(tmp_path, places=with_rule()) as edge:
        assert edge.group().rules == {"canary": {"auckland": 20, "wellington": 80}}
    with desk(tmp_path, places=topology(("wlg-1", "akl-1"))) as edge:
        assert edge.group().rules == {}
        assert "override_dropped weights website canary" in edge.kinds()


def test_weights_of_a_rule_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with desk(tmp_path, places=with_rule()) as edge:
        with pytest.raises(Refused, match="rule canary of website would have no datacentre with weight"):
            edge.keeper.set_weights("website", {"wellington": 0, "auckland": 0}, rule="canary", owner="o", reason="r")
        with pytest.raises(Unacceptable, match="no rule of website is called 'canari'"):
            edge.keeper.set_weights("website", {"wellington": 1}, rule="canari", owner="o", reason="r")


def test_a_rule_that_goes_to_the_nearest_has_no_weights(tmp_path: Path) -> None:
    said = "goes to the nearest datacentre"
    with desk(tmp_path, places=with_rule(nearest=True)) as edge, pytest.raises(Unacceptable, match=said):
        edge.keeper.set_weights("website", {"wellington": 1}, rule="canary", owner="o", reason="r")


# Cold standby.


def test_a_cold_standby_that_does_not_answer_alarms_nobody(tmp_path: Path) -> None:
    with desk(tmp_path, places=alone(cold=True)) as edge:
        edge.fail("akl-1")
        edge.wait(60, step=1)
        assert edge.datacentre("auckland") is OUT
        assert edge.node("akl-1").state is not NodeState.SERVING
        assert edge.kinds() == []
        assert not edge.keeper.is_suspected("akl-1")
        assert report(edge).penalty == 0
        restore_by_trials(edge, "akl-1")
        edge.wait(11, step=1)
        assert edge.kinds()[-1] == "datacentre_serving auckland for website"


# Over a crash.


def test_a_move_goes_on_after_a_crash_and_a_reload(tmp_path: Path) -> None:
    clock = ManualClock()
    with desk(tmp_path, clock, places()) as edge:
        fail_over(edge)
        hold(edge)
        until = edge.group().leaving_until
    clock.advance(100)
    clock.start_monotonic_anew()
    with desk(tmp_path, clock, places()) as edge:
        assert (edge.group().at, edge.group().leaving, edge.group().leaving_until) == ("auckland", "wellington", until)
        assert edge.group().held == "hold"
        assert report(edge).stays == (Stay("wellington", 200.0, 0),)
        edge.keeper.reconfigure(places())
        assert (edge.group().at, edge.group().leaving) == ("auckland", "wellington")
        edge.keeper.count(0, {"bound": {"website": {"wellington": [1]}}})
        for _ in range(21):
            edge.wait(10, step=1)
            edge.keeper.count(0, {"bound": {"website": {"wellington": [1]}}})
        assert report(edge).stage == "away"


def test_a_state_file_of_before_groups_moved_is_read(tmp_path: Path) -> None:
    with desk(tmp_path, places=places()) as edge:
        edge.drain("akl-1", force=True)
        edge.state.save({name: value for name, value in edge.state.load().items() if name != "groups"})
    with desk(tmp_path, places=places()) as edge:
        assert edge.node("akl-1").drained
        assert edge.group().at == ""


def test_a_place_that_the_order_has_lost_is_left_for_home_and_somebody_is_told(tmp_path: Path) -> None:
    with desk(tmp_path, places=places()) as edge:
        fail_over(edge)
    with desk(tmp_path, places=places(order=("wellington",))) as edge:
        assert edge.group().at == ""
        assert "group_moved website" in edge.kinds()
