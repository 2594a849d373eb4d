"""Requests of HTTP/2 as the origin sees them in HTTP/1.1: heads, bodies, and what a body may not do."""

from __future__ import annotations

import threading

import pytest
from hyperframe.frame import DataFrame, HeadersFrame

from tests.compliance.h2.place import BODY_LIMIT, H2Place
from tests.compliance.place import passed
from tests.kit.edge import HOST
from tests.kit.h2_client import Field, pseudo
from tests.kit.origin import OK, Visit, tell, wait_for, without_body

BIG = bytes(range(256)) * 20_000


def test_a_head_becomes_one_of_http_1_1(place: H2Place) -> None:
    fields: list[Field] = [("accept", "*/*"), ("x-twice", "1"), ("x-twice", "2"), ("authorization", "Basic eA==")]
    with place.h2() as client:
        assert client.ask(1, f"{place.path}?a=b", *fields).status == 200
    assert passed(place.seen()) == [
        f"GET {place.path}?a=b HTTP/1.1".encode(),
        f"Host: {HOST}".encode(),
        b"accept: */*",
        b"x-twice: 1",
        b"x-twice: 2",
        b"authorization: Basic eA==",
    ]


def test_the_origin_hears_that_it_came_by_http_2_and_from_whom(place: H2Place) -> None:
    with place.h2() as client:
        client.ask(1, place.path, ("x-forwarded-for", "192.0.2.1"), ("x-steer-node", "evil"), ("forwarded", "for=x"))
    seen = place.seen()
    assert seen.all(b"Via") == [b"2.0 steer-edge-a"]
    assert seen.all(b"X-Forwarded-For") == [b"127.0.0.1"]
    assert seen.all(b"X-Forwarded-Proto") == [b"https"]
    assert seen.all(b"Forwarded") == [f"for=127.0.0.1;host={HOST};proto=https".encode()]
    assert seen.all(b"X-Steer-Node") == []


def test_host_does_without_authority(place: H2Place) -> None:
    with place.h2() as client:
        client.send(client.head(1, [*pseudo(place.path, authority=None), ("host", f"{HOST}:443")]))
        assert client.read(1).status == 200
    assert place.seen().all(b"Host") == [f"{HOST}:443".encode()]


def test_a_host_that_is_the_authority_is_said_once(place: H2Place) -> None:
    with place.h2() as client:
        assert client.ask(1, place.path, ("host", HOST.upper())).status == 200
    assert place.seen().all(b"Host") == [HOST.encode()]


def test_crumbs_of_a_cookie_are_joined(place: H2Place) -> None:
    with place.h2() as client:
        client.ask(1, place.path, ("cookie", "a=b"), ("accept", "*/*"), ("cookie", "c=d"), ("cookie", "e=f"))
    assert place.seen().all(b"Cookie") == [b"a=b; c=d; e=f"]


@pytest.mark.parametrize("name", ["sec-websocket-key", "x_underscore", "proxy-authorization", "http2-settings"])
def test_what_http_1_1_does_not_pass_does_not_pass(place: H2Place, name: str) -> None:
    with place.h2() as client:
        assert client.ask(1, place.path, (name, "dGhlIHNhbXBsZSBub25jZQ==")).status == 200
    assert all(b"dGhlIHNhbXBsZSBub25jZQ==" not in line for line in passed(place.seen()) if name != "sec-websocket-key")
    assert place.seen().all(b"Upgrade") == []


def test_te_trailers_is_made_anew(place: H2Place) -> None:
    with place.h2() as client:
        client.ask(1, place.path, ("te", "trailers"))
    assert (place.seen().all(b"TE"), place.seen().all(b"Connection")) == ([b"trailers"], [b"TE"])


def test_options_for_the_edge_itself_are_answered_by_it(place: H2Place) -> None:
    with place.h2() as client:
        answer = client.ask(1, place.path, ("max-forwards", "0"), method="OPTIONS")
        assert (answer.status, answer.get("allow")) == (200, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
        assert client.ask(3, place.path, ("max-forwards", "2"), method="OPTIONS").status == 200
    assert place.seen().all(b"Max-Forwards") == [b"1"]


def test_the_health_path_is_answered_without_a_known_host(place: H2Place) -> None:
    with place.h2() as client:
        client.send(client.head(1, pseudo("/.steer/health", authority="anything.example")))
        answer = client.read(1)
    assert (answer.status, answer.body) == (200, b"ok\n")


# Bodies...


def test_a_body_with_a_length_arrives_with_it(place: H2Place) -> None:
    with place.h2() as client:
        answer = client.ask(1, place.path, ("content-length", "5"), method="POST", body=b"hello")
    assert answer.status == 200
    assert place.seen().body == b"hello"
    assert (place.seen().all(b"Content-Length"), place.seen().all(b"Transfer-Encoding")) == ([b"5"], [])


def test_a_body_without_a_length_arrives_in_chunks(place: H2Place) -> None:
    with place.h2() as client:
        client.start(1, place.path, method="POST", end=False)
        client.data(1, b"hel")
        client.data(1, b"lo", padding=20)
        client.data(1, b"", end=True)
        assert client.read(1).status == 200
    assert place.seen().all(b"Transfer-Encoding") == [b"chunked"]
    assert unchunked(place.seen().body) == b"hello"


def test_an_empty_body_that_ends_late_is_an_empty_body(place: H2Place) -> None:
    with place.h2() as client:
        assert client.ask(1, place.path, method="POST", body=b"").status == 200
    assert unchunked(place.seen().body) == b""


def test_a_length_of_zero_needs_no_body(place: H2Place) -> None:
    with place.h2() as client:
        assert client.ask(1, place.path, ("content-length", "0"), method="POST", body=b"").status == 200
    assert place.seen().body == b""


@pytest.mark.parametrize("with_length", [True, False])
def test_a_large_body_arrives_byte_for_byte(place: H2Place, with_length: bool) -> None:
    fields: list[Field] = [("content-length", str(len(BIG)))] if with_length else []
    with place.h2() as client:
        client.start(1, place.path, *fields, method="PUT", end=False)
        client.upload(1, BIG)
        assert client.read(1).status == 200
    body = place.seen().body
    assert (body if with_length else unchunked(body)) == BIG


def test_trailers_arrive_as_trailers_if_they_may(place: H2Place) -> None:
    with place.h2() as client:
        client.start(1, place.path, ("te", "trailers"), method="POST", end=False)
        client.data(1, b"hello")
        client.send(client.head(1, [("x-sum", "7"), ("content-length", "9"), ("host", "evil.example")]))
        assert client.read(1).status == 200
    assert place.seen().body == b"5\r\nhello\r\n0\r\nx-sum: 7\r\n\r\n"


@pytest.mark.parametrize(
    "trailer", [(":path", "/evil"), ("X-Sum", "1"), ("x\r\ny", "1"), ("x", "1\r\nY: z"), ("connection", "close")]
)
def test_trailers_that_break_the_grammar_refuse_the_request(place: H2Place, trailer: Field) -> None:
    with place.h2() as client:
        client.start(1, place.path, method="POST", end=False)
        client.data(1, b"hello")
        client.send(client.head(1, [trailer]))
        assert client.read(1).error == "malformed"
        place.goes_on(client, 3)
    assert not place.seen().is_whole


@pytest.mark.parametrize(("length", "pieces"), [("5", [b"hell"]), ("5", [b"he", b"l"]), ("5", [b""])])
def test_a_body_shorter_than_its_length_is_refused(place: H2Place, length: str, pieces: list[bytes]) -> None:
    with place.h2() as client:
        client.start(1, place.path, ("content-length", length), method="POST", end=False)
        for piece in pieces[:-1]:
            client.data(1, piece)
        client.data(1, pieces[-1], end=True)
        assert client.read(1).error == "malformed"
        place.goes_on(client, 3)
    assert all(not seen.is_whole for seen in place.origin.seen(place.path))


@pytest.mark.parametrize("end", [True, False])
def test_a_body_longer_than_its_length_is_refused_and_nothing_is_smuggled(place: H2Place, end: bool) -> None:
    smuggled = f"GET {place.path}-smuggled HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
    go = threading.Event()
    place.origin.on(place.path, without_body, wait_for(go), OK)
    with place.h2() as client:
        client.start(1, place.path, ("content-length", "5"), method="POST", end=False)
        client.data(1, b"hello" + smuggled, end=end)
        assert client.read(1).error == "malformed"
        place.goes_on(client, 3)
    go.set()
    assert place.origin.seen(f"{place.path}-smuggled") == []


def test_a_body_behind_a_length_of_zero_is_refused(place: H2Place) -> None:
    go = threading.Event()
    place.origin.on(place.path, wait_for(go), OK)
    with place.h2() as client:
        client.start(1, place.path, ("content-length", "0"), method="POST", end=False)
        client.data(1, b"hello", end=True)
        assert client.read(1).error == "malformed"
        place.goes_on(client, 3)
    go.set()


def test_a_body_over_the_limit_is_refused_by_its_length(place: H2Place) -> None:
    with place.h2("tight") as client:
        client.start(1, place.path, ("content-length", str(BODY_LIMIT + 1)), method="POST", end=False)
        assert client.read(1).error == "body_too_large"
        client.wait(lambda: client.stream(1).reset == 0)
        place.goes_on(client, 3)
    assert place.origin.seen(place.path) == []


def test_a_body_over_the_limit_is_refused_when_it_is_there(place: H2Place) -> None:
    with place.h2("tight") as client:
        client.start(1, place.path, method="POST", end=False)
        client.data(1, b"x" * BODY_LIMIT)
        client.data(1, b"x", end=True)
        assert client.read(1).error == "body_too_large"
        place.goes_on(client, 3)


def test_a_body_that_comes_too_slowly_is_refused(place: H2Place) -> None:
    with place.h2("tight") as client:
        client.start(1, place.path, method="POST", end=False)
        client.data(1, b"x")
        assert client.read(1).error == "body_too_slow"


def test_the_edge_passes_on_that_the_origin_wants_the_body(place: H2Place) -> None:
    place.origin.on(place.path, without_body, b"HTTP/1.1 100 Continue\r\n\r\n", lambda visit: visit.read_body(), OK)
    with place.h2() as client:
        client.start(1, place.path, ("expect", "100-continue"), ("content-length", "5"), method="POST", end=False)
        client.wait(lambda: bool(client.stream(1).heads), 1)
        assert client.stream(1).heads == [((":status", "100"),)]
        client.data(1, b"hello", end=True)
        assert client.read(1).status == 200
    assert place.seen().body == b"hello"


def test_an_origin_that_does_not_take_the_body_leaves_the_client_without_credit(place: H2Place) -> None:
    begun, go = threading.Event(), threading.Event()
    place.origin.on(place.path, without_body, tell(begun), wait_for(go), lambda visit: visit.read_body(), OK)
    body = bytes(range(256)) * 64 * 1024
    with place.h2() as client:
        client.start(1, place.path, ("content-length", str(len(body))), method="PUT", end=False)
        assert begun.wait(10)
        uploading = threading.Thread(target=client.upload, args=(1, body))
        uploading.start()
        with place.h2() as other:
            place.goes_on(other, 1)
        uploading.join(1)
        assert uploading.is_alive(), "all of 16 MiB found a place somewhere"
        go.set()
        uploading.join(10)
        assert client.read(1).status == 200
    assert place.seen().body == body


def test_a_response_before_the_body_has_ended_stops_the_upload(place: H2Place) -> None:
    def refuse(visit: Visit) -> None:
        visit.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")

    begun = threading.Event()
    place.origin.on(place.path, without_body, wait_for(begun), refuse)
    with place.h2() as client:
        client.start(1, place.path, method="PUT", end=False)
        client.data(1, b"x" * 1000)
        client.settle()  # DATA that comes after the end is another case: it is told so
        begun.set()
        assert client.read(1).status == 413
        client.wait(lambda: client.stream(1).reset is not None)
        assert client.stream(1).reset == 0
        client.data(1, b"x" * 1000)
        place.goes_on(client, 3)


def test_a_client_that_cancels_is_no_fault_of_the_node(place: H2Place) -> None:
    begun = threading.Event()
    place.origin.on(place.path, tell(begun), read_on)
    with place.h2() as client:
        client.start(1, place.path)
        assert begun.wait(10)
        client.cancel(1)
        place.origin.wait_for_end(place.seen().connection)
        place.goes_on(client, 3)
    entry = place.edge.entry(place.path)
    assert (entry["status"], entry["error"]) == (499, "client_gone")


def test_a_client_that_cancels_in_its_body_ends_the_nodes_request(place: H2Place) -> None:
    with place.h2() as client:
        client.start(1, place.path, ("content-length", "10"), method="POST", end=False)
        client.data(1, b"hello")
        place.origin.wait_for_body(place.seen(), 0)
        client.cancel(1)
        place.origin.wait_for_end(place.seen().connection)
        place.goes_on(client, 3)
    assert not place.seen().is_whole


def test_fields_in_continuations_are_joined(place: H2Place) -> None:
    with place.h2() as client:
        block = client.encoder.encode([*((str(n), str(v)) for n, v in pseudo(place.path)), ("x-long", "y" * 100)])
        client.send(HeadersFrame(1, data=block[:10], flags=["END_STREAM"]).serialize())
        client.send(continuation(1, block[10:20], last=False), continuation(1, block[20:], last=True))
        assert client.read(1).status == 200
    assert place.seen().all(b"x-long") == [b"y" * 100]


def test_streams_may_take_turns(place: H2Place) -> None:
    with place.h2() as client:
        for stream in (1, 3, 5):
            client.start(stream, f"{place.path}-{stream}", ("content-length", "4"), method="POST", end=False)
        for byte in (b"a", b"b", b"c", b"d"):
            client.send(*(DataFrame(stream, data=byte).serialize() for stream in (5, 1, 3)))
        for stream in (1, 3, 5):
            client.data(stream, b"", end=True)
            assert client.read(stream).status == 200
            assert place.origin.the(f"{place.path}-{stream}").body == b"abcd"


def read_on(visit: Visit) -> None:
    visit.receive()


def continuation(stream: int, block: bytes, *, last: bool) -> bytes:
    header = len(block).to_bytes(3, "big") + bytes((9, 4 if last else 0)) + stream.to_bytes(4, "big")
    return header + block


def unchunked(body: bytes) -> bytes:
    payload = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        payload += body[: int(size, 16)]
        body = body[int(size, 16) + 2 :]
    return payload
