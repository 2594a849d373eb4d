"""Rings of keys over the API: what is shown, the two steps, the audit."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from steer.control.tokens import Role
from steer.sessions.keyring import KNOWN_AFTER
from tests.kit.admin import RunningAdmin, running_admin
from tests.kit.keys import Keys

ROTATE = "/api/v1/keys/affinity/rotate"
WHY = {"reason": "as each month"}


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path)


@pytest.fixture
async def keeping(tmp_path: Path, keys: Keys) -> AsyncIterator[RunningAdmin]:
    async with running_admin(tmp_path, rings={"affinity": keys}) as running:
        yield running


async def test_a_rotation_takes_two_steps_and_each_is_in_the_audit(keeping: RunningAdmin, keys: Keys) -> None:
    first = keys.ring().active
    added = (await keeping.call("POST", ROTATE, WHY)).body
    assert (added["step"], [key["state"] for key in added["keys"]]) == ("added", ["active", "next"])
    assert added["next_step"] == {"step": "activate", "from": "2023-11-14T22:13:30.000+00:00"}
    keys.clock.advance(KNOWN_AFTER)
    done = (await keeping.call("POST", ROTATE, WHY)).body
    assert (done["step"], done["key"]) == ("activated", added["key"])
    assert keys.ring().active.id == added["key"]
    audit = (await keeping.get("/api/v1/audit")).body["items"]
    assert [(entry["action"], entry["reason"]) for entry in audit] == [("keys.rotate", "as each month")] * 2
    assert [key["id"] for key in audit[1]["before"]] == [first.id]
    assert [key["id"] for key in audit[1]["after"]] == [first.id, added["key"]]


async def test_the_second_step_is_refused_while_it_is_too_early(keeping: RunningAdmin, keys: Keys) -> None:
    await keeping.call("POST", ROTATE, WHY)
    answer = await keeping.call("POST", ROTATE, WHY)
    assert answer.status == 422
    assert "too new" in answer.body["detail"]
    assert keys.ring().next is not None


async def test_no_answer_and_no_record_shows_a_key(keeping: RunningAdmin, keys: Keys) -> None:
    rotated = (await keeping.call("POST", ROTATE, WHY)).body
    listed = (await keeping.get("/api/v1/keys")).body
    audit = (keeping.folder / "state" / "audit.jsonl").read_text()
    assert [ring["name"] for ring in listed["items"]] == ["affinity"]
    secrets = [line.split("key: ")[1] for line in keys.file.read_text().splitlines() if "key: " in line]
    assert len(secrets) == 2
    for said in (json.dumps(rotated), json.dumps(listed), audit):
        assert not any(secret in said for secret in secrets)


async def test_only_an_admin_rotates_and_only_what_there_is(keeping: RunningAdmin, keys: Keys) -> None:
    before = keys.ring()
    assert (await keeping.call("POST", ROTATE, WHY, role=Role.OPERATOR)).status == 403
    assert (await keeping.call("POST", "/api/v1/keys/other/rotate", WHY)).status == 404
    assert (await keeping.call("POST", ROTATE, {})).status == 422
    stale = {"If-Match": '"stale"'}
    assert (await keeping.call("POST", ROTATE, WHY, headers=stale)).status == 412
    assert keys.ring() == before


async def test_where_no_service_has_cookies_there_are_no_keys(admin: RunningAdmin) -> None:
    assert (await admin.get("/api/v1/keys")).body == {"items": [], "next": None}
    assert (await admin.call("POST", ROTATE, WHY)).status == 404
