from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping

import pytest

from steer.steering.choose import Load, choose, choose_next
from steer.steering.model import Group, Refusal, Service, Topology, Verdict
from steer.steering.snapshot import DatacentreStatus, NodeState, NodeStatus, Snapshot
from steer.steering.tables import Tables
from tests.steering.towns import (
    AUCKLAND,
    DRAINING,
    EJECTED,
    OUT,
    WELLINGTON,
    request_for,
    snapshot,
    tables_of,
    town,
)

NOW = 1000.0


class Edge:
    """Tables, load and dice of one worker, so that a test says only what it is about."""

    def __init__(self, topology: Topology, state: Snapshot | None = None, seed: int = 1) -> None:
        self.tables: Tables = tables_of(topology, state, now=NOW)
        self.load = Load(len(topology.nodes))
        self.dice = random.Random(seed)
        self.nodes = {node.name: node for node in topology.nodes}

    def choose(self, host: str = "www.agency.example", *, retriable: bool = True) -> Verdict | Refusal:
        return choose(self.tables, request_for(self.tables, host, retriable=retriable), self.load, NOW, self.dice)

    def next(self, *tried: str, host: str = "www.agency.example") -> Verdict | Refusal:
        nodes = [self.nodes[name] for name in tried]
        return choose_next(self.tables, request_for(self.tables, host), nodes, self.load, NOW, self.dice)

    def avoid(self, *names: str) -> None:
        for name in names:
            self.load.avoid_until[self.nodes[name].index] = NOW + 1

    def fill(self, *names: str, up_to: int = 320) -> None:
        for name in names:
            self.load.in_flight[self.nodes[name].index] = up_to


def told(answer: Verdict | Refusal) -> tuple[str, tuple[str, ...]]:
    """The node or the refusal, and the reasons."""
    return (answer.name if isinstance(answer, Refusal) else answer.node.name), answer.reasons


# Weights...


@pytest.mark.parametrize("weights", [{WELLINGTON: 50, AUCKLAND: 50}, {WELLINGTON: 90, AUCKLAND: 10}])
@pytest.mark.parametrize("workers", [1, 2])
def test_over_100_000_requests_the_split_is_within_half_a_point(weights: Mapping[str, float], workers: int) -> None:
    edges = [Edge(town(2, 2, weights=weights), seed=7 + worker) for worker in range(workers)]
    throws = 100_000 // workers
    counts: Counter[str] = Counter()
    for edge in edges:
        request = request_for(edge.tables)
        for _ in range(throws):
            verdict = choose(edge.tables, request, edge.load, NOW, edge.dice)
            assert isinstance(verdict, Verdict)
            counts[verdict.node.datacentre] += 1
    shares = {datacentre: 100 * n / counts.total() for datacentre, n in counts.items()}
    assert shares == pytest.approx(dict(weights), abs=0.5)


def test_the_reason_of_plain_traffic_is_its_weights() -> None:
    answer = Edge(town()).choose()
    assert answer.reasons == ("weights",)


def test_the_same_verdict_is_used_again_so_that_the_common_case_allocates_nothing() -> None:
    edge = Edge(town(1, 0))
    assert edge.choose() is edge.choose()


def test_an_ejected_node_gets_nothing() -> None:
    edge = Edge(town(), snapshot({"wlg-1": EJECTED}))
    assert {told(edge.choose())[0] for _ in range(100)} == {"akl-1"}


def test_while_a_datacentre_ramps_the_verdict_says_so() -> None:
    edge = Edge(town(1, 0), snapshot(datacentres={WELLINGTON: DatacentreStatus(ramp_from=NOW - 1)}))
    assert told(edge.choose()) == ("wlg-1", ("ramp", "weights"))


# A worker's own view...


def test_a_node_that_this_worker_avoids_is_passed_over_for_another_of_its_datacentre() -> None:
    edge = Edge(town(2, 0))
    edge.avoid("wlg-1")
    answers = {told(edge.choose()) for _ in range(100)}
    assert answers == {("wlg-2", ("weights",)), ("wlg-2", ("weights", "avoided"))}


def test_the_only_node_of_a_datacentre_is_passed_over_for_the_other_datacentre() -> None:
    edge = Edge(town())
    edge.avoid("wlg-1")
    assert {told(edge.choose())[0] for _ in range(100)} == {"akl-1"}


def test_avoided_nodes_are_chosen_when_there_is_nothing_else() -> None:
    edge = Edge(town())
    edge.avoid("wlg-1", "akl-1")
    assert {told(edge.choose()) for _ in range(100)} == {("wlg-1", ("weights",)), ("akl-1", ("weights",))}


def test_a_datacentre_of_weight_0_does_not_take_what_is_only_avoided_or_busy() -> None:
    edge = Edge(town(weights={WELLINGTON: 100, AUCKLAND: 0}))
    edge.avoid("wlg-1")
    assert told(edge.choose()) == ("wlg-1", ("weights",))
    edge.fill("wlg-1")
    assert told(edge.choose()) == ("busy", ("weights", "busy"))


def test_a_full_node_is_passed_over_and_when_all_are_full_the_edge_is_busy() -> None:
    edge = Edge(town(2, 1, max_connections=10, max_pending=2))
    edge.fill("wlg-1", "akl-1", up_to=12)
    assert {told(edge.choose())[0] for _ in range(100)} == {"wlg-2"}
    edge.fill("wlg-2", up_to=11)
    assert told(edge.choose())[0] == "wlg-2"
    edge.fill("wlg-2", up_to=12)
    assert told(edge.choose()) == ("busy", ("weights", "busy"))


def test_of_three_datacentres_the_others_share_what_one_cannot_take() -> None:
    edge = Edge(three_towns())
    edge.avoid("a")
    counts = Counter(told(edge.choose())[0] for _ in range(4000))
    assert counts["a"] == 0
    assert counts["b"] / counts.total() == pytest.approx(0.75, abs=0.03)


def three_towns() -> Topology:
    """Nodes a, b, c in datacentres A, B, C with weights 1, 3, 1."""
    base = town(3, 0)
    nodes = tuple(type(n)(n.index, name.lower(), "web", name) for n, name in zip(base.nodes, "ABC", strict=True))
    pool = type(base.pools["web"])("web", nodes)
    group = Group("website", {"A": 1, "B": 3, "C": 1}, ("web",), ("web",))
    return Topology(("A", "B", "C"), nodes, {"web": pool}, {"website": group}, base.services)


# Nothing is usable...


def test_the_serving_datacentre_of_weight_0_takes_over() -> None:
    edge = Edge(town(weights={WELLINGTON: 100, AUCKLAND: 0}), snapshot(datacentres={WELLINGTON: OUT}))
    assert told(edge.choose()) == ("akl-1", ("no_weight_left",))


def test_a_held_node_is_tried() -> None:
    held = NodeStatus(NodeState.EJECTED, times=1, held=True)
    edge = Edge(town(), snapshot({"wlg-1": EJECTED, "akl-1": held}, {WELLINGTON: OUT, AUCKLAND: OUT}))
    assert told(edge.choose()) == ("akl-1", ("held",))
    edge.avoid("akl-1")
    assert told(edge.choose()) == ("wlg-1", ("try_all",))


def test_when_all_are_out_all_expected_nodes_are_tried_the_least_failing_first() -> None:
    state = snapshot(
        {"wlg-1": NodeStatus(NodeState.EJECTED, times=2), "akl-1": NodeStatus(NodeState.EJECTED, times=1)},
        {WELLINGTON: OUT, AUCKLAND: OUT},
    )
    edge = Edge(town(), state)
    assert told(edge.choose()) == ("akl-1", ("try_all",))
    assert told(edge.next("akl-1")) == ("wlg-1", ("try_all", "retry_other_datacentre"))
    assert told(edge.next("akl-1", "wlg-1")) == ("no_node", ("no_node",))


def test_a_draining_datacentre_is_not_tried_even_when_nothing_else_is_left() -> None:
    edge = Edge(town(), snapshot({"wlg-1": EJECTED}, {WELLINGTON: OUT, AUCKLAND: DRAINING}))
    assert told(edge.choose()) == ("wlg-1", ("try_all",))
    assert told(edge.next("wlg-1")) == ("no_node", ("no_node",))


def test_with_a_page_for_none_there_is_no_node() -> None:
    edge = Edge(town(try_all=False), snapshot({"wlg-1": EJECTED, "akl-1": EJECTED}))
    assert told(edge.choose()) == ("no_node", ("no_node",))


def test_full_nodes_of_the_last_resort_are_busy_and_not_absent() -> None:
    edge = Edge(town(), snapshot({"wlg-1": EJECTED, "akl-1": EJECTED}))
    edge.fill("wlg-1", "akl-1")
    assert told(edge.choose()) == ("busy", ("busy",))


# Trials...


def probing(trial: int = 5, worker: int = 0) -> Snapshot:
    return snapshot({"wlg-1": NodeStatus(NodeState.PROBING, trial=trial, trial_worker=worker)}, {WELLINGTON: OUT})


def test_one_request_that_can_be_sent_again_is_the_trial() -> None:
    edge = Edge(town(), probing())
    first = edge.choose()
    assert isinstance(first, Verdict)
    assert (first.node.name, first.reason, first.trial) == ("wlg-1", "trial", 5)
    assert {told(edge.choose()) for _ in range(50)} == {("akl-1", ("weights",))}


def test_a_request_that_cannot_be_sent_again_is_no_trial() -> None:
    edge = Edge(town(), probing())
    assert told(edge.choose(retriable=False)) == ("akl-1", ("weights",))


def test_a_trial_goes_whatever_the_weight() -> None:
    edge = Edge(town(weights={WELLINGTON: 0, AUCKLAND: 100}), probing())
    assert told(edge.choose()) == ("wlg-1", ("trial",))


def test_a_trial_that_failed_is_tried_again_in_the_other_datacentre() -> None:
    edge = Edge(town(), probing())
    edge.choose()
    assert told(edge.next("wlg-1")) == ("akl-1", ("retry_other_datacentre",))


def test_a_full_node_gets_no_trial() -> None:
    edge = Edge(town(), probing())
    edge.fill("wlg-1")
    assert told(edge.choose()) == ("akl-1", ("weights",))


# Retries...


def test_a_retry_goes_to_another_node_of_the_same_datacentre_first() -> None:
    edge = Edge(town(2, 2))
    assert told(edge.next("wlg-1")) == ("wlg-2", ("retry_same_datacentre",))
    assert told(edge.next("akl-2")) == ("akl-1", ("retry_same_datacentre",))


def test_then_it_goes_to_another_datacentre_and_then_there_is_no_node() -> None:
    edge = Edge(town(2, 1))
    assert told(edge.next("wlg-1", "wlg-2")) == ("akl-1", ("retry_other_datacentre",))
    assert told(edge.next("wlg-1", "wlg-2", "akl-1")) == ("no_node", ("no_node",))


def test_a_retry_does_not_go_to_an_ejected_node_while_a_datacentre_is_usable() -> None:
    edge = Edge(town(2, 1), snapshot({"wlg-2": EJECTED}))
    assert told(edge.next("wlg-1")) == ("akl-1", ("retry_other_datacentre",))
    assert told(edge.next("wlg-1", "akl-1")) == ("no_node", ("no_node",))


@pytest.mark.parametrize("status", [OUT, DRAINING])
def test_a_retry_never_goes_to_a_datacentre_that_the_group_may_not_use(status: DatacentreStatus) -> None:
    edge = Edge(town(2, 2), snapshot(datacentres={AUCKLAND: status}))
    assert told(edge.next("wlg-1", "wlg-2")) == ("no_node", ("no_node",))
    assert told(edge.next("akl-1"))[1] == ("retry_other_datacentre",)


def test_a_retry_may_go_to_a_serving_datacentre_of_weight_0_last() -> None:
    edge = Edge(town(2, 1, weights={WELLINGTON: 100, AUCKLAND: 0}))
    assert told(edge.next("wlg-1")) == ("wlg-2", ("retry_same_datacentre",))
    assert told(edge.next("wlg-1", "wlg-2")) == ("akl-1", ("retry_other_datacentre",))


def test_a_retry_prefers_a_node_that_is_not_avoided_wherever_it_is() -> None:
    edge = Edge(town(2, 1))
    edge.avoid("wlg-2")
    assert told(edge.next("wlg-1")) == ("akl-1", ("retry_other_datacentre",))
    assert told(edge.next("wlg-1", "akl-1")) == ("wlg-2", ("retry_other_datacentre",))


def test_a_retry_that_finds_only_full_nodes_is_busy() -> None:
    edge = Edge(town(1, 1))
    edge.fill("akl-1")
    assert told(edge.next("wlg-1")) == ("busy", ("busy",))


# Pinned hostnames...


@pytest.mark.parametrize("status", [OUT, DRAINING])
def test_a_pinned_hostname_reaches_its_datacentre_whatever_its_state(status: DatacentreStatus) -> None:
    edge = Edge(town(), snapshot({"akl-1": EJECTED}, {AUCKLAND: status}))
    assert told(edge.choose("stack-dr.example")) == ("akl-1", ("pinned",))


def test_a_pinned_hostname_prefers_an_available_node() -> None:
    edge = Edge(town(1, 3), snapshot({"akl-1": EJECTED, "akl-3": NodeStatus(drained=True)}))
    assert {told(edge.choose("stack-dr.example"))[0] for _ in range(50)} == {"akl-2"}


def test_a_pinned_hostname_never_leaves_its_datacentre() -> None:
    edge = Edge(town(2, 2))
    assert told(edge.next("akl-1", host="stack-dr.example")) == ("akl-2", ("pinned", "retry_same_datacentre"))
    assert told(edge.next("akl-1", "akl-2", host="stack-dr.example")) == ("no_node_here", ("pinned",))


def test_a_pinned_hostname_without_nodes_there_is_refused_with_no_node_here() -> None:
    edge = Edge(town(1, 0))
    assert told(edge.choose("stack-dr.example")) == ("no_node_here", ("pinned", "no_node_here"))


def test_a_pinned_hostname_is_refused_to_clients_outside_its_networks() -> None:
    edge = Edge(town(allow=("10.0.0.0/8",)))
    assert told(edge.choose("stack.example")) == ("not_allowed", ("pinned", "not_allowed"))


def test_a_pinned_hostname_is_busy_when_its_nodes_are_full() -> None:
    edge = Edge(town())
    edge.fill("akl-1")
    assert told(edge.choose("stack-dr.example")) == ("busy", ("pinned", "busy"))


def test_a_pinned_hostname_carries_no_trial() -> None:
    edge = Edge(town(), probing())
    assert told(edge.choose("stack.example")) == ("wlg-1", ("pinned",))
    assert edge.load.trials_used == []


def test_a_service_may_route_to_a_pool_that_its_group_does_not_list() -> None:
    base = town()
    services = {"www": Service("www", "bare", ("www.agency.example",), base.services["www"].routes)}
    groups = {"bare": Group("bare", {WELLINGTON: 1}, (), ())}
    edge = Edge(Topology(base.datacentres, base.nodes, base.pools, groups, services))
    assert told(edge.choose()) == ("wlg-1", ("weights",))
