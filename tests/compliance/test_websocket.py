"""Upgrades to WebSocket: a tunnel after the 101 that answers the question, and after nothing else."""

from __future__ import annotations

import base64
import hashlib
import threading

import pytest

from tests.compliance.place import Place, request, response
from tests.kit.client import Client, Cut
from tests.kit.origin import Step, Visit, close, reset, tell, wait_for

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""Of that key: the example of RFC 6455 section 1.3."""
SWITCHING = "HTTP/1.1 101 Switching Protocols"
UPGRADE = ("Upgrade: websocket", "Connection: Upgrade")
SWITCHED = response(SWITCHING, *UPGRADE, f"Sec-WebSocket-Accept: {ACCEPT}")


def asked(*more: str) -> bytes:
    return request("GET {path} HTTP/1.1", *UPGRADE, f"Sec-WebSocket-Key: {KEY}", "Sec-WebSocket-Version: 13", *more)


def echo(visit: Visit) -> None:
    while data := visit.receive():
        visit.send(data)
    visit.close()


def opened(place: Place, client: Client, *steps: Step) -> None:
    place.origin.on(place.path, SWITCHED, *steps)
    client.send(place.filled(asked()))
    assert client.read_head().status == 101


def test_bytes_go_both_ways_once_the_node_has_agreed(place: Place) -> None:
    place.origin.on(place.path, response(SWITCHING, *UPGRADE, f"Sec-WebSocket-Accept: {ACCEPT}", "X-A: b"), echo)
    with place.client() as client:
        client.send(place.filled(asked("Sec-WebSocket-Protocol: chat", "Origin: https://a.example")))
        answer = client.read_head()
        assert answer.status == 101
        assert (answer.get("Upgrade"), answer.get("Connection")) == ("websocket", "Upgrade")
        assert (answer.get("Sec-WebSocket-Accept"), answer.get("X-A")) == (ACCEPT, "b")
        for data in (b"\x81\x05hello", b"GET / HTTP/1.1\r\n\r\n", bytes(range(256)) * 1000):
            client.send(data)
            assert client.read_some(len(data)) == data
    seen = place.seen()
    for name, value in [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Key", KEY)]:
        assert seen.all(name.encode()) == [value.encode()]
    assert seen.all(b"Sec-WebSocket-Protocol") == [b"chat"]
    place.origin.wait_for_end(seen.connection)


def test_the_word_may_be_written_otherwise_and_stand_among_others(place: Place) -> None:
    place.origin.on(place.path, SWITCHED, echo)
    with place.client() as client:
        fields = ["Upgrade: WebSocket", "Connection: keep-alive, UPGRADE", f"Sec-WebSocket-Key: {KEY}"]
        client.send(place.filled(request("GET {path} HTTP/1.1", *fields)))
        assert client.read_head().status == 101
        client.send(b"hello")
        assert client.read_some(5) == b"hello"


def test_what_comes_right_behind_the_head_goes_into_the_tunnel(place: Place) -> None:
    place.origin.on(place.path, SWITCHED + b"from the node", echo)
    with place.client() as client:
        client.send(place.filled(asked()) + b"from the client")
        assert client.read_head().status == 101
        assert client.read_some(28) == b"from the nodefrom the client"


def test_a_tunnel_goes_through_tls(place: Place) -> None:
    place.origin.on(place.path, SWITCHED, echo)
    data = bytes(range(256)) * 2000
    with place.secure_client() as client:
        client.send(place.filled(asked()))
        assert client.read_head().status == 101
        client.send(data)
        assert client.read_some(len(data)) == data
    place.origin.wait_for_end(place.seen().connection)


def test_a_node_that_says_no_is_heard_and_the_connection_stays(place: Place) -> None:
    place.origin.on(place.path, response("HTTP/1.1 403 Forbidden", "Content-Length: 2", body=b"no"))
    with place.client() as client:
        answer = client.ask(place.filled(asked()))
        assert (answer.status, answer.body) == (403, b"no")
        place.still_works(client)


def test_a_node_that_does_not_know_websocket_answers_as_ever(place: Place) -> None:
    with place.client() as client:
        assert client.ask(place.filled(asked())).body == b"ok"
        place.still_works(client)


def test_an_interim_response_may_come_before_the_101(place: Place) -> None:
    place.origin.on(place.path, b"HTTP/1.1 103 Early Hints\r\n\r\n" + SWITCHED, echo)
    with place.client() as client:
        client.send(place.filled(asked()))
        assert [client.read_head().status, client.read_head().status] == [103, 101]


@pytest.mark.parametrize(
    "fields",
    [
        (*UPGRADE, "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        UPGRADE,
        ("Upgrade: h2c", "Connection: Upgrade", f"Sec-WebSocket-Accept: {ACCEPT}"),
        ("Connection: Upgrade", f"Sec-WebSocket-Accept: {ACCEPT}"),
        ("Upgrade: websocket", f"Sec-WebSocket-Accept: {ACCEPT}"),
        (*UPGRADE, f"Sec-WebSocket-Accept: {ACCEPT.lower()}"),
        (*UPGRADE, f"Sec-WebSocket-Accept: {ACCEPT}", f"Sec-WebSocket-Accept: {ACCEPT}x"),
    ],
    ids=["another key", "no key", "another protocol", "no protocol", "no Connection", "other letters", "two keys"],
)
def test_a_101_that_does_not_match_is_a_502(place: Place, fields: tuple[str, ...]) -> None:
    place.origin.on(place.path, response(SWITCHING, *fields), echo)
    with place.client() as client:
        answer = client.ask(place.filled(asked()))
        assert (answer.status, answer.error) == (502, "node_broke")
    place.origin.wait_for_end(place.seen().connection)


def test_keys_are_proved_as_the_rfc_says() -> None:
    digest = hashlib.sha1(KEY.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", usedforsecurity=False).digest()
    assert base64.b64encode(digest).decode() == ACCEPT


def test_a_node_that_ends_its_side_still_hears_the_client(place: Place) -> None:
    heard = threading.Event()

    def end_then_listen(visit: Visit) -> None:
        visit.end_sending()
        if visit.receive() == b"last words":
            heard.set()

    with place.client() as client:
        opened(place, client, b"bye", end_then_listen, close)
        assert client.read_some(3) == b"bye"
        assert client.is_closed()
        client.send(b"last words")
        assert heard.wait(10)


def test_a_client_that_ends_its_side_still_hears_the_node(place: Place) -> None:
    with place.client() as client:
        opened(place, client, _until_its_end, b"last words", close)
        client.send(b"bye")
        client.end_sending()
        assert client.read_some(10) == b"last words"
        assert client.is_closed()


def _until_its_end(visit: Visit) -> None:
    while visit.receive():
        pass


def _once(visit: Visit) -> None:
    visit.receive()


@pytest.mark.parametrize("how", [close, reset])
def test_a_tunnel_ends_when_the_node_goes(place: Place, how: Step) -> None:
    with place.client() as client:
        opened(place, client, b"bye", _once, how)
        assert client.read_some(3) == b"bye"
        client.send(b"go")
        with pytest.raises((Cut, BrokenPipeError)):
            client.read_some(1)
    assert place.edge.entry(place.path)["status"] == 101


def test_a_tunnel_ends_when_the_client_goes(place: Place) -> None:
    gone = threading.Event()
    with place.client() as client:
        opened(place, client, _until_its_end, tell(gone))
        client.reset()
    assert gone.wait(10)


def test_a_silent_tunnel_ends(place: Place) -> None:
    with place.client("tight") as client:
        opened(place, client, echo)
        client.send(b"hello")
        assert client.read_some(5) == b"hello"
        assert client.is_closed()
    place.origin.wait_for_end(place.seen().connection)


def test_a_tunnel_is_no_faster_than_a_node_that_does_not_read(place: Place) -> None:
    """Of 64 MiB most must stay with the client: the edge and the kernel hold a few."""
    go_on = threading.Event()
    size = 64 * 1024 * 1024
    with place.client() as client:
        opened(place, client, wait_for(go_on), close)
        sent = client.send_until_blocked(size)
        go_on.set()
    assert sent < size


def test_a_tunnel_is_no_faster_than_a_client_that_does_not_read(place: Place) -> None:
    size = 64 * 1024 * 1024
    sent: list[int] = []
    blocked = threading.Event()

    def flood(visit: Visit) -> None:
        sent.append(visit.send_until_blocked(size))
        blocked.set()

    with place.client() as client:
        opened(place, client, flood, close)
        assert blocked.wait(10)
    assert sent[0] < size


def test_the_next_request_on_another_connection_is_no_tunnel(place: Place) -> None:
    with place.client() as client:
        opened(place, client, echo)
    with place.client() as client:
        place.still_works(client)
    assert place.seen().connection != place.origin.the(f"{place.path}-next").connection
