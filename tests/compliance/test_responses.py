"""Responses of nodes: what passes, what becomes a 502, and what the client can tell of a body that is cut."""

from __future__ import annotations

import threading

import pytest

from tests.compliance.place import Place, request, response
from tests.kit.client import Cut, Response
from tests.kit.origin import OK, Step, Visit, close, reset, wait_for, without_body

DATE = "Date: Fri, 02 Jan 2026 03:04:05 GMT"
CHUNKED = "Transfer-Encoding: chunked"
GET = "GET {path} HTTP/1.1"


def relayed(place: Place, *steps: Step, fields: tuple[str, ...] = (), method: str = "GET") -> Response:
    """What the client gets; then the connection must still be good for another request."""
    place.origin.on(place.path, *steps)
    with place.client() as client:
        answer = client.ask(place.filled(request(f"{method} {{path}} HTTP/1.1", *fields)), method=method)
        place.still_works(client)
    return answer


def stall(visit: Visit) -> None:
    """Until the edge has had enough."""
    while visit.receive():
        pass


def from_node(answer: Response) -> list[tuple[str, str]]:
    """The fields without the two that the edge puts behind those of every response."""
    assert [name for name, _ in answer.fields[-2:]] == ["Via", "X-Request-Id"]
    return list(answer.fields[:-2])


# Heads that pass...


def test_fields_pass_unmerged_and_in_order(place: Place) -> None:
    fields = [
        "Server: a",
        DATE,
        "Set-Cookie: a=1; Path=/",
        "Set-Cookie: b=2, c",
        "X-A: \xe9",
        "set-cookie: a=1; Path=/",
        "Content-Length: 2",
        "X_Under: 1",
        "X-Empty:",
        "Set-Cookie: d=4",
    ]
    answer = relayed(place, response("HTTP/1.1 200 All right", *fields, body=b"ok"))
    assert (answer.status, answer.reason, answer.body) == (200, "All right", b"ok")
    assert [f"{name}: {value}".rstrip() for name, value in from_node(answer)] == fields


@pytest.mark.parametrize("status", [200, 204, 206, 301, 304, 400, 404, 418, 429, 500, 503, 599])
def test_a_status_passes(place: Place, status: int) -> None:
    length = [] if status in (204, 304) else ["Content-Length: 0"]
    assert relayed(place, response(f"HTTP/1.1 {status} Reason", DATE, *length)).status == status


@pytest.mark.parametrize("line", ["HTTP/1.1 200 ", "HTTP/1.1 200"])
def test_the_reason_may_be_missing(place: Place, line: str) -> None:
    answer = relayed(place, response(line, DATE, "Content-Length: 0"))
    assert (answer.status, answer.reason) == (200, "")


@pytest.mark.parametrize(
    "line",
    [
        "Connection: keep-alive",
        "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive",
        "Proxy-Authenticate: Basic",
        "Upgrade: h2c",
        "TE: trailers",
        "Trailer: X-A",
        "X-Steer-Node: evil",
        "X-Steer-Error: evil",
        "x-session-stale: evil",
        "X-Request-Id: evil",
        "Connection: X-Own\r\nX-Own: evil",
        "X-Own: evil\r\nConnection: close, X-Own",
    ],
)
def test_a_field_of_the_node_is_removed(place: Place, line: str) -> None:
    answer = relayed(place, response("HTTP/1.1 200 OK", DATE, line, "Content-Length: 0"))
    assert [name for name, _ in from_node(answer)] == ["Date", "Content-Length"]
    assert "evil" not in str(answer.fields)


def test_a_node_that_names_set_cookie_in_connection_takes_no_framing_away(place: Place) -> None:
    raw = response("HTTP/1.1 200 OK", DATE, "Connection: Content-Length, Date", "Content-Length: 2", body=b"ok")
    assert [name for name, _ in from_node(relayed(place, raw))] == ["Date", "Content-Length"]


def test_date_is_added_where_the_node_has_none(place: Place) -> None:
    answer = relayed(place, response("HTTP/1.1 200 OK", "Content-Length: 0"))
    assert (answer.get("Date") or "").endswith(" GMT")


@pytest.mark.parametrize(("version", "via"), [("1.1", "1.1"), ("1.0", "1.0")])
def test_via_says_what_the_node_spoke(place: Place, version: str, via: str) -> None:
    answer = relayed(place, response(f"HTTP/{version} 200 OK", DATE, "Via: 1.1 inner", "Content-Length: 0"))
    assert answer.all("Via") == ["1.1 inner", f"{via} steer-edge-a"]


# Heads that do not...

BROKEN_HEADS = {
    "no HTTP at all": b"hello\r\n\r\n",
    "an empty line first": b"\r\n" + OK,
    "HTTP/0.9": b"HTTP/0.9 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/2.0": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.2": b"HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n",
    "a version in lower case": b"http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "a status of two digits": b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
    "a status of four digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    "a status that begins with 0": b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
    "a status of 600": b"HTTP/1.1 600 OK\r\nContent-Length: 0\r\n\r\n",
    "a status with a sign": b"HTTP/1.1 +20 OK\r\nContent-Length: 0\r\n\r\n",
    "two spaces": b"HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n",
    "NUL in the reason": b"HTTP/1.1 200 O\0K\r\nContent-Length: 0\r\n\r\n",
    "bare CR in the reason": b"HTTP/1.1 200 O\rK\r\nContent-Length: 0\r\n\r\n",
    "bare LF between fields": b"HTTP/1.1 200 OK\r\nA: b\nContent-Length: 0\r\n\r\n",
    "bare LF everywhere": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "bare CR in a value": b"HTTP/1.1 200 OK\r\nA: b\rc\r\nContent-Length: 0\r\n\r\n",
    "NUL in a value": b"HTTP/1.1 200 OK\r\nA: b\0\r\nContent-Length: 0\r\n\r\n",
    "obs-fold": b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n",
    "a space before the colon": b"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
    "no colon": b"HTTP/1.1 200 OK\r\nA\r\nContent-Length: 0\r\n\r\n",
    "no name": b"HTTP/1.1 200 OK\r\n: b\r\nContent-Length: 0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "two different lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    "a list of lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
    "an empty length": b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nok",
    "a length with a plus": b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
    "a length with a minus": b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
    "a length in hexadecimal": b"HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nok",
    "a length of other digits": b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n\r\nok",
    "a length of 30 digits": b"HTTP/1.1 200 OK\r\nContent-Length: " + b"0" * 29 + b"2\r\n\r\nok",
    "a length and a coding": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a coding and a length": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n",
    "the coding gzip": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    "the coding gzip, chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "the coding identity": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nok",
    "a coding twice": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "an empty coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n\r\nok",
    "a coding in HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a 204 with a length": b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok",
    "a 204 with a coding": b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a 103 with a length": b"HTTP/1.1 103 Early Hints\r\nContent-Length: 2\r\n\r\nok" + OK,
    "a 100 with a coding": b"HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + OK,
    "a 101 that nobody asked for": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
    "a 101 to WebSocket that nobody asked for": (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    ),
    "eleven interim responses": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 11 + OK,
    "201 fields": b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 201 + b"Content-Length: 0\r\n\r\n",
    "a head of 70 KB": b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70_000 + b"\r\nContent-Length: 0\r\n\r\n",
    "a head without end": b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70_000,
}


@pytest.mark.parametrize("name", BROKEN_HEADS)
def test_a_broken_head_is_a_502_and_nothing_of_it_passes(place: Place, name: str) -> None:
    place.origin.on(place.path, BROKEN_HEADS[name])
    with place.client() as client:
        answer = client.ask(place.filled(request(GET)))
        assert (answer.status, answer.error) == (502, "node_broke")
        place.still_works(client)
    seen = place.seen()
    place.origin.wait_for_end(seen.connection)
    assert place.origin.the(f"{place.path}-next").connection != seen.connection


BROKEN_CONNECTIONS: dict[str, tuple[Step, ...]] = {
    "an end at once": (without_body, close),
    "a reset at once": (without_body, reset),
    "an end within the head": (b"HTTP/1.1 200 OK\r\nContent-Le", close),
    "a reset within the head": (b"HTTP/1.1 200 OK\r\nContent-Le", reset),
    "an end after an interim response": (b"HTTP/1.1 103 Early Hints\r\n\r\n", close),
}


@pytest.mark.parametrize("name", BROKEN_CONNECTIONS)
def test_a_node_that_breaks_off_before_its_heads_end_is_a_502(place: Place, name: str) -> None:
    place.origin.on(place.path, *BROKEN_CONNECTIONS[name])
    with place.client() as client:
        answer = client.ask(place.filled(request("POST {path} HTTP/1.1")), method="POST")
        assert (answer.status, answer.error) == (502, "node_reset")
        place.still_works(client)
    assert len(place.origin.seen(place.path)) == 1


def test_a_node_that_does_not_answer_in_time_is_a_504(place: Place) -> None:
    path = f"/impatient{place.path}"
    place.origin.on(path, stall)
    with place.client() as client:
        answer = client.ask(request(f"GET {path} HTTP/1.1"))
        assert (answer.status, answer.error) == (504, "node_too_slow")
        place.still_works(client)
    place.origin.wait_for_end(place.origin.the(path).connection)


def test_a_node_that_stalls_within_its_body_cuts_the_client_off(place: Place) -> None:
    path = f"/impatient{place.path}"
    stalled = response("HTTP/1.1 200 OK", DATE, "Content-Length: 5", body=b"hel")
    place.origin.on(path, stalled, stall)
    with place.client() as client, pytest.raises(Cut) as cut:
        client.ask(request(f"GET {path} HTTP/1.1"))
    assert cut.value.was_reset
    assert place.edge.entry(path)["error"] == "node_too_slow"


# Bodies...


@pytest.mark.parametrize("size", [0, 1, 16_384, 16_385, 3_000_000])
def test_a_body_of_a_length_passes(place: Place, size: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    answer = relayed(place, response("HTTP/1.1 200 OK", DATE, f"Content-Length: {size}", body=body[:size]))
    assert answer.body == body[:size]
    assert answer.get("Content-Length") == str(size)


@pytest.mark.parametrize(
    ("pieces", "body"),
    [
        ((b"0\r\n\r\n",), b""),
        ((b"5\r\nhello\r\n0\r\n\r\n",), b"hello"),
        ((b"5\r\nhello\r\n", b"6\r\n world\r\n0\r\n\r\n"), b"hello world"),
        ((b"5;a=b\r\nhel", b"lo\r\n0;c\r\n\r\n"), b"hello"),
        ((b"1\r\n", b"a\r", b"\n0\r\n\r", b"\n"), b"a"),
    ],
    ids=["empty", "one", "two", "extensions", "cut everywhere"],
)
def test_chunks_pass(place: Place, pieces: tuple[bytes, ...], body: bytes) -> None:
    answer = relayed(place, response("HTTP/1.1 200 OK", DATE, CHUNKED), *pieces)
    assert answer.body == body
    assert [answer.get("Transfer-Encoding"), answer.get("Content-Length")] in (
        ["chunked", None],
        [None, str(len(body))],
    )


@pytest.mark.parametrize("fields", [("TE: trailers", "Connection: TE"), ()], ids=["asked for", "not asked for"])
def test_trailers_pass_to_a_client_that_takes_them(place: Place, fields: tuple[str, ...]) -> None:
    trailers = b"X-Checksum: 1\r\nSet-Cookie: evil=1\r\nContent-Length: 7\r\nX-Steer-Node: evil\r\nETag: a\r\n"
    head = response("HTTP/1.1 200 OK", DATE, CHUNKED, "Trailer: X-Checksum")
    answer = relayed(place, head + b"5\r\nhello\r\n", b"0\r\n" + trailers + b"\r\n", fields=fields)
    assert answer.body == b"hello"
    assert answer.trailers == ((("X-Checksum", "1"), ("ETag", "a")) if fields else ())


def test_a_body_until_the_end_of_the_connection_gets_chunks(place: Place) -> None:
    answer = relayed(place, response("HTTP/1.1 200 OK", DATE, body=b"hel"), b"lo", close)
    assert (answer.body, answer.get("Transfer-Encoding")) == (b"hello", "chunked")


def test_http_1_0_nodes_are_understood(place: Place) -> None:
    answer = relayed(place, response("HTTP/1.0 200 OK", DATE, body=b"hello"), close)
    assert answer.body == b"hello"


def test_an_http_1_0_node_that_keeps_its_connection_is_asked_on_it_again(place: Place) -> None:
    raw = response("HTTP/1.0 200 OK", DATE, "Connection: keep-alive", "Content-Length: 2", body=b"ok")
    relayed(place, raw)
    assert place.origin.the(f"{place.path}-next").connection == place.seen().connection


NO_BODY = {
    "HEAD with a length": ("HEAD", response("HTTP/1.1 200 OK", DATE, "Content-Length: 5")),
    "HEAD with a coding": ("HEAD", response("HTTP/1.1 200 OK", DATE, CHUNKED)),
    "HEAD with nothing": ("HEAD", response("HTTP/1.1 200 OK", DATE)),
    "204": ("GET", response("HTTP/1.1 204 No Content", DATE)),
    "204 with a length of 0": ("GET", response("HTTP/1.1 204 No Content", DATE, "Content-Length: 0")),
    "304": ("GET", response("HTTP/1.1 304 Not Modified", DATE)),
    "304 with a length": ("GET", response("HTTP/1.1 304 Not Modified", DATE, "Content-Length: 5")),
    "304 with a coding": ("GET", response("HTTP/1.1 304 Not Modified", DATE, CHUNKED)),
}


@pytest.mark.parametrize("name", NO_BODY)
def test_a_response_without_a_body_ends_with_its_head(place: Place, name: str) -> None:
    method, raw = NO_BODY[name]
    answer = relayed(place, raw, method=method)
    assert answer.body == b""
    assert place.origin.the(f"{place.path}-next").connection == place.seen().connection
    if answer.status == 204:
        assert answer.get("Content-Length") is None


@pytest.mark.parametrize("name", NO_BODY)
def test_a_body_where_none_may_be_never_reaches_the_client(place: Place, name: str) -> None:
    method, raw = NO_BODY[name]
    place.origin.on(place.path, raw + b"hello")
    with place.client() as client:
        answer = client.ask(place.filled(request(f"{method} {{path}} HTTP/1.1")), method=method)
        assert answer.status in (200, 204, 304)
        assert client.is_closed()
    place.origin.wait_for_end(place.seen().connection)


TOO_LONG = {
    "a length": response("HTTP/1.1 200 OK", DATE, "Content-Length: 2", body=b"ok" + OK),
    "a length of 0": response("HTTP/1.1 200 OK", DATE, "Content-Length: 0", body=OK),
    "chunks": response("HTTP/1.1 200 OK", DATE, CHUNKED, body=b"2\r\nok\r\n0\r\n\r\n" + OK),
}


@pytest.mark.parametrize("name", TOO_LONG)
def test_a_body_longer_than_said_ends_where_it_was_said_and_closes_both_connections(place: Place, name: str) -> None:
    place.origin.on(place.path, TOO_LONG[name])
    with place.client() as client:
        answer = client.ask(place.filled(request(GET)))
        assert answer.body == (b"" if name == "a length of 0" else b"ok")
        assert client.is_closed()
    place.origin.wait_for_end(place.seen().connection)


CUT = {
    "within a length": response("HTTP/1.1 200 OK", DATE, "Content-Length: 5", body=b"hel"),
    "before a length's first byte": response("HTTP/1.1 200 OK", DATE, "Content-Length: 5"),
    "within a chunk": response("HTTP/1.1 200 OK", DATE, CHUNKED, body=b"5\r\nhel"),
    "between chunks": response("HTTP/1.1 200 OK", DATE, CHUNKED, body=b"5\r\nhello\r\n"),
    "before the last line": response("HTTP/1.1 200 OK", DATE, CHUNKED, body=b"5\r\nhello\r\n0\r\n"),
}


@pytest.mark.parametrize("how", [close, reset])
@pytest.mark.parametrize("name", CUT)
def test_a_body_shorter_than_said_is_cut_for_the_client_too(place: Place, name: str, how: Step) -> None:
    place.origin.on(place.path, CUT[name], how)
    with place.client() as client, pytest.raises(Cut) as cut:
        client.ask(place.filled(request(GET)))
    assert cut.value.was_reset
    assert place.edge.entry(place.path)["error"] == "node_reset"


def test_a_body_until_the_end_that_ends_by_a_reset_is_cut_for_the_client_too(place: Place) -> None:
    place.origin.on(place.path, response("HTTP/1.1 200 OK", DATE, body=b"hel"), reset)
    with place.client() as client, pytest.raises(Cut) as cut:
        client.ask(place.filled(request(GET)))
    assert cut.value.was_reset


BROKEN_CHUNKS = [b"x\r\n", b"5\r\nhello!\r\n", b"-1\r\n", b"5\nhello\r\n", b"0\r\nA : b\r\n\r\n", b"5 \r\nhello\r\n"]


@pytest.mark.parametrize("body", BROKEN_CHUNKS)
def test_broken_chunks_that_come_with_the_head_are_a_502(place: Place, body: bytes) -> None:
    place.origin.on(place.path, response("HTTP/1.1 200 OK", DATE, CHUNKED, body=b"2\r\nok\r\n" + body))
    with place.client() as client:
        answer = client.ask(place.filled(request(GET)))
        assert (answer.status, answer.error) == (502, "node_broke")
        place.still_works(client)
    place.origin.wait_for_end(place.seen().connection)


@pytest.mark.parametrize("body", BROKEN_CHUNKS)
def test_broken_chunks_that_come_later_cut_the_client_off(place: Place, body: bytes) -> None:
    later = threading.Event()
    place.origin.on(place.path, response("HTTP/1.1 200 OK", DATE, CHUNKED), b"2\r\nok\r\n", wait_for(later), body)
    with place.client() as client:
        client.send(place.filled(request(GET)))
        assert client.read_head().status == 200
        assert client.read_some(7) == b"2\r\nok\r\n"
        later.set()
        with pytest.raises(Cut) as cut:
            client.read_some(1_000_000)
    assert cut.value.was_reset
    place.origin.wait_for_end(place.seen().connection)


@pytest.mark.parametrize("how", [close, reset])
def test_a_body_without_a_length_is_cut_by_a_reset_because_an_end_would_be_its_end(place: Place, how: Step) -> None:
    later = threading.Event()
    head = response("HTTP/1.1 200 OK", DATE, CHUNKED, body=b"2\r\nok\r\n")
    place.origin.on(place.path, head, wait_for(later), how)
    with place.client() as client:
        client.send(place.filled(request("GET {path} HTTP/1.0")))
        assert client.read_head().all("Transfer-Encoding") == []
        assert client.read_some(2) == b"ok"
        later.set()
        with pytest.raises(Cut) as cut:
            client.read_some(1)
    assert cut.value.was_reset


# Interim responses...


def test_ten_interim_responses_pass(place: Place) -> None:
    hints = response("HTTP/1.1 103 Early Hints", "Link: </a.css>", "Connection: close", "X-Steer-Node: evil")
    answer = relayed(place, hints * 10 + OK)
    assert [(interim.status, interim.fields) for interim in answer.interim] == [(103, (("Link", "</a.css>"),))] * 10
    assert answer.status == 200


def test_interim_responses_cut_into_pieces_pass(place: Place) -> None:
    raw = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + OK
    answer = relayed(place, *(raw[at : at + 7] for at in range(0, len(raw), 7)))
    assert [interim.status for interim in answer.interim] == [100, 102]


def test_interim_responses_do_not_reach_http_1_0_clients(place: Place) -> None:
    place.origin.on(place.path, b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK)
    with place.client() as client:
        answer = client.ask(place.filled(request("GET {path} HTTP/1.0")))
        assert (answer.status, answer.interim) == (200, ())


# HTTP/1.0 clients...


def test_an_http_1_0_client_gets_its_answer_and_the_end_of_the_connection(place: Place) -> None:
    with place.client() as client:
        answer = client.ask(place.filled(request("GET {path} HTTP/1.0")))
        assert (answer.status, answer.body, answer.says_close) == (200, b"ok", True)
        assert client.is_closed()
    assert place.seen().lines[0].endswith(b" HTTP/1.1")
    assert place.seen().all(b"Via") == [b"1.0 steer-edge-a"]


def test_an_http_1_0_client_that_asks_for_it_keeps_its_connection(place: Place) -> None:
    with place.client() as client:
        answer = client.ask(place.filled(request("GET {path} HTTP/1.0", "Connection: keep-alive")))
        assert (answer.status, answer.get("Connection")) == (200, "keep-alive")
        place.still_works(client)


@pytest.mark.parametrize("fields", [(), ("Connection: keep-alive",)])
def test_chunks_become_a_body_until_the_end_for_http_1_0_clients(place: Place, fields: tuple[str, ...]) -> None:
    more = response("HTTP/1.1 200 OK", DATE, CHUNKED), b"5\r\nhello\r\n", b"6\r\n world\r\n0\r\n\r\n"
    place.origin.on(place.path, *more)
    with place.client() as client:
        answer = client.ask(place.filled(request("GET {path} HTTP/1.0", *fields)))
        assert answer.body == b"hello world"
        assert answer.get("Transfer-Encoding") is None


# Which connections are used again...


@pytest.mark.parametrize(
    ("raw", "is_kept"),
    [
        (response("HTTP/1.1 200 OK", DATE, "Content-Length: 2", body=b"ok"), True),
        (response("HTTP/1.1 200 OK", DATE, CHUNKED, body=b"2\r\nok\r\n0\r\n\r\n"), True),
        (response("HTTP/1.1 200 OK", DATE, "Connection: close", "Content-Length: 2", body=b"ok"), False),
        (response("HTTP/1.1 200 OK", DATE, "Connection: X, Close", "Content-Length: 2", body=b"ok"), False),
        (response("HTTP/1.0 200 OK", DATE, "Content-Length: 2", body=b"ok"), False),
    ],
    ids=["length", "chunks", "close", "close in a list", "HTTP/1.0"],
)
def test_a_nodes_connection_is_used_again_unless_it_says_close(place: Place, raw: bytes, is_kept: bool) -> None:
    relayed(place, raw)
    first, second = place.seen(), place.origin.the(f"{place.path}-next")
    assert (first.connection == second.connection) is is_kept


def test_a_client_that_says_close_does_not_close_the_nodes_connection(place: Place) -> None:
    with place.client() as client:
        answer = client.ask(place.filled(request(GET, "Connection: close")))
        assert (answer.status, answer.says_close, client.is_closed()) == (200, True, True)
    with place.client() as client:
        place.still_works(client)
    assert place.seen().connection == place.origin.the(f"{place.path}-next").connection


def test_a_nodes_close_is_not_the_clients(place: Place) -> None:
    answer = relayed(place, response("HTTP/1.1 200 OK", DATE, "Connection: close", "Content-Length: 2", body=b"ok"))
    assert answer.get("Connection") is None


def test_bytes_that_come_after_a_response_are_for_nobody(place: Place) -> None:

    late = threading.Event()
    place.origin.on(place.path, OK, wait_for(late), OK.replace(b"ok", b"no"))
    with place.client() as client:
        assert client.ask(place.filled(request(GET))).body == b"ok"
        late.set()
        place.origin.wait_for_end(place.seen().connection)
        place.still_works(client)
