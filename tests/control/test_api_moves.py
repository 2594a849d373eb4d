"""Moving a group over the admin API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from steer.control.tokens import Role
from tests.kit.admin import RunningAdmin, portal_topology, running_admin

FAILOVER = "/api/v1/groups/portal/failover"
FAILBACK = "/api/v1/groups/portal/failback"
GROUP = "/api/v1/groups/portal"


@pytest.fixture
async def portal(tmp_path: Path) -> AsyncIterator[RunningAdmin]:
    async with running_admin(tmp_path, places=portal_topology(cold=True)) as running:
        yield running


async def move(portal: RunningAdmin, path: str = FAILOVER, **change: Any) -> Any:
    answer = await portal.call("POST", path, {"reason": "fire", **change}, role=Role.OPERATOR)
    return answer.body | {"status": answer.status}


async def test_a_failover_is_accepted_with_the_group_as_it_is_now(portal: RunningAdmin) -> None:
    answer = await portal.call("POST", FAILOVER, {"reason": "fire"}, role=Role.OPERATOR)
    assert (answer.status, answer.headers["Location"]) == (202, GROUP)
    group = answer.body["group"]
    assert (group["at"], group["stage"], group["mode"]) == ("auckland", "leaving", "active-passive")
    assert group["moved_because"] == "a-operator: fire"
    assert group["stays"] == [
        {
            "datacentre": "wellington",
            "until": "2023-11-14T22:18:20.000+00:00",
            "seconds_left": 300.0,
            "clients_left": 0,
        }
    ]
    assert (await portal.get(GROUP)).headers["ETag"] == answer.headers["ETag"]
    (record,) = portal.context.audit.page(limit=1)
    assert (record["action"], record["target"], record["reason"]) == ("group.failover", {"group": "portal"}, "fire")
    assert (record["before"]["at"], record["after"]["at"]) == ("wellington", "auckland")


async def test_a_failback_too(portal: RunningAdmin) -> None:
    await move(portal, ungraceful=True, to="auckland")
    done = await move(portal, FAILBACK)
    assert (done["status"], done["group"]["at"], done["group"]["stage"]) == (202, "wellington", "leaving")


async def test_a_viewer_moves_nothing(portal: RunningAdmin) -> None:
    assert (await portal.call("POST", FAILOVER, {"reason": "r"}, role=Role.VIEWER)).status == 403


@pytest.mark.parametrize(
    ("path", "change", "status", "name"),
    [
        (FAILOVER, {"to": "nowhere"}, 422, "to"),
        (FAILOVER, {"reason": ""}, 422, "reason"),
        (FAILOVER, {"gracious": True}, 422, "gracious"),
        (FAILOVER, {"to": "wellington"}, 409, "already_there"),
        (FAILBACK, {}, 409, "already_there"),
        ("/api/v1/groups/website/failover", {}, 422, ""),
        ("/api/v1/groups/nope/failover", {}, 404, ""),
    ],
)
async def test_what_cannot_be_has_a_name(
    portal: RunningAdmin, path: str, change: dict[str, Any], status: int, name: str
) -> None:
    problem = await move(portal, path, **change)
    assert problem["status"] == status
    assert problem.get("rule", problem["path"]) == name


async def test_a_move_that_is_sent_again_is_made_once(portal: RunningAdmin) -> None:
    key = {"Idempotency-Key": "one"}
    first = await portal.call("POST", FAILOVER, {"reason": "fire"}, headers=key)
    again = await portal.call("POST", FAILOVER, {"reason": "fire"}, headers=key)
    assert (first.status, again.status, again.headers["Idempotent-Replayed"]) == (202, 202, "true")
    assert again.body == first.body


async def test_a_move_for_a_state_that_has_moved_on_is_refused(portal: RunningAdmin) -> None:
    tag = (await portal.get(GROUP)).headers["ETag"]
    await move(portal)
    late = await portal.call("POST", FAILOVER, {"reason": "r", "to": "wellington"}, headers={"If-Match": tag})
    assert late.status == 412


async def test_a_cold_standby_that_does_not_answer_is_shown_as_standby(portal: RunningAdmin) -> None:
    keeper = portal.context.keeper
    keeper.override(
        "eject", node="akl-1", datacentre=None, group=None, owner="o", reason="r", expires_in=None, force=True
    )
    places = {place["name"]: place for place in (await portal.get(GROUP)).body["datacentres"]}
    assert places["auckland"]["state"] == "standby"
    assert (await portal.get("/api/v1/nodes/akl-1")).body["state"] == "ejected"  # website expects it to run
    website = (await portal.get("/api/v1/groups/website")).body
    assert website["datacentres"][1]["state"] == "out"
    assert (await portal.get("/readyz", role=None)).status == 200


async def test_a_hold_and_its_release_are_overrides_of_a_group(portal: RunningAdmin) -> None:
    wanted = {"target": {"group": "portal"}, "reason": "works"}
    held = await portal.call("POST", "/api/v1/overrides", {"kind": "hold", **wanted})
    assert (held.status, held.body["target"]) == (201, {"group": "portal"})
    group = (await portal.get(GROUP)).body
    assert (group["held"], group["held_because"]) == ("hold", "a-admin: works")
    assert (await portal.call("POST", "/api/v1/overrides", {"kind": "restore", **wanted})).status == 200
    assert (await portal.get(GROUP)).body["held"] == ""
    (record, *_) = portal.context.audit.page(limit=1)
    assert (record["action"], record["before"], record["after"]) == ("override.restore", {"held": "hold"}, {"held": ""})
