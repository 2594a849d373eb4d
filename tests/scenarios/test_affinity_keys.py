"""Conversations that are known by a key of the client's: learned by one worker, known to all."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.client import Client, Response
from tests.kit.edge import running_edge
from tests.kit.processes import children, holders
from tests.kit.waiting import wait_until
from tests.scenarios.affinity import (
    KEY_HOST,
    Place,
    place_of,
    reason_of,
    request,
    service,
    site_of,
    tree_of,
)

QUERY_HOST, BRIEF_HOST, LONG_HOST = "search.agency.example", "brief.agency.example", "long.agency.example"
ENDS = {"response_header": "X-Conversation-Ended", "request_header": "X-Conversation-End"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    services = {
        "chat": service(KEY_HOST, {"header": "X-Conversation-Id", "idle": "20m", "ends_with": ENDS}),
        "search": service(QUERY_HOST, {"query": "conversation"}),
        "brief": service(BRIEF_HOST, {"header": "X-Conversation-Id", "idle": "1500ms"}),
        "long": service(LONG_HOST, {"header": "X-Conversation-Id", "idle": "2s", "longest": "2s"}),
    }
    with place_of(tmp_path_factory.mktemp("edge"), tree_of(services), workers=2) as place:
        yield place


@pytest.fixture
def both(place: Place) -> Iterator[tuple[Client, Client]]:
    """A connection to each of the two workers."""
    workers = [pid for pid, name in children(place.edge.process.pid).items() if name.startswith("steer worker")]
    found: dict[int, Client] = {}
    while len(found) < 2:
        client = place.client()
        client.ask(request(KEY_HOST))
        holder = holders(place.edge.port(), workers)[client.socket.getsockname()[1]]
        if found.setdefault(holder, client) is not client:
            client.socket.close()
    one, other = found.values()
    yield one, other
    one.socket.close()
    other.socket.close()


def ask(client: Client, key: str, *fields: str, host: str = KEY_HOST, path: str = "/") -> Response:
    return client.ask(request(host, f"X-Conversation-Id: {key}", *fields, path=path))


def is_known(client: Client, key: str, host: str = KEY_HOST) -> bool:
    return reason_of(ask(client, key, host=host)) == "affinity"


def test_the_first_request_goes_by_the_hash_of_its_key_and_all_others_follow(
    place: Place, both: tuple[Client, Client]
) -> None:
    sites = set()
    for number in range(20):
        key = f"many-{number}"
        first = ask(both[number % 2], key)
        assert reason_of(first) == "learned"
        sites.add(site_of(first))
        again = ask(both[number % 2], key)
        assert (site_of(again), reason_of(again)) == (site_of(first), "affinity")
    assert sites == {"one", "two"}


def test_the_other_worker_knows_after_a_second_whatever_the_weights_are_by_then(
    place: Place, both: tuple[Client, Client]
) -> None:
    one, other = both
    first = site_of(ask(one, "spread"))
    time.sleep(1.0)  # the promise: to ask sooner would be a first request of its own
    away = {"one": 0, "two": 100} if first == "one" else {"one": 100, "two": 0}
    place.edge.admin("/groups/website/weights", "PUT", {"weights": away, "reason": "a test", "force": True})
    wait_until(lambda: site_of(other.ask(request(KEY_HOST))) != first, "the weights hold")
    answer = ask(other, "spread")
    assert (site_of(answer), reason_of(answer)) == (first, "affinity")
    override = place.edge.admin("/overrides")["items"][0]["id"]
    place.edge.admin(f"/overrides/{override}?reason=done", "DELETE")


@pytest.mark.parametrize("by", ["request", "response"])
def test_it_ends_for_all_when_somebody_says_so_and_that_request_still_goes_there(
    place: Place, both: tuple[Client, Client], by: str
) -> None:
    one, other = both
    key, path = f"ending-{by}", f"/ends-{by}"
    place.on(path, *([b"X-Conversation-Ended: 1"] if by == "response" else []))
    first = site_of(ask(one, key))
    wait_until(lambda: is_known(other, key), "the other worker knows it")
    last = ask(other, key, *(["X-Conversation-End: 1"] if by == "request" else []), path=path)
    assert (site_of(last), reason_of(last)) == (first, "affinity")
    assert reason_of(ask(other, key)) == "learned"


def test_a_key_may_stand_in_the_query_however_it_is_written(place: Place) -> None:
    with place.client() as client:
        first = client.ask(request(QUERY_HOST, path="/a?x=1&conversation=q%2d1"))
        assert reason_of(first) == "learned"
        again = client.ask(request(QUERY_HOST, path="/b?conversation=q-1&y"))
        assert (site_of(again), reason_of(again)) == (site_of(first), "affinity")


@pytest.mark.parametrize(
    "fields",
    [
        (),
        ("X-Conversation-Id:",),
        ("X-Conversation-Id: twice", "X-Conversation-Id: twice"),
        (f"X-Conversation-Id: {'x' * 257}",),
    ],
)
def test_what_is_no_key_is_learned_by_nobody(place: Place, fields: tuple[str, ...]) -> None:
    with place.client() as client:
        for _ in range(3):
            assert reason_of(client.ask(request(KEY_HOST, *fields))) == "weights"


def test_a_101_that_does_not_answer_the_question_teaches_nobody_a_key(place: Place) -> None:
    wrong = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    for origin in place.origins.values():
        origin.on("/wrong", wrong + b"Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n")
    upgrade = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
    with place.client() as client:
        answer = ask(client, "wrong", *upgrade, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", path="/wrong")
        assert answer.status == 502
    wait_until(lambda: all_serve(place), "the nodes that broke the rules serve again")
    with place.client() as client:
        assert not is_known(client, "wrong")


def all_serve(place: Place) -> bool:
    """Asked for until they do: a trial needs a request."""
    place.ask(KEY_HOST)
    return {node["state"] for node in place.edge.admin("/nodes")["items"]} == {"serving"}


def test_it_is_forgotten_when_it_was_idle_for_too_long(place: Place) -> None:
    with place.client() as client:
        ask(client, "idle", host=BRIEF_HOST)
        assert is_known(client, "idle", BRIEF_HOST)
        time.sleep(1.6)  # the promise: to ask sooner would be a use of it
        assert not is_known(client, "idle", BRIEF_HOST)


def test_it_is_forgotten_when_it_has_lasted_for_too_long_however_busy_it_is(place: Place) -> None:
    with place.client() as client:
        began = time.monotonic()
        ask(client, "long", host=LONG_HOST)
        while is_known(client, "long", LONG_HOST):
            assert time.monotonic() - began < 4.0
            time.sleep(0.05)
        assert time.monotonic() - began >= 1.9


def test_it_outlives_control_and_the_whole_edge_killed(tmp_path: Path) -> None:
    tree = tree_of({"chat": service(KEY_HOST, {"header": "X-Conversation-Id"})})
    with place_of(tmp_path, tree, workers=2) as place:
        with place.client() as client:
            first = site_of(ask(client, "kept"))
            log = tmp_path / "state" / "learned.log"
            wait_until(lambda: log.exists() and first.encode() in log.read_bytes(), "it is on disk")
            pids = children(place.edge.process.pid)
            (control,) = [pid for pid, name in pids.items() if name == "steer control"]
            os.kill(control, signal.SIGKILL)
            assert is_known(client, "kept")
        place.edge.kill()
        with running_edge(tmp_path, tree, 2) as edge:
            place.edge = edge
            with place.client() as client:
                wait_until(lambda: is_known(client, "kept"), "the edge that began anew knows it")
                assert site_of(ask(client, "kept")) == first
