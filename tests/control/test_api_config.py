from __future__ import annotations

from typing import Any

from steer.config import Change
from steer.control.tokens import Role
from tests.kit.admin import RunningAdmin, running_admin

CHANGES = (
    Change("pools.web.timeouts.connect", '"1s"', '"2s"'),
    Change("edge.workers", "1", "2", "needs a restart: so it is"),
)


async def test_a_reload_that_is_refused_answers_every_problem(admin: RunningAdmin) -> None:
    answer = await admin.call("POST", "/api/v1/config/reload", {"reason": "new nodes"})
    assert answer.status == 422
    assert answer.body["type"].endswith("#wrong_configuration")
    assert answer.body["detail"] == "steer.yaml:3: pools.web: is not there (and 1 more)"
    assert [problem["line"] for problem in answer.body["problems"]] == [3, 4]
    assert (await admin.get("/api/v1/audit")).body["items"] == []


async def test_only_an_admin_with_a_reason_may_reload(admin: RunningAdmin) -> None:
    for role in (Role.VIEWER, Role.OPERATOR):
        assert (await admin.call("POST", "/api/v1/config/reload", {"reason": "x"}, role=role)).status == 403
    assert (await admin.call("POST", "/api/v1/config/reload", {})).status == 422


async def test_a_reload_answers_what_changed_and_is_in_the_audit(tmp_path: Any) -> None:
    async def reload() -> tuple[Change, ...]:
        admin.context.config_hash = "newer"
        return CHANGES[:1]

    async with running_admin(tmp_path) as admin:
        admin.context.reload = reload
        answer = await admin.call("POST", "/api/v1/config/reload", {"reason": "slow nodes"})
        (record,) = (await admin.get("/api/v1/audit")).body["items"]
    assert (answer.status, answer.headers["ETag"]) == (200, '"newer"')
    assert answer.body["config_hash"] == "newer"
    assert [change["text"] for change in answer.body["changes"]] == ['changed pools.web.timeouts.connect: "1s" -> "2s"']
    assert (record["action"], record["reason"], record["after"]["hash"]) == ("config.reload", "slow nodes", "newer")


async def test_if_match_guards_a_reload(admin: RunningAdmin) -> None:
    answer = await admin.call(
        "POST", "/api/v1/config/reload", {"reason": "x"}, headers={"If-Match": '"another configuration"'}
    )
    assert answer.status == 412


async def test_diff_tells_what_needs_a_restart(tmp_path: Any) -> None:
    async def diff() -> tuple[Change, ...]:
        return CHANGES

    async with running_admin(tmp_path, diff=diff) as admin:
        answer = await admin.get("/api/v1/config/diff")
    assert [(change["kind"], change["needs_restart"]) for change in answer.body["changes"]] == [
        ("changed", ""),
        ("changed", "needs a restart: so it is"),
    ]
