"""What holds for groups of every kind, wherever they are and whatever their clients bring."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steer.steering.choose import Load, choose, choose_next
from steer.steering.explain import explain
from steer.steering.model import (
    NOWHERE,
    Bound,
    FieldTest,
    GroupMode,
    Node,
    OnLoss,
    Place,
    Rule,
    Topology,
    Verdict,
    When,
)
from steer.steering.permission import may_still_go
from steer.steering.snapshot import DatacentreState, DatacentreStatus, GroupStatus, NodeState, NodeStatus, Snapshot
from tests.steering.towns import (
    AUCKLAND,
    WELLINGTON,
    Request,
    hashed,
    request_for,
    tables_of,
    town,
    with_affinity,
    with_group,
)

REFUSALS = {"no_node", "no_node_here", "busy"}
PLACES = (WELLINGTON, AUCKLAND, "hamilton")
weight = st.sampled_from([0, 1, 50, 99.5])
percents = st.dictionaries(st.sampled_from(PLACES), st.sampled_from([0.0, 25.0, 75.0]), max_size=3)
rules = st.builds(
    Rule,
    name=st.sampled_from(["one", "two"]),
    when=st.just(When()) | st.just(When(field=FieldTest("x-beta", equals="1"))),
    weights=percents,
    nearest=st.booleans(),
)
node_statuses = st.builds(
    NodeStatus,
    state=st.sampled_from(NodeState),
    times=st.integers(0, 3),
    ramp_from=st.none() | st.floats(0, 200),
    drained=st.booleans(),
    held=st.booleans(),
    trial=st.integers(0, 3),
    trial_worker=st.integers(-1, 1),
)
datacentre_statuses = st.builds(
    DatacentreStatus,
    state=st.sampled_from(DatacentreState),
    ramp_from=st.none() | st.floats(0, 200),
    until=st.none() | st.just(900.0),
)
requests = st.fixed_dictionaries(
    {
        "bound": st.none()
        | st.builds(Bound, st.sampled_from([*PLACES, "gone"]), st.sampled_from(["", "wlg-1", "akl-1", "akl-2", "old"])),
        "key": st.sampled_from(["", "talk"]),
        "retriable": st.booleans(),
        "idempotent": st.booleans(),
        "place": st.sampled_from([NOWHERE, Place("NZ", location=(-35.0, 173.0))]),
        "fields": st.sampled_from([{}, {"x-beta": "1"}]),
    }
)


@st.composite
def towns(draw: st.DrawFn) -> Topology:
    """Two datacentres and a third without nodes; any mode, rules, affinity and algorithm."""
    topology = town(
        draw(st.integers(0, 2)), draw(st.integers(0, 2)), try_all=draw(st.booleans()), max_connections=2, max_pending=1
    )
    mode = draw(st.sampled_from(GroupMode))
    is_active = mode is GroupMode.ACTIVE_ACTIVE
    topology = with_group(
        topology,
        mode=mode,
        weights={name: draw(weight) for name in PLACES} if is_active else {},
        order=() if is_active else tuple(draw(st.permutations(PLACES))[: draw(st.integers(1, 3))]),
        rules=tuple(draw(st.lists(rules, max_size=2))),
        stable=draw(st.booleans()),
        spill=draw(st.booleans()),
        trickle=draw(st.sampled_from([0.0, 0.5])),
        cold=draw(st.booleans()),
    )
    topology = replace(topology, locations={WELLINGTON: (-41.29, 174.78), AUCKLAND: (-36.85, 174.76)})
    if draw(st.booleans()):
        topology = with_affinity(topology, draw(st.sampled_from(OnLoss)))
    return hashed(topology, "client") if draw(st.booleans()) else topology


@st.composite
def snapshots(draw: st.DrawFn, topology: Topology) -> Snapshot:
    nodes = {node.name: draw(node_statuses) for node in topology.nodes}
    status = GroupStatus(
        weights=draw(percents) if topology.groups["website"].mode is GroupMode.ACTIVE_ACTIVE else {},
        rules=draw(st.dictionaries(st.sampled_from(["one", "two"]), percents, max_size=1)),
        datacentres={name: draw(datacentre_statuses) for name in PLACES},
        at=draw(st.sampled_from(["", *PLACES, "gone"])),
        arriving=draw(percents),
        leaving=draw(st.sampled_from(["", *PLACES])),
        leaving_until=draw(st.none() | st.just(900.0)),
    )
    return Snapshot(1, nodes, {"website": status})


class Law:
    """Where a group may go, told anew from the words of the design."""

    def __init__(self, topology: Topology, state: Snapshot) -> None:
        self.group, self.status = topology.groups["website"], state.groups["website"]
        order = self.group.order
        self.is_active = self.group.mode is GroupMode.ACTIVE_ACTIVE
        self.at = "" if self.is_active else self.status.at if self.status.at in order else order[0]
        self.arriving = {name for name, percent in self.status.arriving.items() if percent > 0 and name in order}

    def is_draining(self, name: str) -> bool:
        return self.status.datacentres[name].state is DatacentreState.DRAINING

    def for_new_clients(self) -> set[str]:
        if self.is_active:
            return {name for name in PLACES if not self.is_draining(name)}
        places = set(self.group.order) if self.group.spill else self.arriving or {self.at}
        return {name for name in places if not self.is_draining(name)}

    def may_stay(self, name: str) -> bool:
        """Of a client that is bound there."""
        if name not in self.group.datacentres:
            return False
        if not self.is_active and name == self.status.leaving and self.status.leaving_until is not None:
            return True
        is_used = self.is_active or self.group.spill or name == self.at or name in self.arriving
        return is_used and (not self.is_draining(name) or self.status.datacentres[name].until is not None)

    def may_trickle(self, name: str) -> bool:
        is_on = bool(self.group.trickle) and not self.group.cold and not self.arriving and not self.is_active
        return is_on and name in self.group.order and not self.is_draining(name)


def is_strict(request: Request) -> bool:
    affinity = request.entry.affinity
    return affinity is not None and affinity.on_loss is OnLoss.STRICT and request.bound is not None


@given(st.data(), towns(), requests, st.integers(0, 1000))
def test_no_try_ever_reaches_a_datacentre_that_the_group_may_not_use(
    data: st.DataObject, topology: Topology, facts: dict[str, Any], seed: int
) -> None:
    state = data.draw(snapshots(topology))
    law = Law(topology, state)
    tables, dice, load = tables_of(topology, state, now=100.0), random.Random(seed), Load(len(topology.nodes))
    load.in_flight = [data.draw(st.integers(0, 3)) for _ in topology.nodes]
    request = replace(request_for(tables), **facts)
    bound = request.bound if request.entry.affinity else None
    tried: list[Node] = []
    answer = choose(tables, request, load, 100.0, dice)
    while isinstance(answer, Verdict):
        there = answer.node.datacentre
        is_proof = answer.reason in ("trickle", "trial") and request.idempotent and law.may_trickle(there)
        stays = bound is not None and bound.datacentre == there and law.may_stay(there)
        assert there in law.for_new_clients() or is_proof or stays
        assert answer.node not in tried
        assert load.in_flight[answer.node.index] < 3
        assert not state.nodes[answer.node.name].drained
        assert not is_strict(request) or (bound is not None and there == bound.datacentre)
        tried.append(answer.node)
        answer = choose_next(tables, request, tried, load, 100.0, dice)
    assert answer.name in REFUSALS


@given(st.data(), towns(), requests)
def test_what_waited_goes_on_where_it_may_and_nowhere_else(
    data: st.DataObject, topology: Topology, facts: dict[str, Any]
) -> None:
    tables, load = tables_of(topology, data.draw(snapshots(topology)), now=100.0), Load(len(topology.nodes))
    request = replace(request_for(tables), **facts)
    verdict = choose(tables, request, load, 100.0, random.Random(1))
    if not isinstance(verdict, Verdict):
        return
    assert may_still_go(tables, request, verdict)
    later = data.draw(snapshots(topology))
    if may_still_go(tables_of(topology, later, now=100.0), request, verdict):
        law, there = Law(topology, later), verdict.node.datacentre
        bound = request.bound if request.entry.affinity else None
        stays = bound is not None and bound.datacentre == there and law.may_stay(there)
        is_proof = verdict.reason in ("trickle", "trial") and law.may_trickle(there)
        assert there in law.for_new_clients() or stays or is_proof


@given(st.data(), towns(), requests, st.integers(0, 1000))
def test_nor_does_one_after_the_state_has_changed_since_the_try_before(
    data: st.DataObject, topology: Topology, facts: dict[str, Any], seed: int
) -> None:
    dice, load = random.Random(seed), Load(len(topology.nodes))
    tables = tables_of(topology, data.draw(snapshots(topology)), now=100.0)
    request = replace(request_for(tables), **facts)
    bound = request.bound if request.entry.affinity else None
    tried: list[Node] = []
    answer = choose(tables, request, load, 100.0, dice)
    while isinstance(answer, Verdict):
        tried.append(answer.node)
        state = data.draw(snapshots(topology))
        law = Law(topology, state)
        answer = choose_next(tables_of(topology, state, now=100.0), request, tried, load, 100.0, dice)
        if isinstance(answer, Verdict):
            there = answer.node.datacentre
            stays = bound is not None and bound.datacentre == there and law.may_stay(there)
            assert there in law.for_new_clients() or stays
            assert answer.node not in tried
            assert not state.nodes[answer.node.name].drained
            assert not is_strict(request) or (bound is not None and there == bound.datacentre)
    assert answer.name in REFUSALS


@given(st.data(), towns(), st.sampled_from([WELLINGTON, AUCKLAND]))
def test_a_client_stays_where_it_may_as_long_as_a_node_there_can_take_it(
    data: st.DataObject, topology: Topology, home: str
) -> None:
    topology = with_affinity(topology, data.draw(st.sampled_from(OnLoss)))
    state = data.draw(snapshots(topology))
    tables, group = tables_of(topology, state, now=100.0), topology.groups["website"]
    here = [state.nodes[node.name] for node in topology.nodes if node.datacentre == home]
    can_take_it = any(status.state is NodeState.SERVING and not status.drained for status in here)
    is_out = state.groups["website"].datacentres[home].state is DatacentreState.OUT
    moves_when_out = group.mode is GroupMode.ACTIVE_ACTIVE or group.spill or Law(topology, state).arriving
    request = replace(request_for(tables), bound=Bound(home, "wlg-1"))
    answer = choose(tables, request, Load(len(topology.nodes)), 100.0, random.Random(1))
    if can_take_it and Law(topology, state).may_stay(home) and not (is_out and moves_when_out):
        assert isinstance(answer, Verdict)
        assert answer.node.datacentre == home


@given(st.data(), towns())
def test_the_shares_of_a_plan_and_of_each_rule_sum_to_100_percent(data: st.DataObject, topology: Topology) -> None:
    plan = tables_of(topology, data.draw(snapshots(topology)), now=100.0).plan("website", "web")
    for each in (plan, *(branch.plan for branch in plan.branches)):
        assert sum(site.share for site in each.sites) == pytest.approx(1.0 if each.sites else 0.0)
        assert bool(each.sites) == bool(plan.sites)


@given(st.data(), towns(), requests)
def test_whatever_is_decided_can_be_explained(data: st.DataObject, topology: Topology, facts: dict[str, Any]) -> None:
    tables = tables_of(topology, data.draw(snapshots(topology)), now=100.0)
    request = replace(request_for(tables), **facts)
    told = explain(tables, request, Load(len(topology.nodes)), 100.0, random.Random(1))
    assert json.loads(json.dumps(told)) == told
    assert all(step["because"] for step in told["steps"])
    if "refused" not in told["verdict"]:
        assert told["verdict"]["reason"] in {
            *(step["step"] for step in told["steps"] if step["taken"]),
            "affinity_other_node",
            "learned",
        }
