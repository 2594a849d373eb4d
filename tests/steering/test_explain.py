from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

from steer.steering.choose import Load
from steer.steering.explain import explain
from steer.steering.model import Area, Bound, FieldTest, OnLoss, Place, Rule, Topology, When
from steer.steering.snapshot import DatacentreStatus, NodeState, NodeStatus, Snapshot
from tests.steering.towns import (
    AUCKLAND,
    DRAINING,
    EJECTED,
    OUT,
    WELLINGTON,
    hashed,
    passive,
    positioned,
    request_for,
    snapshot,
    tables_of,
    town,
    with_affinity,
    with_group,
)


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
    assert because(told)["node"] == "none: no_node, no node of web is available or held, and when_none is a page"


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


# Groups of every kind...


def told(topology: Topology, state: Snapshot | None = None, **facts: Any) -> dict[str, Any]:
    tables = tables_of(topology, state, now=100.0)
    request = replace(request_for(tables), **facts)
    return dict(explain(tables, request, Load(len(topology.nodes)), 100.0, random.Random(1)))


BETA = Rule("beta", When(field=FieldTest("x-beta", equals="1")), {AUCKLAND: 1})
KIWIS = Rule("kiwis", When(area=Area(countries=frozenset({"NZ"}))), {WELLINGTON: 9, AUCKLAND: 1})
RULED = with_group(town(), rules=(BETA, KIWIS))


def test_each_rule_is_told_with_why_it_matched_or_not() -> None:
    found = because(told(RULED, place=Place("NZ")))
    assert found["rule:beta"] == "its conditions do not hold for this request"
    assert found["rule:kiwis"] == "it matches and gives wellington 9, auckland 1"
    found = because(told(RULED, place=Place("NZ"), fields={"x-beta": "1"}))
    assert found["rule:beta"] == "it matches and gives wellington 0, auckland 1"
    assert found["rule:kiwis"] == "rule beta matched before"
    unknown = told(RULED)
    assert because(unknown)["rule:kiwis"] == "nobody knows where 192.0.2.1 is"
    assert unknown["place"]["says"] == "192.0.2.1 is in no database: no geographic rule matches"
    assert taken(told(RULED, place=Place("NZ"))) == ["rule:kiwis", "weights", "node"]


def test_the_nearest_is_told_and_what_is_nearer_but_not_usable() -> None:
    topology = with_group(town(), rules=(Rule("near", When(), nearest=True),))
    topology = replace(topology, locations={WELLINGTON: (-41.29, 174.78), AUCKLAND: (-36.85, 174.76)})
    north = Place("NZ", location=(-35.0, 173.0))
    found = told(topology, place=north)
    assert (because(found)["nearest"], because(found)["rule:near"]) == (
        "auckland is the nearest",
        "it matches; from the nearest: auckland, wellington",
    )
    found = told(topology, snapshot({"akl-1": EJECTED}), place=north)
    assert because(found)["nearest"] == "wellington is the nearest that is usable: auckland is not"


def test_affinity_is_told_kept_moved_on_lost_and_refused() -> None:
    topology, bound = with_affinity(town(1, 2)), Bound(AUCKLAND, "akl-1")
    assert because(told(topology))["affinity"] == "the client has no affinity yet"
    kept = told(topology, bound=bound)
    assert (taken(kept), because(kept)["affinity"]) == (["affinity", "node"], "the client belongs to akl-1 in auckland")
    assert because(kept)["node"] == "akl-1 by affinity"
    other = because(told(topology, snapshot({"akl-1": EJECTED}), bound=bound))["affinity"]
    assert other == "the client belongs to akl-1 in auckland; another node there takes its place"
    lost = told(topology, snapshot(datacentres={AUCKLAND: OUT}), bound=bound)
    assert because(lost)["affinity"].endswith("which is out: it goes as a new one")
    assert taken(lost) == ["weights", "node"]
    strict = told(with_affinity(town(), OnLoss.STRICT), snapshot({"akl-1": EJECTED}), bound=bound)
    assert because(strict)["affinity"].endswith("where no node is available: it is refused, because affinity is strict")
    assert strict["verdict"]["why"] == "the client belongs to auckland, which cannot take it, and must not go elsewhere"
    assert because(told(topology, bound=Bound("paris")))["affinity"].endswith(
        "any node in paris, which the group does not use: it goes as a new one"
    )
    new_key = told(topology, key="talk")
    assert taken(new_key) == ["affinity", "weights", "node"]
    assert because(new_key)["affinity"] == "its key is not known yet: a hash of it over the weights decides"


def test_where_a_group_is_and_who_moves_it_is_told() -> None:
    assert because(told(passive()))["at"] == "website is at wellington"
    lost = told(passive(in_town={"try_all": False}), positioned({"wlg-1": EJECTED}, {WELLINGTON: OUT}, held="hold"))
    assert because(lost)["at"] == (
        "website is at wellington, which is out and where no node of web is available; it is held (hold)"
    )
    assert because(lost)["hold"] == "nothing of website moves by itself: an operator holds it"
    assert lost["verdict"] == {
        "refused": "no_node",
        "reasons": ["at", "no_node"],
        "why": because(lost)["at"],
    }
    skipped = {each["datacentre"]: (each["part"], each["skipped"]) for each in told(passive())["datacentres"]}
    assert skipped == {WELLINGTON: ("current", ""), AUCKLAND: ("standby", "standby")}
    returning = told(passive(), positioned(arriving={WELLINGTON: 25, AUCKLAND: 75}))
    assert because(returning)["at"].endswith("new clients go by steps: wellington 25 %, auckland 75 %")
    assert taken(returning) == ["at", "weights", "node"]


def test_a_client_of_a_datacentre_that_the_group_has_left_is_told_so() -> None:
    left = positioned(at=AUCKLAND, leaving=WELLINGTON, leaving_until=900.0)
    topology, bound = with_affinity(passive()), Bound(WELLINGTON, "wlg-1")
    assert because(told(topology, left, bound=bound))["affinity"] == (
        "the client belongs to wlg-1 in wellington, which takes no new clients and keeps those that it has for now"
    )
    over = told(topology, positioned(at=AUCKLAND), bound=bound)
    assert "where the group is not: it is at auckland" in because(over)["affinity"]


def test_spill_and_trickle_are_told() -> None:
    spilling = told(passive(2, 2, spill=True, trickle=0.02), positioned({"wlg-1": EJECTED}))
    assert because(spilling)["spill"] == "wellington 70.0%, auckland 30.0%"
    assert because(spilling)["trickle"] == "2.0% of the idempotent requests go to auckland"
    assert because(told(passive(trickle=0.02), idempotent=False))["trickle"].endswith(", and this is none")
    no_standby = told(passive(trickle=0.02), positioned({"akl-1": EJECTED}))
    assert because(no_standby)["trickle"] == "no standby is serving with an available node"


def test_what_a_hash_decided_is_told() -> None:
    assert because(told(with_group(town(), stable=True)))["stable"] == "by a hash of 192.0.2.1"
    by_header = hashed(town(2, 0), "header", "x-tenant")
    assert because(told(by_header, fields={"x-tenant": "a"}))["node"].endswith(" by hash of the header x-tenant")
