"""What the edge answers by itself: failures in the form that the client reads, the health path, the end of its life."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from tests.compliance.place import Place, request
from tests.kit.client import Client
from tests.kit.edge import HOST, bind, configuration, running_edge
from tests.kit.origin import OK, Origin, tell, wait_for

HEALTH = "/.steer/health"


# Failures...


@pytest.mark.parametrize("accept", [None, "text/html", "*/*", "text/html, application/json", "application/xml"])
def test_a_failure_is_a_page(place: Place, accept: str | None) -> None:
    fields = [] if accept is None else [f"Accept: {accept}"]
    with place.client() as client:
        answer = client.ask(place.filled(request("GET {path} HTTP/1.1", *fields, host="evil.example")))
    assert (answer.status, answer.get("Content-Type")) == (421, "text/html; charset=utf-8")
    assert answer.body.startswith(b"<!doctype html>")
    assert (answer.get("X-Request-Id") or "").encode() in answer.body


@pytest.mark.parametrize("accept", ["application/json", "Application/JSON", "application/problem+json, */*;q=0.1"])
def test_a_failure_is_json_for_who_asks_for_json(place: Place, accept: str) -> None:
    with place.client() as client:
        answer = client.ask(place.filled(request("GET {path} HTTP/1.1", f"Accept: {accept}", host="evil.example")))
    assert (answer.status, answer.get("Content-Type")) == (421, "application/problem+json")
    problem = json.loads(answer.body)
    assert (problem["status"], problem["request_id"]) == (421, answer.get("X-Request-Id"))


def test_what_a_client_wrote_does_not_become_html(place: Place) -> None:
    with place.client() as client:
        answer = client.ask(place.filled(request("GET {path} HTTP/1.1", host="x.example")))
        head = client.ask(place.filled(request("GET {path}<script>alert(1)</script> HTTP/1.1", host="x.example")))
    assert (answer.status, head.status) == (421, 421)
    assert b"<script" not in head.body


def test_a_failure_to_head_has_no_body_and_says_its_length(place: Place) -> None:
    with place.client() as client:
        answer = client.ask(place.filled(request("HEAD {path} HTTP/1.1", host="evil.example")), method="HEAD")
        assert (answer.status, answer.body) == (421, b"")
        assert int(answer.get("Content-Length") or 0) > 0
        place.still_works(client)


def test_a_failure_says_that_nobody_may_keep_it(place: Place) -> None:
    with place.client() as client:
        answer = client.ask(place.filled(request("GET {path} HTTP/1.1", host="evil.example")))
    assert answer.get("Cache-Control") == "no-store"
    assert answer.get("Date") is not None


def test_a_refused_method_says_which_are_served(place: Place) -> None:
    with place.client() as client:
        answer = client.ask(place.filled(request("TRACE {path} HTTP/1.1")))
    assert (answer.status, "GET" in (answer.get("Allow") or "")) == (405, True)


def test_a_refused_head_stands_in_the_access_log_without_what_it_said(place: Place) -> None:
    with place.client() as client:
        answer = client.ask(place.filled(request("GET {path}-secret HTTP/1.1", "A : b")))
    assert (answer.status, answer.error) == (400, "malformed")
    place.reached_nothing()
    place.edge.entry(f"{place.path}-nothing-before")
    (entry,) = [entry for entry in place.edge.entries() if entry["request_id"] == answer.get("X-Request-Id")]
    assert (entry["status"], entry["error"], entry["target"]) == (400, "malformed", "")


def test_a_route_that_leads_nowhere(tmp_path: Path) -> None:
    with Origin() as origin:
        tree = configuration({"one": origin.port})
        tree["services"]["www"]["routes"] = [{"path": "/app", "pool": "web"}]
        with running_edge(tmp_path, tree, workers=0) as edge, Client(edge.port()) as client:
            statuses = {
                path: client.ask(request(f"GET {path} HTTP/1.1")).status
                for path in ("/app", "/app/x", "/app?x", "/apple", "/app%2fx", "/", "/App")
            }
    assert [path for path, status in statuses.items() if status == 200] == ["/app", "/app/x", "/app?x"]
    assert {status for status in statuses.values() if status != 200} == {404}


def test_a_node_that_is_not_there_is_a_502_with_advice(tmp_path: Path) -> None:
    tree = configuration({"one": int(bind().rpartition(":")[2])})
    with running_edge(tmp_path, tree, workers=0) as edge, Client(edge.port()) as client:
        answer = client.ask(request("POST / HTTP/1.1", "Content-Length: 5", body=b"hello"))
        assert (answer.status, answer.error) == (502, "node_refused")
        assert b"try again" in answer.body


# The health path...


@pytest.mark.parametrize("host", [HOST, "127.0.0.1", None])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("listener", ["http", "tight", "redirect"])
def test_the_health_path_is_answered_for_any_host_and_none(
    place: Place, host: str | None, version: str, listener: str
) -> None:
    with place.client(listener) as client:
        answer = client.ask(request(f"GET {HEALTH} HTTP/{version}", host=host))
        assert (answer.status, answer.body) == (200, b"ok\n")
        assert client.is_closed() if version == "1.0" else not answer.says_close
    place.reached_nothing()


def test_the_health_path_is_answered_over_tls(place: Place) -> None:
    with place.secure_client() as client:
        assert client.ask(request(f"GET {HEALTH} HTTP/1.1", host="10.0.0.1")).status == 200
        assert client.ask(request(f"HEAD {HEALTH} HTTP/1.1"), method="HEAD").body == b""
        place.still_works(client)


@pytest.mark.parametrize("target", [f"{HEALTH}/", f"{HEALTH}?a", "/.steer", f"{HEALTH}x"])
def test_what_only_looks_like_the_health_path_is_the_nodes(place: Place, target: str) -> None:
    mark = place.origin.mark()
    with place.client() as client:
        assert client.ask(request(f"GET {target} HTTP/1.1")).body == b"ok"
    assert place.origin.since(mark).startswith(f"GET {target} HTTP/1.1\r\n".encode())


def test_a_post_to_the_health_path_is_the_nodes(place: Place) -> None:
    mark = place.origin.mark()
    with place.client() as client:
        assert client.ask(request(f"POST {HEALTH} HTTP/1.1", "Content-Length: 0")).body == b"ok"
    assert place.origin.since(mark).startswith(b"POST ")


def test_pipelined_health_checks_and_requests_are_answered_in_order(place: Place) -> None:
    with place.client() as client:
        client.send(place.filled(request(f"GET {HEALTH} HTTP/1.1") + request("GET {path} HTTP/1.1")) * 2)
        assert [client.read().body for _ in range(4)] == [b"ok\n", b"ok", b"ok\n", b"ok"]


# Limits of a listener, and its end...


def test_a_connection_too_many_is_refused_while_all_others_are_busy(tmp_path: Path) -> None:
    go = threading.Event()
    with Origin() as origin:
        origin.on("/slow", wait_for(go), OK)
        tree = configuration({"one": origin.port}, http={"limits": {"connections": 2}})
        with running_edge(tmp_path, tree, workers=0) as edge:
            port = edge.port()
            with Client(port) as first, Client(port) as second:
                assert [client.ask(request("GET / HTTP/1.1")).status for client in (first, second)] == [200, 200]
                first.send(request("GET /slow HTTP/1.1"))
                second.send(request("GET /slow HTTP/1.1")[:-2])
                with Client(port) as third:
                    answer = third.read()
                    assert (answer.status, answer.error, answer.says_close) == (503, "busy", True)
                    assert answer.get("Retry-After") is not None
                    assert third.is_closed()
                second.send(b"\r\n")
                go.set()
                assert [client.read().status for client in (first, second)] == [200, 200]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_draining_edge_finishes_what_began_and_says_so_on_its_health_path(tmp_path: Path, workers: int) -> None:
    came, go_on = threading.Event(), threading.Event()
    with Origin() as origin:
        origin.on("/slow", tell(came), wait_for(go_on), OK)
        with running_edge(tmp_path, configuration({"one": origin.port}), workers) as edge:
            with Client(edge.port()) as busy, Client(edge.port()) as watcher, Client(edge.port()) as idle:
                assert watcher.ask(request(f"GET {HEALTH} HTTP/1.1")).status == 200
                assert idle.ask(request("GET / HTTP/1.1")).status == 200
                busy.send(request("GET /slow HTTP/1.1"))
                assert came.wait(10)
                watcher.send(request(f"GET {HEALTH} HTTP/1.1")[:-2])
                edge.terminate()
                assert idle.is_closed()
                answer = watcher.ask(b"\r\n")
                assert (answer.status, answer.body, answer.error) == (503, b"draining\n", "draining")
                assert answer.says_close
                go_on.set()
                last = busy.read()
                assert (last.status, last.body, last.says_close) == (200, b"ok", True)
                assert busy.is_closed()
            assert edge.process.wait(10) == 0
