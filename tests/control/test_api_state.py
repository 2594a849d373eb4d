"""What the admin API shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from steer.control.context import WorkerView
from steer.control.tokens import Role, create_token
from steer.steering.latencies import BUCKETS
from tests.kit.admin import RunningAdmin, running_admin


async def ok(admin: RunningAdmin, path: str) -> Any:
    answer = await admin.get(f"/api/v1{path}")
    assert answer.status == 200, answer.body
    return answer.body


async def test_status_has_each_group_in_one_line(admin: RunningAdmin) -> None:
    status = await ok(admin, "/status")
    assert status["edge"] == "edge-a"
    assert status["config_hash"] == "c0ffee" * 10
    assert status["workers"][0]["pid"] == 4711
    assert [group["line"] for group in status["groups"]] == [
        "website  active-active  wellington 50 % serving (2 of 2)  auckland 50 % serving (1 of 1)"
    ]


async def test_a_node_that_is_ejected_takes_its_datacentres_share_along(admin: RunningAdmin) -> None:
    target = {"kind": "eject", "target": {"node": "akl-1"}, "reason": "disk", "expires_in": "1h", "force": True}
    assert (await admin.call("POST", "/api/v1/overrides", target)).status == 201
    shares = {place["name"]: place["share"] for place in (await ok(admin, "/groups/website"))["datacentres"]}
    assert shares == {"wellington": 1.0, "auckland": 0.0}
    node = await ok(admin, "/nodes/akl-1")
    assert (node["state"], node["cause"]) == ("ejected", "override")
    explained = await ok(admin, "/nodes/akl-1/explain")
    assert "restore" in explained["operator"]
    assert explained["overrides"][0]["expires"] == "2023-11-14T23:13:20.000+00:00"


async def test_what_workers_count_shows_up_as_live_rates_and_latencies(admin: RunningAdmin) -> None:
    admin.clock.advance(1)
    quick = [0, 0, 0, 40, *[0] * (BUCKETS - 4), 0.3]
    requests = [["www", "website", "wellington", "2xx", 30], ["www", "website", "auckland", "5xx", 10]]
    counts = {"worker": 0, "requests": requests, "seconds": {"total": quick}, "upstream": {"wlg-1": quick}}
    admin.context.totals.add({**counts, "gauges": {"connections": 3, "in_flight": {"wlg-1": 2}}})
    status = await ok(admin, "/status")
    assert (status["requests_per_second"], status["errors_per_second"], status["connections"]) == (40, 10, 3)
    assert 0.005 < status["latency"]["p50"] < 0.01
    group = await ok(admin, "/groups/website")
    assert [place["requests_per_second"] for place in group["datacentres"]] == [30, 10]
    node = await ok(admin, "/nodes/wlg-1")
    assert (node["requests_per_second"], node["in_flight"]) == (40, 2)
    assert (await ok(admin, "/nodes/akl-1"))["latency"] == {"p50": None, "p99": None}


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/datacentres", ["auckland", "wellington"]),
        ("/groups", ["website"]),
        ("/pools", ["web"]),
        ("/nodes", ["akl-1", "wlg-1", "wlg-2"]),
        ("/services", ["www"]),
        ("/tokens", ["a-admin", "a-operator", "a-viewer"]),
    ],
)
async def test_a_list_is_in_the_order_of_its_names(admin: RunningAdmin, path: str, names: list[str]) -> None:
    found = await ok(admin, path)
    assert [item["name"] for item in found["items"]] == names
    assert found["next"] is None


async def test_a_list_comes_in_pages(admin: RunningAdmin) -> None:
    first = await ok(admin, "/tokens?limit=2")
    assert ([t["name"] for t in first["items"]], first["next"]) == (["a-admin", "a-operator"], "a-operator")
    second = await ok(admin, f"/tokens?limit=2&after={first['next']}")
    assert ([t["name"] for t in second["items"]], second["next"]) == (["a-viewer"], None)


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "limit=-1", "limit=%C2%B2", "limit=1&limit=2"])
async def test_a_limit_out_of_range_is_refused(admin: RunningAdmin, query: str) -> None:
    answer = await admin.get(f"/api/v1/nodes?{query}")
    assert (answer.status, answer.body["path"]) == (400, "limit")


async def test_a_query_that_is_not_known_is_refused_with_those_that_are(admin: RunningAdmin) -> None:
    answer = await admin.get("/api/v1/nodes?state=ejected")
    assert (answer.status, answer.body["path"]) == (400, "state")
    assert "limit, after" in answer.body["detail"]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/groups/nope", "no group is called 'nope'; there are: website"),
        ("/pools/nope", "no pool is called 'nope'; there are: web"),
        ("/nodes/nope", "no node is called 'nope'; there are: wlg-1, wlg-2, akl-1"),
        ("/nodes/nope/explain", "no node is called 'nope'; there are: wlg-1, wlg-2, akl-1"),
    ],
)
async def test_an_unknown_name_is_404_and_says_what_there_is(admin: RunningAdmin, path: str, said: str) -> None:
    answer = await admin.get(f"/api/v1{path}")
    assert (answer.status, answer.body["detail"]) == (404, said)


async def test_an_edge_without_a_store_has_no_sessions(admin: RunningAdmin) -> None:
    answer = await admin.get("/api/v1/sessions")
    assert (answer.status, answer.body["detail"]) == (
        404,
        "this edge keeps no sessions, or its store has not spoken yet",
    )


@pytest.mark.parametrize("path", ["/edges", "/runs", "/drills", "/events"])
async def test_what_is_not_built_does_not_exist(admin: RunningAdmin, path: str) -> None:
    answer = await admin.get(f"/api/v1{path}")
    assert answer.status == 404
    assert answer.headers["Content-Type"].startswith("application/problem+json")


async def test_a_method_that_is_not_there_is_405_and_says_which_are(admin: RunningAdmin) -> None:
    answer = await admin.call("PATCH", "/api/v1/overrides", {})
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET,POST"


# Explain.


async def test_explain_names_the_node_and_the_steps(admin: RunningAdmin) -> None:
    found = await ok(admin, "/explain?host=www.agency.example&path=/news&client=192.0.2.7&header=Accept:%20text/html")
    assert found["service"] == "www"
    assert found["verdict"]["node"] in ("wlg-1", "wlg-2", "akl-1")
    assert next(step["step"] for step in found["steps"] if step["taken"]) == "weights"


async def test_explain_takes_the_clients_address_into_account(admin: RunningAdmin) -> None:
    inside = await ok(admin, "/explain?host=stack-dr.cwp.example&client=10.1.2.3")
    outside = await ok(admin, "/explain?host=stack-dr.cwp.example&client=192.0.2.7")
    assert inside["verdict"]["node"] == "akl-1"
    assert outside["verdict"]["refused"] == "not_allowed"


@pytest.mark.parametrize(
    ("query", "path"),
    [("", "host"), ("host=", "host"), ("host=a&client=me", "client"), ("host=a&header=none", "header")],
)
async def test_explain_refuses_what_it_cannot_read(admin: RunningAdmin, query: str, path: str) -> None:
    answer = await admin.get(f"/api/v1/explain?{query}")
    assert (answer.status, answer.body["path"]) == (400, path)


async def test_explain_of_a_host_that_no_service_has_says_so(admin: RunningAdmin) -> None:
    answer = await admin.get("/api/v1/explain?host=other.example")
    assert answer.status == 422
    assert "other.example" in answer.body["detail"]


# The edge itself.


async def test_certificates_say_when_they_expire(admin: RunningAdmin) -> None:
    (certificate,) = (await ok(admin, "/certificates"))["items"]
    assert certificate["names"] == ["www.agency.example"]
    assert certificate["expires_in"] == 86400


async def test_the_configuration_is_shown_as_it_is_given(admin: RunningAdmin) -> None:
    assert await ok(admin, "/config") == {"version": 1, "admin": {"metrics_token": "hidden"}}


async def test_tokens_are_shown_without_their_hashes(admin: RunningAdmin) -> None:
    create_token(admin.folder / "tokens.yaml", "ends", Role.VIEWER, admin.clock.wall() + 60)
    found = (await ok(admin, "/tokens"))["items"][-1]
    assert found == {"name": "ends", "role": "viewer", "expires": "2023-11-14T22:14:20.000+00:00"}


async def test_ready_means_that_a_worker_serves(tmp_path: Path) -> None:
    workers = [WorkerView(0, 1, "starting", 0.0), WorkerView(1, 2, "draining", 0.0)]
    async with running_admin(tmp_path, workers=lambda: workers) as admin:
        assert (await admin.get("/readyz", role=None)).status == 503
        assert (await admin.get("/healthz", role=None)).status == 200
        workers[0] = WorkerView(0, 1, "serving", 0.0)
        answer = await admin.get("/readyz", role=None)
        assert (answer.status, answer.body) == (200, {"ready": True, "workers_serving": 1})


async def test_no_answer_is_kept_by_a_cache_or_names_the_library(admin: RunningAdmin) -> None:
    answer = await admin.get("/api/v1/status")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Server"] == "steer"
