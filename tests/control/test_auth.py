"""Who gets in, with which role, under which Host name; and what a wrong token costs."""

from __future__ import annotations

from pathlib import Path

import pytest

from steer.control.api import host_name
from steer.control.auth import MOST_ADDRESSES, WINDOW, WRONG_TRIES, Failures, bearer
from steer.control.tokens import Role, create_token
from tests.kit.admin import RunningAdmin, running_admin
from tests.kit.clock import ManualClock

WRONG = "steer_ops_" + "0" * 64


async def test_without_a_token_there_is_no_answer_but_how_to_get_one(admin: RunningAdmin) -> None:
    answer = await admin.get("/api/v1/status", role=None)
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="steer"'
    assert "steer token create" in answer.body["detail"]


@pytest.mark.parametrize("field", ["Basic b3BzOng=", "Bearer", "Bearer ", f"Bearer {WRONG}", WRONG])
async def test_what_is_no_valid_bearer_token_is_401(admin: RunningAdmin, field: str) -> None:
    answer = await admin.get("/api/v1/status", role=None, Authorization=field)
    assert answer.status == 401
    assert WRONG not in str(answer.body)


async def test_the_local_token_is_an_admins(admin: RunningAdmin) -> None:
    secret = (admin.folder / "state" / "local-token").read_text().strip()
    headers = {"Authorization": f"Bearer {secret}"}
    body = {"name": "new", "role": "viewer", "reason": "a dashboard"}
    assert (await admin.call("POST", "/api/v1/tokens", body, role=None, headers=headers)).status == 201


CHANGES = [
    ("PUT", "/api/v1/groups/website/weights", {"weights": {"wellington": 90}, "reason": "r"}, Role.OPERATOR),
    ("POST", "/api/v1/overrides", {"kind": "drain", "target": {"node": "wlg-1"}, "reason": "r"}, Role.OPERATOR),
    ("DELETE", "/api/v1/overrides/x", {"reason": "r"}, Role.OPERATOR),
    ("POST", "/api/v1/tokens", {"name": "n", "role": "viewer", "reason": "r"}, Role.ADMIN),
    ("DELETE", "/api/v1/tokens/a-viewer", {"reason": "r"}, Role.ADMIN),
]


@pytest.mark.parametrize(("method", "path", "body", "needed"), CHANGES)
async def test_a_change_needs_its_role(
    admin: RunningAdmin, method: str, path: str, body: dict[str, object], needed: Role
) -> None:
    for role in Role:
        answer = await admin.call(method, path, body, role=role)
        assert (answer.status == 403) is not role.covers(needed)
        if answer.status == 403:
            assert answer.body["detail"] == f"'a-{role}' is {role}; this needs {needed}"
            assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]


async def test_a_token_revoked_by_another_process_is_refused_from_then_on(admin: RunningAdmin) -> None:
    _, secret = create_token(admin.folder / "tokens.yaml", "ops", Role.VIEWER)
    headers = {"Authorization": f"Bearer {secret}"}
    assert (await admin.call("GET", "/api/v1/status", role=None, headers=headers)).status == 200
    assert (await admin.call("DELETE", "/api/v1/tokens/ops", {"reason": "left"})).status == 200
    assert (await admin.call("GET", "/api/v1/status", role=None, headers=headers)).status == 401


async def test_an_address_that_is_wrong_too_often_is_told_when_to_come_back(admin: RunningAdmin) -> None:
    for _ in range(WRONG_TRIES):
        assert (await admin.get("/api/v1/status", role=None, Authorization=f"Bearer {WRONG}")).status == 401
    answer = await admin.get("/api/v1/status", role=None, Authorization=f"Bearer {WRONG}")
    assert answer.status == 429
    assert 0 < int(answer.headers["Retry-After"]) <= WINDOW + 1
    admin.clock.advance(WINDOW)
    assert (await admin.get("/api/v1/status", role=None, Authorization=f"Bearer {WRONG}")).status == 401


async def test_a_right_token_gets_in_from_an_address_that_was_wrong_too_often(admin: RunningAdmin) -> None:
    for _ in range(WRONG_TRIES + 1):
        await admin.get("/api/v1/status", role=None, Authorization=f"Bearer {WRONG}")
    assert (await admin.get("/api/v1/status")).status == 200


def test_failures_remember_a_bounded_number_of_addresses_and_forget_the_longest_quiet() -> None:
    failures = Failures(ManualClock())
    for _ in range(WRONG_TRIES):
        failures.count("192.0.2.1")
    assert failures.count("192.0.2.1") > 0
    for number in range(MOST_ADDRESSES):
        assert failures.count(f"198.51.{number // 256}.{number % 256}") == 0
    assert failures.count("192.0.2.1") == 0


# Host names.


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "[::1]", "localhost@evil.example"])
async def test_a_host_name_that_is_not_configured_is_not_answered(admin: RunningAdmin, host: str) -> None:
    for path in ("/api/v1/status", "/api/v1/openapi.json", "/metrics", "/nowhere"):
        answer = await admin.get(path, Host=host)
        assert answer.status == 421
        assert answer.body["type"].endswith("#wrong_host")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9900", "127.0.0.1", "127.0.0.1:80"])
async def test_a_configured_host_name_is_answered_with_any_port(admin: RunningAdmin, host: str) -> None:
    assert (await admin.get("/api/v1/status", Host=host)).status == 200


async def test_probes_are_answered_under_any_host_name(admin: RunningAdmin) -> None:
    for path in ("/healthz", "/readyz"):
        assert (await admin.get(path, role=None, Host="10.1.2.3")).status == 200


async def test_metrics_take_their_own_token_where_one_is_set(tmp_path: Path) -> None:
    async with running_admin(tmp_path, metrics_token="scrape-me") as admin:
        assert (await admin.get("/metrics", role=None)).status == 401
        assert (await admin.get("/metrics", role=Role.ADMIN)).status == 401
        assert (await admin.get("/metrics", role=None, Authorization="Bearer scrape-me")).status == 200
        assert (await admin.get("/api/v1/status", role=None, Authorization="Bearer scrape-me")).status == 401


@pytest.mark.parametrize(
    ("field", "name"),
    [("a.example:80", "a.example"), ("A.Example", "a.example"), ("[::1]:9900", "::1"), ("[::1]", "::1"), ("", "")],
)
def test_a_host_field_is_a_name_and_perhaps_a_port(field: str, name: str) -> None:
    assert host_name(field) == name


@pytest.mark.parametrize(
    ("field", "secret"), [("Bearer a", "a"), ("bearer  a ", "a"), ("Bearer", None), ("Basic a", None), (None, None)]
)
def test_a_bearer_field_gives_its_token(field: str | None, secret: str | None) -> None:
    assert bearer(field) == secret
