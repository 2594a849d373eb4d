"""WebSockets on a stream of HTTP/2 (RFC 8441): CONNECT becomes an upgrade of HTTP/1.1, DATA the bytes of a tunnel."""

from __future__ import annotations

import threading

import pytest

from steer.proxy.websocket import accept_for
from tests.compliance.h2.place import H2Place
from tests.kit.edge import HOST
from tests.kit.h2_client import Field, H2Client, Reset, pseudo
from tests.kit.origin import Visit, tell

CONNECT: list[Field] = [(":protocol", "websocket"), ("sec-websocket-version", "13")]


def accept(visit: Visit, *fields: str) -> None:
    """The node's half of the handshake."""
    (key,) = visit.request.all(b"Sec-WebSocket-Key")
    lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", *fields]
    visit.send("\r\n".join([*lines, f"Sec-WebSocket-Accept: {accept_for(key).decode()}", "", ""]).encode())


def echo(visit: Visit) -> None:
    accept(visit, "Sec-WebSocket-Protocol: chat")
    while data := visit.receive():
        visit.send(data)
    visit.close()


def connect(client: H2Client, stream: int, path: str, *fields: Field) -> None:
    client.send(client.head(stream, [*pseudo(path, "CONNECT"), *CONNECT, *fields], end=False))


def test_a_websocket_is_opened_and_bytes_pass_both_ways(place: H2Place) -> None:
    place.origin.on(place.path, echo)
    with place.h2() as client:
        connect(client, 1, place.path, ("sec-websocket-protocol", "chat"), ("sec-websocket-key", "evil"))
        head = client.read_head(1)
        assert (head.status, head.get("sec-websocket-protocol"), head.get("sec-websocket-accept")) == (
            200,
            "chat",
            None,
        )
        client.data(1, b"ping")
        client.wait(lambda: client.stream(1).body == b"ping", 1)
        client.data(1, b"pong", end=True)
        assert client.read(1).body == b"pingpong"
    seen = place.seen()
    assert seen.lines[:2] == [f"GET {place.path} HTTP/1.1".encode(), f"Host: {HOST}".encode()]
    assert (seen.all(b"Upgrade"), seen.all(b"Connection")) == ([b"websocket"], [b"Upgrade"])
    assert seen.all(b"sec-websocket-key") != [b"evil"]


def test_bytes_that_come_before_the_handshake_is_done_wait_for_it(place: H2Place) -> None:
    begun = threading.Event()
    place.origin.on(place.path, tell(begun), echo)
    with place.h2() as client:
        connect(client, 1, place.path)
        client.data(1, b"early")
        client.settle()
        assert begun.wait(10)
        client.wait(lambda: client.stream(1).body == b"early", 1)


def test_a_lot_of_bytes_pass_as_the_other_side_takes_them(place: H2Place) -> None:
    body = bytes(range(256)) * 4096
    place.origin.on(place.path, echo)
    with place.h2() as client:
        connect(client, 1, place.path)
        client.read_head(1)
        client.upload(1, body)
        assert client.read(1).body == body


def test_a_node_that_ends_its_side_ends_the_stream(place: H2Place) -> None:
    def hang_up(visit: Visit) -> None:
        accept(visit)
        visit.send(b"bye")
        visit.close()

    place.origin.on(place.path, hang_up)
    with place.h2() as client:
        connect(client, 1, place.path)
        assert client.read(1).body == b"bye"
        place.goes_on(client, 3)


def test_a_client_that_resets_ends_the_nodes_connection(place: H2Place) -> None:
    place.origin.on(place.path, echo)
    with place.h2() as client:
        connect(client, 1, place.path)
        client.read_head(1)
        client.cancel(1)
        place.origin.wait_for_end(place.seen().connection)
        place.goes_on(client, 3)
    assert place.edge.entry(place.path)["status"] == 101


def test_other_requests_go_on_beside_a_websocket(place: H2Place) -> None:
    place.origin.on(place.path, echo)
    with place.h2() as client:
        connect(client, 1, place.path)
        client.read_head(1)
        for stream in range(3, 23, 2):
            assert client.ask(stream, f"{place.path}-other").status == 200
        client.data(1, b"still there")
        client.wait(lambda: client.stream(1).body == b"still there", 1)


def test_a_node_that_refuses_is_relayed(place: H2Place) -> None:
    place.origin.on(place.path, b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
    with place.h2() as client:
        connect(client, 1, place.path)
        answer = client.read(1)
        assert (answer.status, answer.body) == (403, b"no")
        place.goes_on(client, 3)


def test_a_node_that_answers_with_a_page_opens_no_tunnel(place: H2Place) -> None:
    place.origin.on(place.path, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage")
    with place.h2() as client:
        connect(client, 1, place.path)
        answer = client.read(1)
        assert (answer.status, answer.error) == (502, "node_broke")
        place.goes_on(client, 3)
    assert place.edge.entry(place.path)["status"] == 502


def test_a_node_that_answers_another_key_opens_no_tunnel(place: H2Place) -> None:
    wrong = accept_for(b"dGhlIHNhbXBsZSBub25jZQ==").decode()
    fields = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {wrong}"
    place.origin.on(place.path, f"HTTP/1.1 101 Switching Protocols\r\n{fields}\r\n\r\n".encode())
    with place.h2() as client:
        connect(client, 1, place.path)
        assert client.read(1).status == 502
        place.goes_on(client, 3)


def test_a_host_that_is_not_served_opens_no_tunnel(place: H2Place) -> None:
    with place.h2() as client:
        client.send(client.head(1, [*pseudo("/", "CONNECT", authority="evil.example"), *CONNECT], end=False))
        assert client.read(1).status == 421
        client.wait(lambda: client.stream(1).reset == 0)
        with pytest.raises(Reset):
            client.wait(lambda: False, 1)
