"""What-if over the admin API: what a preview shows, and what becomes of it when it is applied."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from steer.control.previews import KEPT_FOR, MOST
from steer.control.tokens import Role
from steer.steering.model import Affinity, Bound, Rule, Topology, When
from steer.steering.samples import Sample
from tests.kit.admin import Answer, RunningAdmin, portal_topology, running_admin
from tests.kit.samples import clients, tell

PREVIEWS = "/api/v1/previews"
WEIGHTS = {"kind": "weights", "target": {"group": "website"}, "weights": {"auckland": 150}, "reason": "patching"}
DRAIN = {"kind": "drain", "target": {"datacentre": "wellington", "group": "website"}, "reason": "patching"}
FAILOVER = {"kind": "failover", "target": {"group": "portal"}, "reason": "fire"}


def places() -> Topology:
    """`website` has a rule, affinity and capacities; `portal` is at Wellington. Both go to the pool `web`."""
    found = portal_topology()
    nodes = tuple(replace(node, capacity=100.0) for node in found.nodes)
    website = replace(found.groups["website"], rules=(Rule("canary", When(), {"wellington": 90, "auckland": 10}),))
    www = replace(found.services["www"], affinity=Affinity("cookie", "steer", idle=60.0))
    return replace(
        found,
        nodes=nodes,
        pools={"web": replace(found.pools["web"], nodes=nodes)},
        groups={**found.groups, "website": website},
        services={**found.services, "www": www},
    )


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[RunningAdmin]:
    """200 clients of `website`, half of them with affinity to Wellington, and 100 of `portal`; 30 requests a second."""
    async with running_admin(tmp_path, places=places()) as running:
        known = clients(200)
        new = [Sample("www", "web", client, idempotent=True) for client in known[:100]]
        bound = [Sample("www", "web", client, bound=Bound("wellington", "wlg-1")) for client in known[100:]]
        portal = [Sample("portal", "web", client) for client in clients(100)]
        counted = {
            ("www", "website", "wellington"): 15,
            ("www", "website", "auckland"): 5,
            ("portal", "portal", "wellington"): 10,
        }
        tell(running.context.totals, [*new, *bound, *portal], counted)
        yield running


async def make(edge: RunningAdmin, wanted: Any, **options: Any) -> Answer:
    return await edge.call("POST", PREVIEWS, wanted, **{"role": Role.OPERATOR, **options})


async def apply(edge: RunningAdmin, id: str, **options: Any) -> Answer:
    return await edge.call("POST", f"{PREVIEWS}/{id}/apply", **{"role": Role.OPERATOR, **options})


def group_of(answer: Answer) -> dict[str, Any]:
    (group,) = answer.body["groups"]
    return dict(group)


def datacentres(answer: Answer) -> dict[str, tuple[float | None, float | None]]:
    return {each["name"]: (each["before"], each["after"]) for each in group_of(answer)["datacentres"]}


# What it shows...


async def test_it_shows_what_each_datacentre_gets_who_moves_and_what_the_rules_say(edge: RunningAdmin) -> None:
    shown = await make(edge, WEIGHTS)
    assert shown.status == 201
    assert datacentres(shown) == {"wellington": (15.0, 12.5), "auckland": (5.0, 7.5)}
    group = group_of(shown)
    assert [each["measured"] for each in group["datacentres"]] == [15.0, 5.0]
    assert group["requests_per_second"] == 20.0
    assert (group["clients"]["sampled"], group["clients"]["move"]) == (200, 0.125)
    assert group["clients"]["margin"] == pytest.approx(0.07, abs=0.001)
    assert group["sessions"] == {"sampled": 100, "move": 0.0, "leave": 0.0}
    assert shown.body["samples"] == {"count": 200, "oldest": 0.0, "enough": True, "says": ""}
    assert (shown.body["verdict"], shown.body["kind"], shown.body["reason"]) == ("passes", "weights", "patching")
    assert shown.body["rules"] == [
        {"group": "website", "rule": rule, "passes": True, "says": ""} for rule in ("pause", "at_least", "min_nodes")
    ]


async def test_the_headroom_is_what_is_left_when_the_largest_node_dies_under_the_traffic_of_all_groups(
    edge: RunningAdmin,
) -> None:
    shown = await make(edge, WEIGHTS)
    assert shown.body["headroom"] == [
        {
            "pool": "web",
            "datacentre": "wellington",
            "requests_per_second": 22.5,
            "capacity": 200.0,
            "without_one": 100.0,
            "headroom": 77.5,
        },
        {
            "pool": "web",
            "datacentre": "auckland",
            "requests_per_second": 7.5,
            "capacity": 100.0,
            "without_one": 0.0,
            "headroom": -7.5,
        },
    ]


async def test_a_preview_changes_nothing_and_is_not_in_the_audit(edge: RunningAdmin) -> None:
    before = edge.context.keeper.snapshot, edge.context.keeper.overrides()
    for wanted in (WEIGHTS, DRAIN, FAILOVER):
        assert (await make(edge, wanted)).status == 201
    assert (edge.context.keeper.snapshot, edge.context.keeper.overrides()) == before
    assert edge.context.audit.page(limit=10) == []


async def test_under_a_drain_those_with_affinity_may_stay_and_must_leave(edge: RunningAdmin) -> None:
    shown = await make(edge, DRAIN)
    assert datacentres(shown)["auckland"] == (5.0, 10.0)
    assert group_of(shown)["sessions"] == {"sampled": 100, "move": 0.0, "leave": 1.0}
    shown = await make(edge, {**DRAIN, "kind": "eject"})
    assert datacentres(shown)["auckland"] == (5.0, 20.0)
    assert group_of(shown)["sessions"] == {"sampled": 100, "move": 1.0, "leave": 0.0}


async def test_a_failover_shows_where_its_group_goes(edge: RunningAdmin) -> None:
    shown = await make(edge, FAILOVER)
    assert datacentres(shown) == {"wellington": (10.0, 0.0), "auckland": (0.0, 10.0)}
    assert [rule["rule"] for rule in shown.body["rules"]] == ["pause", "draining", "min_nodes", "needed"]


@pytest.mark.parametrize(
    ("wanted", "groups"),
    [
        ({"kind": "eject", "target": {"node": "wlg-1"}}, ["website", "portal"]),
        ({"kind": "drain", "target": {"datacentre": "auckland"}}, ["website", "portal"]),
        ({"kind": "hold", "target": {"group": "portal"}}, ["portal"]),
        (
            {"kind": "weights", "target": {"group": "website", "rule": "canary"}, "weights": {"auckland": 20}},
            ["website"],
        ),
    ],
)
async def test_every_change_can_be_previewed(edge: RunningAdmin, wanted: Any, groups: list[str]) -> None:
    shown = await make(edge, {**wanted, "reason": "r"})
    assert [group["name"] for group in shown.body["groups"]] == groups
    assert (await apply(edge, shown.body["id"])).status in (200, 201)


async def test_what_would_be_taken_back_can_too(edge: RunningAdmin) -> None:
    await edge.call("POST", "/api/v1/overrides", DRAIN)
    (override,) = edge.context.keeper.overrides()
    restore = await make(edge, {**DRAIN, "kind": "restore"})
    lift = await make(edge, {"kind": "lift", "target": {"override": override.id}, "reason": "r"})
    assert datacentres(restore) == datacentres(lift) == {"wellington": (10.0, 15.0), "auckland": (10.0, 5.0)}
    assert (await apply(edge, lift.body["id"])).status == 200
    assert edge.context.keeper.overrides() == ()
    await edge.call("POST", "/api/v1/groups/portal/failover", {"reason": "r"})
    back = await make(edge, {**FAILOVER, "kind": "failback"})
    assert datacentres(back) == {"wellington": (0.0, 10.0), "auckland": (10.0, 0.0)}


async def test_of_too_few_samples_it_says_so(edge: RunningAdmin) -> None:
    edge.clock.advance(301)
    shown = await make(edge, WEIGHTS)
    assert shown.body["samples"] == {
        "count": 0,
        "oldest": None,
        "enough": False,
        "says": "too few samples: 0, 100 of each group would do",
    }
    group = group_of(shown)
    assert (group["clients"]["move"], group["sessions"]["move"], group["enough"]) == (None, None, False)
    assert datacentres(shown) == {"wellington": (None, None), "auckland": (None, None)}


async def test_no_address_of_a_client_is_in_it(edge: RunningAdmin) -> None:
    assert "192.0." not in str((await make(edge, WEIGHTS)).body)


# What the rules say...


async def test_a_rule_that_refuses_is_told_by_name_and_the_change_is_refused_when_it_is_applied(
    edge: RunningAdmin,
) -> None:
    nothing = {**WEIGHTS, "weights": {"wellington": 0, "auckland": 0}}
    shown = await make(edge, nothing)
    refused = {rule["rule"]: rule["says"] for rule in shown.body["rules"] if not rule["passes"]}
    assert shown.body["verdict"] == "refused"
    assert refused["at_least"].startswith("website would have no datacentre with weight")
    applied = await apply(edge, shown.body["id"])
    assert (applied.status, applied.body["rule"]) == (409, "at_least")
    forced = await make(edge, {**nothing, "force": True})
    assert forced.body["verdict"] == "forced"
    assert (await apply(edge, forced.body["id"])).status == 200


async def test_a_move_that_cannot_be_held_shows_what_it_would_do_all_the_same(edge: RunningAdmin) -> None:
    await edge.call(
        "POST", "/api/v1/overrides", {"kind": "eject", "target": {"node": "akl-1"}, "reason": "r", "force": True}
    )
    shown = await make(edge, FAILOVER)
    assert {rule["rule"] for rule in shown.body["rules"] if not rule["passes"]} == {"min_nodes"}
    assert datacentres(shown)["wellington"] == (10.0, 0.0)


async def test_what_cannot_be_is_refused_like_the_change_itself(edge: RunningAdmin) -> None:
    there = await make(edge, {**FAILOVER, "to": "wellington"})
    assert (there.status, there.body["rule"]) == (409, "already_there")
    active = await make(edge, {**FAILOVER, "target": {"group": "website"}})
    assert (active.status, active.body["type"]) == (422, "/api/v1/docs#unacceptable")


# Applied...


async def test_it_is_applied_with_its_reason_and_stands_in_the_audit_with_its_id(edge: RunningAdmin) -> None:
    shown = await make(edge, {**WEIGHTS, "expires_in": "2h"})
    done = await apply(edge, shown.body["id"])
    assert (done.status, done.body["group"]["weights"]) == (200, {"wellington": 50, "auckland": 150})
    override = done.body["override"]
    assert (override["reason"], override["owner"]) == ("patching", "a-operator")
    assert override["expires"] == "2023-11-15T00:13:20.000+00:00"
    (record,) = edge.context.audit.page(limit=10)
    assert (record["action"], record["reason"]) == ("weights.set", "patching")
    assert record["target"] == {"group": "website", "preview": shown.body["id"]}


async def test_it_is_applied_once(edge: RunningAdmin) -> None:
    hold = await make(edge, {"kind": "hold", "target": {"group": "portal"}, "reason": "r"})
    assert (await apply(edge, hold.body["id"])).status == 201
    again = await apply(edge, hold.body["id"])
    assert (again.status, again.body["type"]) == (409, "/api/v1/docs#applied")
    assert "was applied already" in again.body["detail"]


async def test_the_same_key_gives_the_same_answer_and_applies_it_once(edge: RunningAdmin) -> None:
    first, second = [await make(edge, WEIGHTS, headers={"Idempotency-Key": "a"}) for _ in range(2)]
    assert first.body == second.body
    answers = [await apply(edge, first.body["id"], headers={"Idempotency-Key": "b"}) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 200]
    assert answers[1].headers["Idempotent-Replayed"] == "true"
    assert len(edge.context.audit.page(limit=10)) == 1


@pytest.mark.parametrize(
    "other",
    [
        ("PUT", "/api/v1/groups/website/weights", {"weights": {"auckland": 10}, "reason": "r"}),
        ("POST", "/api/v1/overrides", {"kind": "drain", "target": {"node": "wlg-1"}, "reason": "r"}),
        ("POST", "/api/v1/groups/portal/failover", {"reason": "r"}),
    ],
)
async def test_after_another_change_it_is_refused(edge: RunningAdmin, other: tuple[str, str, Any]) -> None:
    shown = await make(edge, WEIGHTS)
    assert (await edge.call(*other)).status in (200, 201, 202)
    applied = await apply(edge, shown.body["id"])
    assert (applied.status, applied.body["type"]) == (412, "/api/v1/docs#moved_on")
    assert "something has changed since" in applied.body["detail"]
    stale = await make(edge, WEIGHTS, headers={"If-Match": shown.headers["ETag"]})
    assert stale.status == 412


async def test_the_state_that_was_shown_may_be_named(edge: RunningAdmin) -> None:
    shown = await make(edge, WEIGHTS)
    assert (await apply(edge, shown.body["id"], headers={"If-Match": '"other"'})).status == 412
    assert (await apply(edge, shown.body["id"], headers={"If-Match": shown.headers["ETag"]})).status == 200


async def test_it_is_kept_for_a_quarter_of_an_hour(edge: RunningAdmin) -> None:
    shown = await make(edge, WEIGHTS)
    edge.clock.advance(KEPT_FOR)
    gone = await apply(edge, shown.body["id"])
    assert (gone.status, gone.body["type"]) == (404, "/api/v1/docs#not_found")
    assert "they are kept for 15 min" in gone.body["detail"]


async def test_only_so_many_are_kept(edge: RunningAdmin) -> None:
    ids = [(await make(edge, WEIGHTS)).body["id"] for _ in range(MOST + 1)]
    assert len(set(ids)) == MOST + 1
    assert (await apply(edge, ids[0])).status == 404
    assert (await apply(edge, ids[1])).status == 200


# Asked wrongly...


@pytest.mark.parametrize("path", [PREVIEWS, f"{PREVIEWS}/x/apply"])
async def test_it_takes_an_operator(edge: RunningAdmin, path: str) -> None:
    assert (await edge.call("POST", path, WEIGHTS, role=Role.VIEWER)).status == 403


@pytest.mark.parametrize(
    ("wrong", "path", "detail"),
    [
        ({"target": {"group": "nowhere"}}, "target.group", "no group is called 'nowhere'"),
        ({"target": {"group": "website", "rule": "none"}}, "target.rule", "no rule is called 'none'"),
        ({"weights": {"nowhere": 1}}, "weights.nowhere", "no datacentre is called 'nowhere'"),
        ({"weights": {"auckland": -1}}, "weights.auckland", "greater than or equal to 0"),
        ({"weights": None}, "", "weights: are needed"),
        ({"target": {"node": "wlg-1"}}, "", "the target of weights is a group or group with rule"),
        ({"to": "auckland"}, "", "to: is nothing for weights"),
        ({"reason": " "}, "reason", "at least 1 character"),
        ({"kind": "burn"}, "kind", "'weights', 'drain'"),
        ({**FAILOVER, "weights": None, "to": "nowhere"}, "to", "no datacentre is called 'nowhere'"),
        ({"kind": "lift", "target": {"override": "x"}, "weights": None}, "target.override", "no override is called"),
    ],
)
async def test_a_wrong_one_says_where_and_what(edge: RunningAdmin, wrong: Any, path: str, detail: str) -> None:
    answer = await make(edge, {**WEIGHTS, **wrong})
    assert (answer.status, answer.body["path"]) == (422, path)
    assert detail in answer.body["detail"]
