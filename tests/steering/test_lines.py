"""Rules: which one a request has, and in which order its datacentres are asked."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from steer.steering.choose import Load, choose, choose_next
from steer.steering.lines import plan_for
from steer.steering.model import Area, FieldTest, Place, Refusal, Rule, Topology, Verdict, When
from steer.steering.snapshot import GroupStatus, NodeState, NodeStatus, Snapshot
from steer.steering.tables import Tables
from tests.steering.towns import (
    AUCKLAND,
    DRAINING,
    EJECTED,
    OUT,
    WELLINGTON,
    Request,
    hashed,
    positioned,
    request_for,
    snapshot,
    tables_of,
    town,
    with_group,
)

KIWI, AUSSIE = Place("NZ", location=(-41.0, 175.0)), Place("AU", location=(-33.87, 151.21))
NORTHERNER = Place("NZ", location=(-35.11, 173.26))
FROM_NZ = When(area=Area(countries=frozenset({"NZ"})))
BETA = Rule("beta", When(field=FieldTest("x-beta", equals="1")), {AUCKLAND: 1})
CANARY = Rule("canary", FROM_NZ, {WELLINGTON: 90, AUCKLAND: 10})
NEAR = Rule("near", When(), nearest=True)


def ruled(*rules: Rule, wellington: int = 1, auckland: int = 1) -> Topology:
    """All to Wellington, but for the rules."""
    topology = with_group(town(wellington, auckland, weights={WELLINGTON: 100, AUCKLAND: 0}), rules=rules)
    return replace(topology, locations={WELLINGTON: (-41.29, 174.78), AUCKLAND: (-36.85, 174.76)})


def asked(tables: Tables, **facts: Any) -> Request:
    return replace(request_for(tables), **facts)


def chosen(topology: Topology, state: Snapshot | None = None, *, load: Load | None = None, **facts: Any) -> Verdict:
    tables = tables_of(topology, state)
    load = load or Load(len(topology.nodes))
    verdict = choose(tables, asked(tables, **facts), load, 0.0, random.Random(1))
    assert isinstance(verdict, Verdict)
    return verdict


def told(verdict: Verdict) -> tuple[str, tuple[str, ...]]:
    return verdict.node.name, verdict.reasons


def test_the_first_rule_that_matches_gives_the_weights() -> None:
    topology = ruled(BETA, Rule("all", When(), {WELLINGTON: 1}))
    assert told(chosen(topology, fields={"x-beta": "1"})) == ("akl-1", ("rule:beta", "weights"))
    assert told(chosen(topology)) == ("wlg-1", ("rule:all", "weights"))


def test_where_no_rule_matches_the_group_s_own_weights_hold() -> None:
    assert told(chosen(ruled(BETA), fields={"x-beta": "2"})) == ("wlg-1", ("weights",))


@pytest.mark.parametrize(("place", "share"), [(KIWI, 0.1), (AUSSIE, 0.0)])
def test_of_100_000_requests_a_rule_s_share_is_within_half_a_point(place: Place, share: float) -> None:
    tables = tables_of(ruled(CANARY))
    request, load, dice = asked(tables, place=place), Load(2), random.Random(7)
    counts: Counter[str] = Counter()
    for _ in range(100_000):
        verdict = choose(tables, request, load, 0.0, dice)
        assert isinstance(verdict, Verdict)
        counts[verdict.node.datacentre] += 1
    assert counts[AUCKLAND] / 100_000 == pytest.approx(share, abs=0.005)


def test_a_rule_s_weights_are_changed_by_its_name_and_nobody_else_moves() -> None:
    state = Snapshot(1, {}, {"website": GroupStatus(rules={"canary": {WELLINGTON: 0, AUCKLAND: 100}})})
    assert told(chosen(ruled(CANARY), state, place=KIWI)) == ("akl-1", ("rule:canary", "weights"))
    assert told(chosen(ruled(CANARY), state, place=AUSSIE)) == ("wlg-1", ("weights",))
    # And the group's own weights are none of the rule's business.
    state = snapshot(weights={WELLINGTON: 0, AUCKLAND: 1})
    only = Rule("only", FROM_NZ, {WELLINGTON: 1})
    assert told(chosen(ruled(only), state, place=KIWI)) == ("wlg-1", ("rule:only", "weights"))


def test_where_the_client_is_unknown_no_geographic_rule_matches_and_the_reasons_say_so() -> None:
    assert told(chosen(ruled(CANARY))) == ("wlg-1", ("place_unknown", "weights"))
    assert told(chosen(ruled(NEAR, BETA), fields={"x-beta": "1"})) == (
        "akl-1",
        ("place_unknown", "rule:beta", "weights"),
    )
    assert told(chosen(ruled(CANARY), place=AUSSIE)) == ("wlg-1", ("weights",))


def test_state_moves_what_a_rule_gives_too() -> None:
    verdict = chosen(ruled(BETA), snapshot(datacentres={AUCKLAND: OUT}), fields={"x-beta": "1"})
    assert told(verdict) == ("wlg-1", ("rule:beta", "no_weight_left"))
    draining = snapshot(datacentres={WELLINGTON: DRAINING, AUCKLAND: OUT})
    assert chosen(ruled(BETA), draining, fields={"x-beta": "1"}).reason == "try_all"


def test_the_nearest_usable_datacentre_takes_the_client() -> None:
    topology = ruled(NEAR)
    assert told(chosen(topology, place=NORTHERNER)) == ("akl-1", ("rule:near", "nearest"))
    assert told(chosen(topology, place=KIWI)) == ("wlg-1", ("rule:near", "nearest"))
    assert told(chosen(topology, snapshot({"akl-1": EJECTED}), place=NORTHERNER)) == ("wlg-1", ("rule:near", "nearest"))


def test_a_retry_goes_to_the_next_nearest_and_a_full_node_too() -> None:
    topology = ruled(NEAR, wellington=1, auckland=2)
    tables, load = tables_of(topology), Load(3)
    request = asked(tables, place=NORTHERNER)
    tried = [topology.nodes[1]]
    for name in ("akl-2", "wlg-1"):
        again = choose_next(tables, request, tried, load, 0.0, random.Random(1))
        assert isinstance(again, Verdict)
        assert again.node.name == name
        tried.append(again.node)
    assert isinstance(choose_next(tables, request, tried, load, 0.0, random.Random(1)), Refusal)
    load.in_flight = [0, 1000, 1000]
    assert told(chosen(topology, load=load, place=NORTHERNER)) == ("wlg-1", ("rule:near", "nearest", "busy"))


PROBING = NodeStatus(NodeState.PROBING, trial=9, trial_worker=0)


def test_a_trial_goes_only_where_the_rule_sends_somebody() -> None:
    east_only = Rule("east", FROM_NZ, {WELLINGTON: 1})
    state = snapshot({"akl-1": PROBING})
    assert chosen(ruled(east_only), state, place=KIWI).node.name == "wlg-1"
    assert chosen(ruled(east_only), state, place=AUSSIE).trial == 9  # the group's own weights: whatever the weight


def test_a_trial_of_a_node_is_for_those_who_are_near_to_it() -> None:
    state = snapshot({"akl-1": PROBING})
    assert chosen(ruled(NEAR), state, place=NORTHERNER).trial == 9
    assert chosen(ruled(NEAR), state, place=KIWI).node.name == "wlg-1"


def test_a_stable_client_goes_to_the_same_place_each_time() -> None:
    topology = with_group(town(), stable=True)
    clients = [f"192.0.2.{i}" for i in range(100)]
    once = [told(chosen(topology, client=client)) for client in clients]
    assert once == [told(chosen(topology, client=client)) for client in clients]
    assert {reasons for _, reasons in once} == {("weights", "stable")}
    assert len({name for name, _ in once}) == 2


@pytest.mark.parametrize("change", [1, 10, 40])
def test_a_change_of_weights_moves_as_many_stable_clients_as_it_must(change: int) -> None:
    before = tables_of(with_group(town(weights={WELLINGTON: 50, AUCKLAND: 50}), stable=True))
    after = before.with_snapshot(snapshot(weights={WELLINGTON: 50 + change, AUCKLAND: 50 - change}), 0.0)
    moved = 0
    for i in range(10_000):
        request = asked(before, client=f"10.0.{i // 250}.{i % 250}")
        one, other = (choose(tables, request, Load(2), 0.0, random.Random(1)) for tables in (before, after))
        assert isinstance(one, Verdict)
        assert isinstance(other, Verdict)
        moved += one.node is not other.node
    assert change - 1 <= moved / 100 <= change + 1


def test_a_hash_picks_the_same_node_and_passes_over_one_that_is_full() -> None:
    topology = hashed(town(4, 0), "header", "x-tenant")
    names = {chosen(topology, fields={"x-tenant": "green"}).node.name for _ in range(20)}
    assert len(names) == 1
    node = next(node for node in topology.nodes if node.name in names)
    load = Load(4)
    load.in_flight[node.index] = 1000
    second = chosen(topology, load=load, fields={"x-tenant": "green"})
    assert (second.node is not node, second.reason) == (True, "busy")
    # It is also the next one for a retry.
    tables = tables_of(topology)
    again = choose_next(tables, asked(tables, fields={"x-tenant": "green"}), [node], Load(4), 0.0, random.Random(3))
    assert isinstance(again, Verdict)
    assert again.node is second.node


def test_a_hash_is_of_the_client_or_of_a_cookie_too() -> None:
    by_cookie = hashed(town(8, 0), "cookie", "basket")
    baskets = {chosen(by_cookie, cookies={"basket": str(i)}).node.name for i in range(40)}
    assert len(baskets) > 4
    by_client = hashed(town(8, 0), "client")
    assert len({chosen(by_client, client=f"192.0.2.{i}").node.name for i in range(40)}) > 4
    assert len({chosen(by_client, client="192.0.2.1").node.name for _ in range(40)}) == 1


def test_without_what_the_hash_is_of_the_weights_decide() -> None:
    tables, load, dice = tables_of(hashed(town(4, 0), "cookie", "basket")), Load(4), random.Random(5)
    verdicts = [choose(tables, asked(tables), load, 0.0, dice) for _ in range(60)]
    assert {verdict.node.name for verdict in verdicts if isinstance(verdict, Verdict)} == {
        "wlg-1",
        "wlg-2",
        "wlg-3",
        "wlg-4",
    }


def test_a_group_without_rules_has_one_plain_plan() -> None:
    tables = tables_of(town())
    plan = tables.plan("website", "web")
    assert plan_for(plan, asked(tables)) == (plan, False)
    assert (plan.is_plain, tables.hosts["www.agency.example"].is_plain) == (True, True)
    assert not tables_of(town(), positioned({"wlg-1": PROBING})).plan("website", "web").is_plain
