"""Affinity, and groups that are at one datacentre: who may stay, who must go, and who is refused."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from steer.steering.choose import Load, choose, choose_next
from steer.steering.model import Bound, OnLoss, Refusal, Topology, Verdict
from steer.steering.snapshot import DatacentreState, DatacentreStatus, NodeState, NodeStatus, Snapshot
from tests.steering.towns import (
    AUCKLAND,
    DRAINING,
    EJECTED,
    OUT,
    WELLINGTON,
    passive,
    positioned,
    request_for,
    snapshot,
    tables_of,
    town,
    with_affinity,
)

AT_HOME = Bound(AUCKLAND, "akl-1")
KEEPS = DatacentreStatus(DatacentreState.DRAINING, until=900.0)


def asked(
    topology: Topology,
    state: Snapshot | None = None,
    *,
    load: Load | None = None,
    tried: tuple[int, ...] = (),
    **facts: Any,
) -> Verdict | Refusal:
    tables = tables_of(topology, state)
    request = replace(request_for(tables), **facts)
    load, dice = load or Load(len(topology.nodes)), random.Random(2)
    if tried:
        return choose_next(tables, request, [topology.nodes[i] for i in tried], load, 0.0, dice)
    return choose(tables, request, load, 0.0, dice)


def told(answer: Verdict | Refusal) -> tuple[str, tuple[str, ...]]:
    return (answer.name if isinstance(answer, Refusal) else answer.node.name), answer.reasons


def test_a_client_stays_on_its_node_whatever_the_weight() -> None:
    topology = with_affinity(town(2, 2, weights={WELLINGTON: 100, AUCKLAND: 0}))
    assert told(asked(topology, bound=AT_HOME)) == ("akl-1", ("affinity",))
    assert told(asked(topology)) in (("wlg-1", ("weights",)), ("wlg-2", ("weights",)))


def test_else_it_goes_to_another_node_of_its_datacentre() -> None:
    topology = with_affinity(town(2, 2))
    gone = snapshot({"akl-1": EJECTED})
    assert told(asked(topology, gone, bound=AT_HOME)) == ("akl-2", ("affinity_other_node",))
    load = Load(4)
    load.in_flight[2] = 1000
    assert told(asked(topology, load=load, bound=AT_HOME)) == ("akl-2", ("affinity_other_node",))
    load.in_flight[2], load.avoid_until[2] = 0, 5.0
    assert told(asked(topology, load=load, bound=AT_HOME)) == ("akl-2", ("affinity_other_node",))
    load.avoid_until[3] = 5.0
    assert asked(topology, load=load, bound=AT_HOME).reasons[0].startswith("affinity")


def test_where_any_node_will_do_each_is_its_own() -> None:
    topology = with_affinity(town(1, 2))
    assert asked(topology, bound=Bound(AUCKLAND)).reasons == ("affinity",)
    # A node of another pool of the same service says where the client is, and nothing of this pool.
    assert asked(topology, bound=Bound(AUCKLAND, "files-1")).reasons == ("affinity",)


def test_a_client_of_a_lost_datacentre_is_as_a_new_one() -> None:
    topology = with_affinity(town())
    for state in (snapshot({"akl-1": EJECTED}), snapshot(datacentres={AUCKLAND: OUT})):
        assert told(asked(topology, state, bound=AT_HOME)) == ("wlg-1", ("affinity_lost", "weights"))
    assert told(asked(topology, bound=Bound("elsewhere", "gone-1")))[1] == ("affinity_lost", "weights")


def test_a_strict_client_of_a_lost_datacentre_is_refused_and_no_retry_takes_it_elsewhere() -> None:
    topology = with_affinity(town(1, 2), OnLoss.STRICT)
    answer = asked(topology, snapshot(datacentres={AUCKLAND: OUT}), bound=AT_HOME)
    assert told(answer) == ("no_node_here", ("affinity_lost", "strict"))
    assert isinstance(answer, Refusal)
    assert answer.why == "the client belongs to auckland, which cannot take it, and must not go elsewhere"
    assert told(asked(topology, bound=AT_HOME, tried=(1,))) == ("akl-2", ("retry_same_datacentre",))
    assert told(asked(topology, bound=AT_HOME, tried=(1, 2))) == ("no_node_here", ("affinity_lost", "strict"))


def test_a_strict_client_whose_datacentre_is_full_is_told_to_come_back_soon() -> None:
    load = Load(2)
    load.in_flight[1] = 1000
    topology = with_affinity(town(), OnLoss.STRICT)
    assert told(asked(topology, load=load, bound=AT_HOME)) == ("busy", ("strict", "busy"))


def test_a_draining_datacentre_keeps_its_clients_for_as_long_as_it_says() -> None:
    topology = with_affinity(town(1, 2))
    assert told(asked(topology, snapshot(datacentres={AUCKLAND: KEEPS}), bound=AT_HOME)) == (
        "akl-1",
        ("leaving", "affinity"),
    )
    lost = asked(topology, snapshot(datacentres={AUCKLAND: DRAINING}), bound=AT_HOME)
    assert told(lost) == ("wlg-1", ("affinity_lost", "weights"))
    # A retry may stay there too, and then leaves; a new client's never goes there.
    keeping = snapshot(datacentres={AUCKLAND: KEEPS})
    assert told(asked(topology, keeping, bound=AT_HOME, tried=(1,))) == ("akl-2", ("retry_same_datacentre",))
    assert told(asked(topology, keeping, bound=AT_HOME, tried=(1, 2))) == ("wlg-1", ("retry_other_datacentre",))
    assert told(asked(topology, keeping, tried=(0,))) == ("no_node", ("no_node",))


def test_a_key_that_is_not_known_yet_goes_by_its_hash_over_the_weights() -> None:
    topology = with_affinity(town(weights={WELLINGTON: 30, AUCKLAND: 70}))
    counts = Counter(told(asked(topology, key=f"talk-{i}")) for i in range(2000))
    assert {reasons for _, reasons in counts} == {("weights", "learned")}
    assert counts["akl-1", ("weights", "learned")] / 2000 == pytest.approx(0.7, abs=0.04)


def test_a_client_with_affinity_carries_the_trial_of_its_own_node_and_of_no_other() -> None:
    probing = NodeStatus(NodeState.PROBING, trial=4, trial_worker=0)
    topology = with_affinity(town(1, 2))
    state = snapshot({"akl-1": probing})
    assert told(asked(topology, state, bound=AT_HOME)) == ("akl-1", ("trial",))
    assert told(asked(topology, state, bound=Bound(AUCKLAND, "akl-2"))) == ("akl-2", ("affinity",))
    assert told(asked(topology, state, bound=Bound(WELLINGTON, "wlg-1"))) == ("wlg-1", ("affinity",))
    assert asked(topology, state, key="talk").reasons == ("weights", "learned")
    assert told(asked(topology, state)) == ("akl-1", ("trial",))


# Groups that are at one datacentre...


def test_new_clients_go_where_the_group_is() -> None:
    topology = passive(2, 2)
    assert asked(topology).reasons == ("at",)
    assert told(asked(topology, positioned(at=AUCKLAND)))[0].startswith("akl")


def test_no_retry_and_no_trial_reaches_the_standby() -> None:
    topology = passive(1, 1)
    state = positioned({"akl-1": NodeStatus(NodeState.PROBING, trial=4, trial_worker=0)})
    assert told(asked(topology, state)) == ("wlg-1", ("at",))
    assert told(asked(topology, tried=(0,))) == ("no_node", ("no_node",))


def test_where_the_current_one_is_lost_its_own_nodes_are_tried_and_the_refusal_says_who_moves_the_group() -> None:
    lost = positioned({"wlg-1": EJECTED}, {WELLINGTON: OUT})
    assert told(asked(passive(), lost)) == ("wlg-1", ("try_all",))
    answer = asked(passive(), lost, tried=(0,))
    assert told(answer) == ("no_node", ("at", "no_node"))
    assert isinstance(answer, Refusal)
    assert (
        answer.why == "website is at wellington, which is out and where no node of web is available; it moves by hand"
    )
    with_page = passive(in_town={"try_all": False})
    assert told(asked(with_page, lost)) == ("no_node", ("at", "no_node"))
    held = positioned({"wlg-1": EJECTED}, held="penalty")
    answer = asked(with_page, held)
    assert isinstance(answer, Refusal)
    assert answer.why.endswith("it is held (penalty)")


def test_a_group_that_has_left_keeps_its_clients_there_while_they_have_time() -> None:
    topology = with_affinity(passive())
    bound = Bound(WELLINGTON, "wlg-1")
    leaving = positioned(at=AUCKLAND, leaving=WELLINGTON, leaving_until=900.0)
    assert told(asked(topology, leaving, bound=bound)) == ("wlg-1", ("leaving", "affinity"))
    assert told(asked(topology, leaving)) == ("akl-1", ("at",))
    over = positioned(at=AUCKLAND, leaving=WELLINGTON)
    assert told(asked(topology, over, bound=bound)) == ("akl-1", ("affinity_lost", "at"))


def test_a_client_bound_to_a_standby_comes_to_where_the_group_is() -> None:
    assert told(asked(with_affinity(passive()), bound=AT_HOME)) == ("wlg-1", ("affinity_lost", "at"))
    assert told(asked(with_affinity(passive(spill=True)), bound=AT_HOME)) == ("akl-1", ("affinity",))


def test_a_trickle_is_its_share_of_the_idempotent_requests_of_new_clients() -> None:
    topology = with_affinity(passive(trickle=0.02))
    tables, load, dice = tables_of(topology), Load(2), random.Random(11)

    def share(**facts: Any) -> float:
        request = replace(request_for(tables), **facts)
        answers = [choose(tables, request, load, 0.0, dice) for _ in range(20_000)]
        return sum(told(answer) == ("akl-1", ("trickle",)) for answer in answers) / 20_000

    assert share() == pytest.approx(0.02, abs=0.005)
    assert share(idempotent=False) == share(bound=Bound(WELLINGTON, "wlg-1")) == share(key="talk") == 0


@pytest.mark.parametrize("changes", [{"cold": True}, {}])
def test_a_trickle_goes_to_no_standby_that_is_cold_or_cannot_serve(changes: dict[str, Any]) -> None:
    state = positioned() if changes else positioned({"akl-1": EJECTED})
    assert told(asked(passive(trickle=0.999999, **changes), state)) == ("wlg-1", ("at",))


def test_what_trickled_and_failed_is_tried_again_where_the_group_is() -> None:
    topology = passive(1, 2, trickle=0.5)
    assert told(asked(topology, tried=(1,))) == ("wlg-1", ("retry_other_datacentre",))
    spills = passive(1, 2, trickle=0.5, spill=True)
    assert told(asked(spills, tried=(1,))) == ("wlg-1", ("retry_other_datacentre",))
    assert told(asked(spills, tried=(0, 1))) == ("akl-2", ("retry_same_datacentre",))


def test_a_trial_that_failed_where_no_new_clients_go_does_not_bring_its_client_there() -> None:
    topology = with_affinity(town(1, 2, weights={WELLINGTON: 50, AUCKLAND: 0}))
    assert told(asked(topology, tried=(1,))) == ("wlg-1", ("retry_other_datacentre",))
    assert told(asked(topology, tried=(1,), bound=AT_HOME)) == ("akl-2", ("retry_same_datacentre",))


def test_a_trickle_proves_the_standby_s_nodes_by_trials() -> None:
    state = positioned({"akl-1": NodeStatus(NodeState.PROBING, trial=4, trial_worker=0)})
    topology = passive(trickle=0.02)
    assert told(asked(topology, state)) == ("akl-1", ("trial",))
    assert told(asked(topology, state, idempotent=False)) == ("wlg-1", ("at",))


def test_nothing_is_expected_of_a_cold_standby() -> None:
    surveys = {s.datacentre: s for s in tables_of(passive(2, 2, cold=True)).plan("website", "web").surveys}
    assert (surveys[AUCKLAND].expected, surveys[AUCKLAND].part) == (0, "standby")
    moved = tables_of(passive(2, 2, cold=True), positioned(at=AUCKLAND)).plan("website", "web").surveys
    assert {s.datacentre: s.expected for s in moved} == {AUCKLAND: 2, WELLINGTON: 0}
