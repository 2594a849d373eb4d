"""What holds for any snapshot whatever."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from steer.steering.choose import Load, choose, choose_next
from steer.steering.model import Node, Refusal, Topology, Verdict
from steer.steering.snapshot import DatacentreState, DatacentreStatus, NodeState, NodeStatus, Snapshot
from tests.steering.towns import AUCKLAND, WELLINGTON, request_for, snapshot, tables_of, town

REFUSALS = {"no_node", "no_node_here", "busy", "not_allowed"}
PLAIN_HOST, PINNED_HOST = "www.agency.example", "stack-dr.example"

weight = st.sampled_from([0, 1, 50, 99.5])
node_status = st.builds(
    NodeStatus,
    state=st.sampled_from(NodeState),
    times=st.integers(0, 3),
    ramp_from=st.none() | st.floats(0, 200),
    drained=st.booleans(),
    held=st.booleans(),
    trial=st.integers(0, 3),
    trial_worker=st.integers(-1, 1),
)
datacentre_status = st.builds(
    DatacentreStatus, state=st.sampled_from(DatacentreState), ramp_from=st.none() | st.floats(0, 200)
)


@st.composite
def situations(draw: st.DrawFn) -> tuple[Topology, Snapshot, Load]:
    topology = town(
        draw(st.integers(0, 3)),
        draw(st.integers(0, 3)),
        weights={WELLINGTON: draw(weight), AUCKLAND: draw(weight)},
        algorithm=draw(st.sampled_from(["least_requests", "round_robin", "random"])),
        try_all=draw(st.booleans()),
        max_connections=2,
        max_pending=1,
    )
    names = [node.name for node in topology.nodes]
    nodes = {name: draw(node_status) for name in names}
    state = snapshot(nodes, {name: draw(datacentre_status) for name in (WELLINGTON, AUCKLAND)})
    load = Load(len(names))
    load.in_flight = [draw(st.integers(0, 3)) for _ in names]
    load.avoid_until = [draw(st.sampled_from([0.0, 200.0])) for _ in names]
    return topology, state, load


def may_go(node: Node, state: Snapshot, verdict: Verdict) -> bool:
    """Whether the group may use the node's datacentre for this reason."""
    datacentre = state.groups["website"].datacentres[node.datacentre].state
    if datacentre is DatacentreState.DRAINING or state.nodes[node.name].drained:
        return False
    if datacentre is DatacentreState.OUT:
        return verdict.reasons[0] in ("trial", "held", "try_all")
    return True


def is_apt(node: Node, state: Snapshot, verdict: Verdict) -> bool:
    """Whether the node's own state fits the reason."""
    status = state.nodes[node.name]
    if verdict.trial:
        return status.state is NodeState.PROBING and verdict.trial == status.trial
    if verdict.reasons[0] in ("held", "try_all"):
        return status.held == (verdict.reasons[0] == "held")
    return status.state is NodeState.SERVING


@given(situations(), st.integers(0, 1000), st.booleans())
def test_for_any_snapshot_every_try_is_an_allowed_node_or_a_named_refusal(
    situation: tuple[Topology, Snapshot, Load], seed: int, retriable: bool
) -> None:
    topology, state, load = situation
    tables, dice = tables_of(topology, state, now=100.0), random.Random(seed)
    request = request_for(tables, PLAIN_HOST, retriable=retriable)
    tried: list[Node] = []
    answer = choose(tables, request, load, 100.0, dice)
    while isinstance(answer, Verdict):
        assert answer.node not in tried
        assert may_go(answer.node, state, answer)
        assert is_apt(answer.node, state, answer)
        assert load.in_flight[answer.node.index] < 3
        assert retriable or not answer.trial
        tried.append(answer.node)
        answer = choose_next(tables, request, tried, load, 100.0, dice)
    assert isinstance(answer, Refusal)
    assert answer.name in REFUSALS


@given(situations(), st.integers(0, 1000))
def test_for_any_snapshot_a_pinned_hostname_stays_in_its_datacentre(
    situation: tuple[Topology, Snapshot, Load], seed: int
) -> None:
    topology, state, load = situation
    tables, dice = tables_of(topology, state, now=100.0), random.Random(seed)
    request = request_for(tables, PINNED_HOST)
    tried: list[Node] = []
    answer = choose(tables, request, load, 100.0, dice)
    while isinstance(answer, Verdict):
        assert answer.node.datacentre == AUCKLAND
        assert not answer.trial
        tried.append(answer.node)
        answer = choose_next(tables, request, tried, load, 100.0, dice)
    there = [node for node in topology.nodes if node.datacentre == AUCKLAND]
    assert set(tried) == {node for node in there if load.in_flight[node.index] < 3}


@given(situations(), st.integers(0, 1000))
def test_a_request_is_refused_only_when_no_node_that_it_may_use_is_free(
    situation: tuple[Topology, Snapshot, Load], seed: int
) -> None:
    topology, state, load = situation
    tables = tables_of(topology, state, now=100.0)
    answer = choose(tables, request_for(tables), load, 100.0, random.Random(seed))
    plan = tables.plan("website", "web")
    offered = [slot for site in plan.sites for slot in site.nodes.slots]
    offered += [slot for tier in plan.tiers for slot in tier.slots]
    free = [slot for slot in offered if not load.is_full(slot)]
    if isinstance(answer, Refusal):
        assert not free
        assert (answer.name == "busy") == bool(offered)
