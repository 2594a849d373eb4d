"""Responses of nodes as an HTTP/2 client gets them: framing, trailers, interim heads, windows, and what breaks off."""

from __future__ import annotations

import threading

import pytest

from tests.compliance.h2.place import H2Place
from tests.compliance.place import response
from tests.kit.client import Response
from tests.kit.h2_client import H2Client, Reset, pseudo
from tests.kit.origin import OK, Step, close, reset, tell, wait_for

BIG = bytes(range(256)) * 20_000
DATE = "Date: Fri, 02 Jan 2026 03:04:05 GMT"


def get(place: H2Place, *steps: Step, method: str = "GET") -> Response:
    place.origin.on(place.path, *steps)
    with place.h2() as client:
        return client.ask(1, place.path, method=method)


def test_a_head_has_what_the_node_said_and_what_the_edge_adds(place: H2Place) -> None:
    answer = get(place, response("HTTP/1.1 200 OK", DATE, "X-Two: 1", "x-two:2", "Content-Length: 2", body=b"ok"))
    names = [name for name, _ in answer.fields]
    assert names == ["date", "x-two", "x-two", "content-length", "via", "x-request-id"]
    assert (answer.all("x-two"), answer.get("via"), answer.body) == (["1", "2"], "1.1 steer-edge-a", b"ok")


def test_fields_of_the_connection_do_not_pass(place: H2Place) -> None:
    lines = [
        "Connection: keep-alive, X-Hop",
        "X-Hop: 1",
        "Keep-Alive: timeout=5",
        "Proxy-Connection: close",
        "TE: gzip",
    ]
    answer = get(place, response("HTTP/1.1 200 OK", DATE, *lines, "X-Steer-Node: evil", "Content-Length: 0"))
    assert [name for name, _ in answer.fields] == ["date", "content-length", "via", "x-request-id"]


def test_every_cookie_passes_by_itself_and_in_order(place: H2Place) -> None:
    cookies = [f"Set-Cookie: c{number}=v; Path=/; Expires=Fri, 02 Jan 2026 03:04:05 GMT" for number in range(20)]
    answer = get(place, response("HTTP/1.1 200 OK", DATE, *cookies, "Content-Length: 0"))
    assert [f"Set-Cookie: {value}" for value in answer.all("set-cookie")] == cookies


def test_a_node_without_a_clock_is_given_a_date(place: H2Place) -> None:
    assert get(place, response("HTTP/1.1 200 OK", "Content-Length: 0")).get("date") is not None


def test_chunks_become_frames(place: H2Place) -> None:
    raw = response("HTTP/1.1 200 OK", DATE, "Transfer-Encoding: chunked", body=b"5;x=y\r\nhello\r\n1\r\n!\r\n0\r\n\r\n")
    answer = get(place, raw)
    assert (answer.body, answer.get("content-length"), answer.trailers) == (b"hello!", None, ())


def test_a_body_until_the_end_of_the_connection_is_whole(place: H2Place) -> None:
    assert get(place, response("HTTP/1.0 200 OK", DATE, body=b"hello"), close).body == b"hello"


def test_trailers_pass(place: H2Place) -> None:
    body = b"5\r\nhello\r\n0\r\nX-Sum: 7\r\nGrpc-Status: 0\r\nSet-Cookie: a=b\r\n\r\n"
    answer = get(place, response("HTTP/1.1 200 OK", DATE, "Transfer-Encoding: chunked", body=body))
    assert answer.trailers == (("x-sum", "7"), ("grpc-status", "0"))


def test_trailers_without_a_body_pass(place: H2Place) -> None:
    body = b"0\r\ngrpc-status: 12\r\n\r\n"
    answer = get(place, response("HTTP/1.1 200 OK", DATE, "Transfer-Encoding: chunked", body=body))
    assert (answer.body, answer.trailers) == (b"", (("grpc-status", "12"),))


def test_trailers_come_last_however_slowly_the_client_reads(place: H2Place) -> None:
    chunks = b"%x\r\n%b\r\n0\r\nx-sum: 7\r\n\r\n" % (len(BIG), BIG)
    place.origin.on(place.path, response("HTTP/1.1 200 OK", DATE, "Transfer-Encoding: chunked", body=chunks))
    with place.h2(settings={4: 1000}, credit=False) as client:
        client.start(1, place.path)
        client.wait(lambda: len(client.stream(1).body) == 1000, 1)
        client.open_window(0, len(BIG))
        client.open_window(1, len(BIG))
        answer = client.read(1)
    assert (answer.body, answer.trailers) == (BIG, (("x-sum", "7"),))


@pytest.mark.parametrize(
    ("method", "line", "fields", "length"),
    [
        ("HEAD", "HTTP/1.1 200 OK", ["Content-Length: 1000"], "1000"),
        ("HEAD", "HTTP/1.1 200 OK", ["Transfer-Encoding: chunked"], None),
        ("GET", "HTTP/1.1 204 No Content", [], None),
        ("GET", "HTTP/1.1 304 Not Modified", ["Content-Length: 1000"], "1000"),
        ("GET", "HTTP/1.1 200 OK", ["Content-Length: 0"], "0"),
    ],
)
def test_a_response_without_a_body_ends_with_its_head(
    place: H2Place, method: str, line: str, fields: list[str], length: str | None
) -> None:
    place.origin.on(place.path, response(line, DATE, *fields))
    with place.h2() as client:
        answer = client.ask(1, place.path, method=method)
        assert client.stream(1).frames == []
    assert (answer.body, answer.get("content-length")) == (b"", length)


def test_interim_responses_pass(place: H2Place) -> None:
    early = response("HTTP/1.1 103 Early Hints", "Link: </a.css>; rel=preload")
    answer = get(place, early, early, OK)
    assert [(each.status, each.fields) for each in answer.interim] == [(103, (("link", "</a.css>; rel=preload"),))] * 2
    assert (answer.status, answer.body) == (200, b"ok")


def test_a_large_body_arrives_byte_for_byte(place: H2Place) -> None:
    assert get(place, response("HTTP/1.1 200 OK", DATE, f"Content-Length: {len(BIG)}", body=BIG)).body == BIG


def test_a_large_body_arrives_in_frames_that_fill_small_windows(place: H2Place) -> None:
    place.origin.on(place.path, response("HTTP/1.1 200 OK", DATE, f"Content-Length: {len(BIG)}", body=BIG))
    with place.h2(settings={4: 40_000}, credit=False) as client:
        client.open_window(0, len(BIG))
        client.start(1, place.path)
        given = 0
        while given < len(BIG):
            client.step()
            more = len(client.stream(1).body) - given
            if more:
                client.open_window(1, more)
            given += more
        assert client.read(1).body == BIG


def test_an_edge_that_answers_itself_does_so_in_the_clients_terms(place: H2Place) -> None:
    with place.h2() as client:
        client.send(client.head(1, [*pseudo("/", authority="evil.example"), ("accept", "application/json")]))
        answer = client.read(1)
        client.send(client.head(3, pseudo("/", "HEAD", authority="evil.example")))
        head = client.read(3)
    assert (answer.status, answer.get("content-type")) == (421, "application/problem+json")
    assert answer.get("content-length") == str(len(answer.body))
    assert head.body == b""
    assert int(head.get("content-length") or 0) > 100


# What breaks off...


@pytest.mark.parametrize("end", [close, reset])
@pytest.mark.parametrize(
    "raw",
    [
        response("HTTP/1.1 200 OK", DATE, "Content-Length: 10", body=b"hello"),
        response("HTTP/1.1 200 OK", DATE, "Transfer-Encoding: chunked", body=b"5\r\nhello\r\n"),
        response("HTTP/1.1 200 OK", DATE, "Transfer-Encoding: chunked", body=b"5\r\nhello\r\n5\r\nhel"),
    ],
)
def test_a_response_that_breaks_off_is_reset(place: H2Place, raw: bytes, end: Step) -> None:
    go = threading.Event()
    place.origin.on(place.path, raw, wait_for(go), end)
    with place.h2() as client:
        client.start(1, place.path)
        client.wait(lambda: client.stream(1).body.startswith(b"hello"), 1)
        go.set()
        with pytest.raises(Reset) as found:
            client.read(1)
        assert found.value.code == 2
        place.goes_on(client, 3)


def test_a_response_with_broken_chunks_is_reset(place: H2Place) -> None:
    go = threading.Event()
    head = response("HTTP/1.1 200 OK", DATE, "Transfer-Encoding: chunked", body=b"5\r\nhello\r\n")
    place.origin.on(place.path, head, wait_for(go), b"x\r\nevil")
    with place.h2() as client:
        client.start(1, place.path)
        client.read_head(1)
        go.set()
        with pytest.raises(Reset):
            client.read(1)
        place.goes_on(client, 3)


@pytest.mark.parametrize(
    "step", [close, reset, b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", b"HTTP/1.1 101 X\r\n\r\n"]
)
def test_a_node_that_breaks_before_its_head_is_a_502(place: H2Place, step: Step) -> None:
    place.origin.on(place.path, step)
    with place.h2() as client:
        assert client.ask(1, place.path).status == 502
        place.goes_on(client, 3)


# Windows...


def test_a_client_without_windows_gets_the_head_and_then_waits(place: H2Place) -> None:
    place.origin.on(place.path, response("HTTP/1.1 200 OK", DATE, "Content-Length: 5", body=b"hello"))
    with place.h2(settings={4: 0}, credit=False) as client:
        client.start(1, place.path)
        client.read_head(1)
        client.settle()
        assert client.stream(1).body == b""
        client.open_window(1, 2)
        client.wait(lambda: client.stream(1).body == b"he", 1)
        client.open_window(1, 3)
        assert client.read(1).body == b"hello"


def test_a_window_that_settings_open_is_used(place: H2Place) -> None:
    place.origin.on(place.path, response("HTTP/1.1 200 OK", DATE, "Content-Length: 5", body=b"hello"))
    with place.h2(settings={4: 1}, credit=False) as client:
        client.start(1, place.path)
        client.wait(lambda: client.stream(1).body == b"h", 1)
        client.send(settings({4: 0}))
        client.open_window(1, 1)
        client.settle()
        assert client.stream(1).body == b"h"
        client.send(settings({4: 65_535}))
        assert client.read(1).body == b"hello"


def test_one_stream_without_a_window_holds_no_other_up(place: H2Place) -> None:
    place.origin.on(place.path, response("HTTP/1.1 200 OK", DATE, f"Content-Length: {len(BIG)}", body=BIG))
    with place.h2(settings={4: 100}, credit=False) as client:
        client.start(1, place.path)
        client.wait(lambda: len(client.stream(1).body) == 100, 1)
        for stream in range(3, 43, 2):
            assert client.ask(stream, f"{place.path}-other").body == b"ok"


def test_streams_share_the_connections_window(place: H2Place) -> None:
    place.origin.on(place.path, response("HTTP/1.1 200 OK", DATE, f"Content-Length: {len(BIG)}", body=BIG))
    with place.h2(settings={4: 2**30}, credit=False) as client:
        for stream in (1, 3, 5):
            client.start(stream, place.path)
        client.wait(lambda: sum(len(client.stream(stream).body) for stream in (1, 3, 5)) == 65_535)
        client.settle()
        assert sum(len(client.stream(stream).body) for stream in (1, 3, 5)) == 65_535
        client.open_window(0, 3 * len(BIG))
        assert all(client.read(stream).body == BIG for stream in (1, 3, 5))


def test_a_window_that_overflows_resets_the_stream_only(place: H2Place) -> None:
    place.origin.on(place.path, response("HTTP/1.1 200 OK", DATE, "Content-Length: 5", body=b"hello"))
    with place.h2(settings={4: 0}, credit=False) as client:
        client.start(1, place.path)
        client.read_head(1)
        client.open_window(1, 2**31 - 1)
        client.open_window(1, 2**31 - 1)
        client.wait(lambda: client.stream(1).reset is not None or client.stream(1).ended)
        client.start(3, f"{place.path}-next", method="HEAD")
        assert client.read(3).status == 200


def test_a_node_is_not_read_while_its_client_does_not_take_the_response(place: H2Place) -> None:
    sent = threading.Event()
    huge = 24 * 1024 * 1024
    head = response("HTTP/1.1 200 OK", DATE, f"Content-Length: {huge}")
    place.origin.on(place.path, head, lambda visit: visit.send(bytes(huge)), tell(sent))
    with place.h2(settings={4: 2**30}, credit=False) as client:
        client.start(1, place.path)
        client.wait(lambda: len(client.stream(1).body) == 65_535, 1)
        client.settle()
        assert not sent.wait(1), "24 MiB found a place somewhere"
        client.open_window(0, 2**30)
        assert client.read(1).body == bytes(huge)


# Many at once...


def test_a_hundred_requests_are_under_way_at_once(place: H2Place) -> None:
    go = threading.Event()
    with place.h2() as client:
        for stream in range(1, 200, 2):
            place.origin.on(f"{place.path}-{stream}", wait_for(go), OK)
            client.start(stream, f"{place.path}-{stream}")
        for stream in range(1, 200, 2):
            place.origin.the(f"{place.path}-{stream}")
        refused(client, 201, place.path)
        go.set()
        assert all(client.read(stream).status == 200 for stream in range(1, 200, 2))
        place.goes_on(client, 203)
    assert place.origin.seen(place.path) == []


def test_streams_over_the_limit_are_refused_and_may_be_sent_again(place: H2Place) -> None:
    go = threading.Event()
    place.origin.on(f"{place.path}-held", wait_for(go), OK)
    with place.h2("tight") as client:
        assert client.settings[3] == 3
        for stream in (1, 3, 5):
            client.start(stream, f"{place.path}-held")
        refused(client, 7, place.path)
        go.set()
        assert all(client.read(stream).status == 200 for stream in (1, 3, 5))
        place.goes_on(client, 9)


def refused(client: H2Client, stream: int, path: str) -> None:
    with pytest.raises(Reset) as found:
        client.ask(stream, path)
    assert (found.value.code, found.value.response) == (7, None)


def settings(values: dict[int, int]) -> bytes:
    payload = b"".join(number.to_bytes(2, "big") + value.to_bytes(4, "big") for number, value in values.items())
    return len(payload).to_bytes(3, "big") + bytes((4, 0, 0, 0, 0, 0)) + payload
