from __future__ import annotations

import json
import random
from typing import Any

from steer.steering.choose import Load
from steer.steering.explain import explain
from steer.steering.model import DatacentreStatus, NodeState, NodeStatus, Snapshot, Topology
from tests.steering.towns import AUCKLAND, DRAINING, EJECTED, OUT, WELLINGTON, request_for, snapshot, tables_of, town


def explained(
    topology: Topology,
    state: Snapshot | None = None,
    host: str = "www.agency.example",
    *,
    load: Load | None = None,
    retriable: bool = True,
) -> dict[str, Any]:
    tables = tables_of(topology, state, now=100.0)
    request = request_for(tables, host, retriable=retriable)
    told = explain(tables, request, load or Load(len(topology.nodes)), 100.0, random.Random(1))
    return dict(json.loads(json.dumps(told)))


def because(told: dict[str, Any]) -> dict[str, str]:
    return {step["step"]: step["because"] for step in told["steps"]}


def taken(told: dict[str, Any]) -> list[str]:
    return [step["step"] for step in told["steps"] if step["taken"]]


def test_every_step_is_told_taken_and_skipped_in_the_order_of_decision() -> None:
    told = explained(town(1, 0))
    assert [step["step"] for step in told["steps"]] == [
        "pinned",
        "trial",
        "weights",
        "no_weight_left",
        "held",
        "try_all",
        "ramp",
        "node",
    ]
    assert taken(told) == ["weights", "node"]
    assert (told["service"], told["group"], told["pool"]) == ("www", "website", "web")
    assert told["verdict"] == {
        "datacentre": WELLINGTON,
        "node": "wlg-1",
        "reason": "weights",
        "reasons": ["weights"],
    }


def test_each_datacentre_is_told_with_its_share_or_why_it_is_skipped() -> None:
    topology = town(2, 1, weights={WELLINGTON: 1, AUCKLAND: 1, "hamilton": 0})
    told = explained(topology, snapshot({"wlg-1": EJECTED}, {AUCKLAND: DRAINING}))
    skipped = {each["datacentre"]: each["skipped"] for each in told["datacentres"]}
    assert skipped == {WELLINGTON: "", AUCKLAND: "draining", "hamilton": "no available node"}
    [wellington] = [each for each in told["datacentres"] if each["datacentre"] == WELLINGTON]
    assert (wellington["available"], wellington["expected"], wellington["share"]) == (1, 2, 1.0)


def test_a_datacentre_of_weight_0_is_skipped_for_that() -> None:
    told = explained(town(weights={WELLINGTON: 1, AUCKLAND: 0}))
    assert {each["datacentre"]: each["skipped"] for each in told["datacentres"]}[AUCKLAND] == "weight 0"


def test_a_pinned_hostname_ends_at_its_first_step() -> None:
    told = explained(town(), host="stack.example")
    assert taken(told) == ["pinned"]
    assert because(told) == {"pinned": "the hostname is pinned to wellington, whatever its state"}


def test_a_refused_pinned_hostname_says_why() -> None:
    denied = explained(town(allow=("10.0.0.0/8",)), host="stack.example")
    assert "192.0.2.1 is in none of the networks" in because(denied)["pinned"]
    assert denied["verdict"] == {"refused": "not_allowed", "reasons": ["pinned", "not_allowed"]}
    assert "where the pool has no nodes" in because(explained(town(1, 0), host="stack-dr.example"))["pinned"]


def test_a_trial_is_told_and_not_used_up() -> None:
    state = snapshot({"wlg-1": NodeStatus(NodeState.PROBING, trial=5, trial_worker=0)})
    load = Load(2)
    told = explained(town(), state, load=load)
    assert taken(told) == ["trial", "node"]
    assert load.trials_used == []
    load.use_trial(5)
    assert "was sent already" in because(explained(town(), state, load=load))["trial"]
    assert "could not be sent again" in because(explained(town(), state, retriable=False))["trial"]


def test_the_last_resorts_are_told() -> None:
    weight_0 = town(weights={WELLINGTON: 1, AUCKLAND: 0})
    told = explained(weight_0, snapshot(datacentres={WELLINGTON: OUT}))
    assert taken(told) == ["no_weight_left", "node"]
    assert because(told)["no_weight_left"] == "no datacentre with weight is left, auckland takes over"

    held = NodeStatus(NodeState.EJECTED, held=True)
    told = explained(town(), snapshot({"wlg-1": EJECTED, "akl-1": held}))
    assert taken(told) == ["held", "node"]
    assert because(told)["try_all"] == "wlg-1"

    told = explained(town(try_all=False), snapshot({"wlg-1": EJECTED, "akl-1": EJECTED}))
    assert taken(told) == []
    assert because(told)["try_all"] == "when_none is a page"
    assert because(told)["node"] == "none: no_node"


def test_ramps_are_told() -> None:
    told = explained(town(1, 0), snapshot(datacentres={WELLINGTON: DatacentreStatus(ramp_from=85.0)}))
    assert taken(told) == ["weights", "ramp", "node"]
    assert because(told)["ramp"] == "wellington at 50% of its weight"
    told = explained(town(2, 0), snapshot({"wlg-1": NodeStatus(ramp_from=99.0)}))
    assert because(told)["ramp"] == "a node has not its full weight yet"


def test_a_node_that_was_passed_over_is_told() -> None:
    load = Load(2)
    load.avoid_until = [200.0, 0.0]
    told = explained(town(2, 0), load=load)
    assert told["verdict"]["node"] == "wlg-2"
    load.avoid_until = [200.0, 200.0]
    load.in_flight = [1000, 1000]
    assert explained(town(2, 0), load=load)["verdict"]["refused"] == "busy"
