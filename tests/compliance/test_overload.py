"""One client that takes or asks for more than its part: what becomes of it, and that others are served meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.compliance.place import Place, request
from tests.kit.client import Client, Cut
from tests.kit.edge import RunningEdge, configuration, running_edge
from tests.kit.origin import OK, Origin, Visit, tell, wait_for, without_body

POST = "POST {path} HTTP/1.1"
ELSEWHERE = "127.0.0.77"
MIB = 1024 * 1024
PLACES = 8
"""For requests at the small pool's node."""


def goes_on(place: Place) -> None:
    with place.client() as other:
        assert other.ask(request(f"GET {place.path}-meanwhile HTTP/1.1")).status == 200


def taken(client: Client, data: bytes, most: int) -> int:
    """How many bytes the edge takes, up to `most`, until it takes none for a moment or ends the connection."""
    client.socket.settimeout(0.5)
    sent = 0
    with suppress(OSError):
        while sent < most:
            sent += client.socket.send(data)
    return sent


# Pieces without end...


def test_a_body_of_a_thousand_tiny_chunks_in_one_write_arrives_whole(place: Place) -> None:
    with place.client() as client:
        client.send(place.filled(request(POST, "Transfer-Encoding: chunked")) + b"1;x\r\ny\r\n" * 5000)
        goes_on(place)
        assert client.ask(b"0\r\n\r\n").status == 200
        place.still_works(client)
    assert place.seen().body.count(b"y") == 5000


def test_requests_that_the_edge_answers_itself_are_answered_in_order_however_many_come(place: Place) -> None:
    unknown = b"GET /%d HTTP/1.1\r\nHost: nobody.example\r\n\r\n"
    with place.client() as client:
        client.send(b"".join(unknown % n for n in range(500)) + place.filled(request("GET {path} HTTP/1.1")))
        goes_on(place)
        assert [client.read().status for _ in range(501)] == [421] * 500 + [200]


def test_who_takes_no_answers_is_not_asked_for_more_requests(place: Place) -> None:
    """Else the answers would gather in the edge's memory."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n" + bytes(50_000)
    asked = place.filled(request("GET {path} HTTP/1.1")) * 10
    place.origin.on(place.path, answer)
    with place.client() as client:
        assert taken(client, asked, 100 * MIB) < 64 * MIB
        goes_on(place)


@pytest.mark.parametrize("listener", ["http", "https"])
def test_who_sends_on_after_the_last_answer_is_not_listened_to(place: Place, listener: str) -> None:
    with place.secure_client() if listener == "https" else place.client() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        assert client.read().says_close
        assert taken(client, bytes(256 * 1024), 256 * MIB) < 64 * MIB
        goes_on(place)


# Who waits for whom...


def test_a_node_that_takes_its_time_with_100_is_waited_for(place: Place) -> None:
    """The client must not send its body yet: that it does not come is not its fault."""
    asked, go = threading.Event(), threading.Event()
    steps = (without_body, tell(asked), wait_for(go), b"HTTP/1.1 100 Continue\r\n\r\n", Visit.read_body, OK)
    place.origin.on(place.path, *steps)
    with place.client("tight") as client:
        client.send(place.filled(request(POST, "Expect: 100-continue", "Content-Length: 5")))
        assert asked.wait(10)
        assert not go.wait(1.0)  # twice the grace that a body has on this listener
        go.set()
        assert client.read_head().status == 100
        assert client.ask(b"hello").status == 200


def test_a_node_that_says_neither_100_nor_anything_else_is_too_slow(place: Place) -> None:
    go = threading.Event()
    path = f"/impatient{place.path}"
    place.origin.on(path, without_body, wait_for(go), OK)
    with place.client("tight") as client:
        answer = client.ask(request(f"POST {path} HTTP/1.1", "Expect: 100-continue", "Content-Length: 5"))
        assert (answer.status, answer.error) == (504, "node_too_slow")
    go.set()


# Places...


@pytest.fixture(scope="module")
def shared_origin() -> Iterator[Origin]:
    with Origin() as origin:
        yield origin


@pytest.fixture(scope="module")
def shared_small(tmp_path_factory: pytest.TempPathFactory, shared_origin: Origin) -> Iterator[RunningEdge]:
    tree = configuration({"one": shared_origin.port}, http={}, few={"limits": {"connections": 1, "head_time": "8s"}})
    tree["pools"]["web"] |= {"max_connections": PLACES, "max_pending": 1}
    with running_edge(tmp_path_factory.mktemp("small"), tree) as edge:
        yield edge


def test_bodies_that_do_not_come_take_no_more_than_half_of_the_nodes_places(shared_small: RunningEdge) -> None:
    port = shared_small.port()
    slow = [Client(port, source="127.0.0.66") for _ in range(2 * PLACES)]
    for client in slow:
        client.send(request("POST /slow HTTP/1.1", "Content-Length: 100"))
    refused = [client.read() for client in slow[PLACES // 2 :]]
    assert {(answer.status, answer.error) for answer in refused} == {(503, "busy")}
    with Client(port, source=ELSEWHERE) as good:
        assert good.ask(request("POST / HTTP/1.1", "Content-Length: 5", body=b"hello")).status == 200
    for client in slow[: PLACES // 2]:
        assert client.ask(b"x" * 100).status == 200
    for client in slow:
        client.socket.close()
    counted = shared_small.admin("/status")["overload"]["refused"]
    assert counted.get("upload", 0) in (0, 2 * PLACES - PLACES // 2)  # told every 100 ms


def test_responses_that_are_not_taken_hold_no_more_than_half_of_the_nodes_places(
    shared_small: RunningEdge, shared_origin: Origin
) -> None:
    shared_origin.on("/big", b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (16 * MIB) + bytes(16 * MIB))
    port = shared_small.port()
    slow = [Client(port, source="127.0.0.66") for _ in range(PLACES)]
    for client in slow:
        client.send(request("GET /big HTTP/1.1"))
    for _ in range(100):
        if shared_small.admin("/status")["overload"]["refused"].get("slow_reader") == PLACES // 2:
            break
        assert not threading.Event().wait(0.1)
    with Client(port, source=ELSEWHERE) as good:
        assert good.ask(request("GET / HTTP/1.1")).status == 200
    taken_whole = [client for client in slow if _takes(client, 16 * MIB)]
    assert len(taken_whole) == PLACES // 2


def _takes(client: Client, size: int) -> bool:
    """Its response arrives when it begins to read."""
    with client, suppress(Cut):
        return len(client.read().body) == size
    return False


def test_at_the_limit_of_connections_one_that_has_long_been_idle_makes_room(shared_small: RunningEdge) -> None:
    port = shared_small.port("few")
    with Client(port) as idle:
        assert idle.ask(request("GET / HTTP/1.1")).status == 200
        with Client(port) as too_soon:
            assert too_soon.read().status == 503
        assert not threading.Event().wait(1.3)
        with Client(port) as second:
            assert second.ask(request("GET / HTTP/1.1")).status == 200
            assert idle.is_closed()


def test_a_head_that_has_long_been_coming_makes_room_too(shared_small: RunningEdge) -> None:
    port = shared_small.port("few")
    assert not threading.Event().wait(1.3)
    with Client(port) as slow:
        slow.send(b"GET / HTTP/1.1\r\nHo")
        assert not threading.Event().wait(1.3)
        with Client(port) as second:
            assert second.ask(request("GET / HTTP/1.1")).status == 200
            assert slow.is_closed()
