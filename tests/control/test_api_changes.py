"""What the admin API changes: strictly read, once, only while the state has not moved on, and on record."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from steer.control.api_input import MOST_BODY
from steer.control.tokens import Role
from tests.kit.admin import Answer, RunningAdmin, running_admin

WEIGHTS = "/api/v1/groups/website/weights"
OVERRIDES = "/api/v1/overrides"
DRAIN = {"kind": "drain", "target": {"node": "wlg-1"}, "reason": "patching"}
DRAIN_LAST = {**DRAIN, "target": {"node": "akl-1"}}
"""Auckland would be left without a node: a safety rule refuses."""


def weights(wellington: float, auckland: float, **more: Any) -> dict[str, Any]:
    return {"weights": {"wellington": wellington, "auckland": auckland}, "reason": "patching", **more}


async def audited(admin: RunningAdmin) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await admin.get("/api/v1/audit")).body["items"]
    return items


# Weights.


async def test_weights_hold_at_once_and_say_who_set_them_why_and_until_when(admin: RunningAdmin) -> None:
    answer = await admin.call("PUT", WEIGHTS, weights(90, 10, expires_in="2h"), role=Role.OPERATOR)
    assert answer.status == 200
    group = (await admin.get("/api/v1/groups/website")).body
    assert group == answer.body["group"]
    assert [place["share"] for place in group["datacentres"]] == [0.9, 0.1]
    assert group["weights"] == {"wellington": 90, "auckland": 10}
    assert group["configured_weights"] == {"wellington": 50, "auckland": 50}
    assert group["override"]["owner"] == "a-operator"
    assert group["override"]["reason"] == "patching"
    assert group["override"]["expires"] == "2023-11-15T00:13:20.000+00:00"


async def test_the_contracts_own_example_is_accepted(admin: RunningAdmin) -> None:
    body = {"weights": {"wellington": 90, "auckland": 10}, "rule": None, "reason": "...", "expires_in": "2h"}
    assert (await admin.call("PUT", WEIGHTS, {**body, "force": False})).status == 200


async def test_a_change_that_breaks_a_safety_rule_is_refused_with_its_name_unless_forced(admin: RunningAdmin) -> None:
    answer = await admin.call("POST", OVERRIDES, DRAIN_LAST)
    assert answer.status == 409
    assert answer.body["type"].endswith("#refused")
    assert answer.body["rule"] == "min_nodes"
    assert await audited(admin) == []
    assert (await admin.call("POST", OVERRIDES, {**DRAIN_LAST, "force": True})).status == 201


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "weights"),
        ({"weights": {"wellington": 1}}, "reason"),
        ({"weights": {"wellington": 1}, "reason": "  "}, "reason"),
        ({"weights": {"wellington": 1}, "reason": "a\nb"}, "reason"),
        ({"weights": {"wellington": 1}, "reason": "x" * 501}, "reason"),
        ({"weights": {}, "reason": "r"}, "weights"),
        ({"weights": {"wellington": -1}, "reason": "r"}, "weights.wellington"),
        ({"weights": {"wellington": "9"}, "reason": "r"}, "weights.wellington"),
        ({"weights": {"wellington": True}, "reason": "r"}, "weights.wellington"),
        ({"weights": {"christchurch": 1}, "reason": "r"}, "weights.christchurch"),
        ({"weights": {"wellington": 1}, "reason": "r", "rule": "nz"}, "rule"),
        ({"weights": {"wellington": 1}, "reason": "r", "extra": 1}, "extra"),
        ({"weights": {"wellington": 1}, "reason": "r", "force": "yes"}, "force"),
        ({"weights": {"wellington": 1}, "reason": "r", "expires_in": "soon"}, "expires_in"),
        ({"weights": {"wellington": 1}, "reason": "r", "expires_in": "0s"}, "expires_in"),
        ({"weights": {"wellington": 1}, "reason": "r", "expires_in": -5}, "expires_in"),
        ({"weights": {"wellington": 1}, "reason": "r", "expires_in": True}, "expires_in"),
        ({"weights": {"wellington": 1}, "reason": "r", "expires_in": "99999d"}, "expires_in"),
        ([], ""),
    ],
)
async def test_a_body_that_is_wrong_names_the_place_and_changes_nothing(
    admin: RunningAdmin, body: object, path: str
) -> None:
    answer = await admin.call("PUT", WEIGHTS, body)
    assert (answer.status, answer.body["path"]) == (422, path)
    assert set(answer.body) >= {"type", "title", "status", "detail", "path"}
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert admin.context.keeper.overrides() == ()


async def test_every_wrong_place_is_named_in_one_go(admin: RunningAdmin) -> None:
    answer = await admin.call("PUT", WEIGHTS, {"weights": {"wellington": -1, "auckland": "a"}, "extra": 1})
    paths = {error["path"] for error in answer.body["errors"]}
    assert paths == {"weights.wellington", "weights.auckland", "reason", "extra"}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"\xff",
        b'{"reason": "a", "reason": "b"}',
        b'{"weights": {"wellington": NaN}, "reason": "r"}',
        b'{"weights": {"wellington": Infinity}, "reason": "r"}',
        b"[" * 30_000,
    ],
)
async def test_what_is_not_json_is_400(admin: RunningAdmin, raw: bytes) -> None:
    answer = await admin.call("PUT", WEIGHTS, data=raw)
    assert answer.status == 400
    assert answer.body["type"].endswith("#malformed")


async def test_a_number_too_large_for_a_float_is_no_weight(admin: RunningAdmin) -> None:
    answer = await admin.call("PUT", WEIGHTS, data=b'{"weights": {"wellington": 1e999}, "reason": "r"}')
    assert (answer.status, answer.body["path"]) == (422, "weights.wellington")


async def test_a_body_over_64_kib_is_413(admin: RunningAdmin) -> None:
    answer = await admin.call("PUT", WEIGHTS, data=b" " * (MOST_BODY + 1))
    assert answer.status == 413


async def test_a_body_that_is_not_called_json_is_415(admin: RunningAdmin) -> None:
    answer = await admin.call("PUT", WEIGHTS, data=b"{}", headers={"Content-Type": "text/plain"})
    assert answer.status == 415


async def test_weights_of_an_unknown_group_are_404(admin: RunningAdmin) -> None:
    assert (await admin.call("PUT", "/api/v1/groups/nope/weights", weights(1, 1))).status == 404


# Overrides.


async def test_an_override_has_an_address_and_is_in_the_list_until_it_is_lifted(admin: RunningAdmin) -> None:
    created = await admin.call("POST", OVERRIDES, {**DRAIN, "expires_in": 60}, role=Role.OPERATOR)
    assert created.status == 201
    assert created.headers["Location"] == f"{OVERRIDES}/{created.body['id']}"
    assert (created.body["target"], created.body["owner"]) == ({"node": "wlg-1"}, "a-operator")
    assert (await admin.get("/api/v1/nodes/wlg-1")).body["drained"] is True
    assert (await admin.get(OVERRIDES)).body["items"] == [created.body]
    lifted = await admin.call("DELETE", created.headers["Location"], {"reason": "done"})
    assert (lifted.status, lifted.body["id"]) == (200, created.body["id"])
    assert (await admin.get(OVERRIDES)).body["items"] == []
    assert (await admin.get("/api/v1/nodes/wlg-1")).body["drained"] is False
    assert (await admin.call("DELETE", created.headers["Location"], {"reason": "again"})).status == 404


async def test_a_drained_node_is_not_expected_to_run(admin: RunningAdmin) -> None:
    await admin.call("POST", OVERRIDES, DRAIN)
    status = (await admin.get("/api/v1/status")).body
    assert status["groups"][0]["datacentres"][0]["nodes"] == {"serving": 1, "expected": 1, "drained": 1}


async def test_restore_is_done_at_once_and_has_no_address(admin: RunningAdmin) -> None:
    await admin.call("POST", OVERRIDES, {**DRAIN, "kind": "eject"})
    answer = await admin.call("POST", OVERRIDES, {**DRAIN, "kind": "restore"})
    assert answer.status == 200
    assert "Location" not in answer.headers
    assert (await admin.get("/api/v1/nodes/wlg-1")).body["state"] != "ejected"


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"kind": "pin"}, "kind"),
        ({"kind": "hold"}, "target"),
        ({"target": {}}, "target"),
        ({"target": {"node": "wlg-1", "datacentre": "wellington"}}, "target"),
        ({"target": {"node": "wlg-1", "group": "website"}}, "target"),
        ({"target": {"group": "website"}}, "target"),
        ({"target": {"rack": "a"}}, "target.rack"),
        ({"target": {"node": "nope"}}, "target.node"),
        ({"target": {"datacentre": "nope"}}, "target.datacentre"),
        ({"target": {"datacentre": "auckland", "group": "nope"}}, "target.group"),
        ({"reason": ""}, "reason"),
    ],
)
async def test_an_override_that_cannot_be_names_the_place(
    admin: RunningAdmin, change: dict[str, Any], path: str
) -> None:
    answer = await admin.call("POST", OVERRIDES, {**DRAIN, **change})
    assert answer.status == 422
    assert path in {error["path"] for error in answer.body.get("errors", [answer.body])}


async def test_lifting_needs_a_reason_in_the_body_or_in_the_query(admin: RunningAdmin) -> None:
    place = (await admin.call("POST", OVERRIDES, DRAIN)).headers["Location"]
    assert (await admin.call("DELETE", place)).body["path"] == "reason"
    assert (await admin.call("DELETE", f"{place}?reason=done")).status == 200
    assert (await audited(admin))[0]["reason"] == "done"


# If-Match.


async def test_weights_with_the_etag_that_was_read_hold_and_with_an_older_one_do_not(admin: RunningAdmin) -> None:
    read = (await admin.get("/api/v1/groups/website")).headers["ETag"]
    first = await admin.call("PUT", WEIGHTS, weights(90, 10), headers={"If-Match": read})
    assert first.status == 200
    stale = await admin.call("PUT", WEIGHTS, weights(80, 20), headers={"If-Match": read})
    assert stale.status == 412
    assert stale.headers["ETag"] == first.headers["ETag"] != read
    again = await admin.call("PUT", WEIGHTS, weights(80, 20), headers={"If-Match": f'"x", {first.headers["ETag"]}'})
    assert again.status == 200


async def test_live_rates_do_not_move_the_etag(admin: RunningAdmin) -> None:
    before = (await admin.get("/api/v1/groups/website")).headers["ETag"]
    admin.context.totals.add({"worker": 0, "requests": [["www", "website", "wellington", "2xx", 5]]})
    admin.clock.advance(1)
    assert (await admin.get("/api/v1/groups/website")).headers["ETag"] == before


@pytest.mark.parametrize("tag", ["W/{}", '"other"', "x"])
async def test_a_weak_or_other_etag_never_matches(admin: RunningAdmin, tag: str) -> None:
    read = (await admin.get("/api/v1/groups/website")).headers["ETag"]
    answer = await admin.call("PUT", WEIGHTS, weights(90, 10), headers={"If-Match": tag.format(read)})
    assert answer.status == 412


async def test_overrides_and_tokens_take_if_match_too(admin: RunningAdmin) -> None:
    overrides = (await admin.get(OVERRIDES)).headers["ETag"]
    tokens = (await admin.get("/api/v1/tokens")).headers["ETag"]
    token = {"name": "n", "role": "viewer", "reason": "r"}
    for path, body, tag in ((OVERRIDES, DRAIN, overrides), ("/api/v1/tokens", token, tokens)):
        assert (await admin.call("POST", path, body, headers={"If-Match": tag})).status == 201
        assert (await admin.call("POST", path, body, headers={"If-Match": tag})).status == 412


# Idempotency-Key.


async def keyed(admin: RunningAdmin, body: dict[str, Any], key: str = "k1", role: Role = Role.ADMIN) -> Answer:
    return await admin.call("POST", OVERRIDES, body, role=role, headers={"Idempotency-Key": key})


async def test_the_same_key_and_request_is_one_change_with_one_answer(admin: RunningAdmin) -> None:
    first, second = await keyed(admin, DRAIN), await keyed(admin, DRAIN)
    assert first.body == second.body
    assert (second.status, second.headers["Location"]) == (201, first.headers["Location"])
    assert second.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert len(await audited(admin)) == 1


async def test_the_same_key_with_another_request_is_a_mistake(admin: RunningAdmin) -> None:
    await keyed(admin, DRAIN)
    assert (await keyed(admin, {**DRAIN, "reason": "other"})).status == 422
    assert len(await audited(admin)) == 1


async def test_a_key_belongs_to_its_token(admin: RunningAdmin) -> None:
    first = await keyed(admin, DRAIN)
    second = await keyed(admin, DRAIN, role=Role.OPERATOR)
    assert "Idempotent-Replayed" not in second.headers
    assert second.body["id"] != first.body["id"]


async def test_a_refusal_is_an_answer_too(admin: RunningAdmin) -> None:
    first, second = await keyed(admin, DRAIN_LAST), await keyed(admin, DRAIN_LAST)
    assert first.status == second.status == 409
    assert first.body == second.body
    assert second.headers["Idempotent-Replayed"] == "true"


async def test_a_key_is_forgotten_after_an_hour(admin: RunningAdmin) -> None:
    await keyed(admin, DRAIN)
    admin.clock.advance(3600)
    assert "Idempotent-Replayed" not in (await keyed(admin, DRAIN)).headers


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_a_key_that_is_empty_or_too_long_is_refused(admin: RunningAdmin, key: str) -> None:
    assert (await keyed(admin, DRAIN, key)).status == 400


# Tokens, and the audit.


async def test_a_new_token_works_and_its_secret_is_nowhere_but_in_the_answer(admin: RunningAdmin) -> None:
    body = {"name": "ops", "role": "operator", "reason": "on call", "expires_in": "90d"}
    created = await admin.call("POST", "/api/v1/tokens", body)
    assert created.status == 201
    secret = created.body["token"]
    headers = {"Authorization": f"Bearer {secret}"}
    assert (await admin.call("POST", OVERRIDES, DRAIN, role=None, headers=headers)).body["owner"] == "ops"
    for path in (admin.folder / "tokens.yaml", admin.folder / "state" / "audit.jsonl"):
        assert secret.rpartition("_")[2] not in path.read_text()
    assert (await admin.call("POST", "/api/v1/tokens", body)).status == 422
    assert (await admin.call("DELETE", "/api/v1/tokens/ops", {"reason": "left"})).status == 200
    assert (await admin.call("GET", OVERRIDES, role=None, headers=headers)).status == 401
    assert (await admin.call("DELETE", "/api/v1/tokens/ops", {"reason": "left"})).status == 404


@pytest.mark.parametrize(("field", "value"), [("name", "A B"), ("name", ""), ("role", "king"), ("expires_in", "x")])
async def test_a_token_that_cannot_be_names_the_place(admin: RunningAdmin, field: str, value: str) -> None:
    body = {"name": "ops", "role": "viewer", "reason": "r", field: value}
    answer = await admin.call("POST", "/api/v1/tokens", body)
    assert (answer.status, answer.body["path"]) == (422, field)


async def test_every_change_is_on_record_with_who_from_where_before_and_after(admin: RunningAdmin) -> None:
    await admin.call("PUT", WEIGHTS, weights(90, 10), role=Role.OPERATOR)
    place = (await admin.call("POST", OVERRIDES, DRAIN)).headers["Location"]
    await admin.call("DELETE", place, {"reason": "done"})
    await admin.call("POST", "/api/v1/tokens", {"name": "ops", "role": "viewer", "reason": "r"})
    records = await audited(admin)
    actions = [record["action"] for record in records]
    assert actions == ["token.create", "override.lift", "override.drain", "weights.set"]
    first = records[-1]
    assert (first["who"], first["role"], first["from"]) == ("a-operator", "operator", "127.0.0.1")
    assert first["target"] == {"group": "website"}
    assert first["before"] == {"weights": {"wellington": 50, "auckland": 50}, "override": ""}
    assert first["after"]["weights"] == {"wellington": 90, "auckland": 10}
    drained = records[-2]
    assert (drained["before"]["drained"], drained["after"]["drained"]) == (False, True)
    on_disk = (admin.folder / "state" / "audit.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in reversed(on_disk)] == records


async def test_the_audit_comes_in_pages_and_since_a_time(admin: RunningAdmin) -> None:
    for share in (10, 20, 30):
        await admin.call("PUT", WEIGHTS, weights(share, 100 - share))
        admin.clock.advance(60)
    first = (await admin.get("/api/v1/audit?limit=2")).body
    assert ([record["id"] for record in first["items"]], first["next"]) == ([3, 2], "2")
    second = (await admin.get(f"/api/v1/audit?limit=2&after={first['next']}")).body
    assert ([record["id"] for record in second["items"]], second["next"]) == ([1], None)
    assert len((await admin.get("/api/v1/audit?since=2m")).body["items"]) == 2
    assert len((await admin.get("/api/v1/audit?since=2023-11-14T22:15:00Z")).body["items"]) == 1
    for query in ("since=yesterday", "after=x"):
        assert (await admin.get(f"/api/v1/audit?{query}")).status == 400


# When something goes wrong inside.


async def test_a_fault_inside_is_a_problem_without_a_trace_of_the_inside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> dict[str, Any]:
        raise RuntimeError("secret detail")

    async with running_admin(tmp_path, redacted_config=broken) as admin:
        with caplog.at_level(logging.ERROR, "steer.admin"):
            answer = await admin.get("/api/v1/config")
    assert answer.status == 500
    assert "secret detail" not in json.dumps(answer.body)
    assert "Traceback" not in json.dumps(answer.body)
    assert "secret detail" in caplog.text
