"""Heads that pass: what the origin gets is exactly what the client sent, less what is removed, plus what is added."""

from __future__ import annotations

import pytest

from tests.compliance.place import Place, passed, request
from tests.kit.edge import HOST
from tests.kit.origin import OK, Request

GET = "GET {path} HTTP/1.1"
HOST_LINE = f"Host: {HOST}".encode()


def sent_on(place: Place, *fields: bytes | str, line: str = GET, listener: str = "http") -> list[bytes]:
    """The fields that reach the origin behind Host, of those that the edge does not add to every request."""
    with place.client(listener) as client:
        assert client.ask(place.filled(request(line, *fields))).status == 200
        place.still_works(client)
    lines = passed(place.seen())
    assert lines[1] == HOST_LINE
    return lines[2:]


@pytest.mark.parametrize(
    "target",
    [
        "{path}",
        "{path}?",
        "{path}?a=../b&c=%00",
        "{path}?a?b/c",
        "{path}/%2f/%2F%41",
        "{path}/...",
        "{path}/.well-known/a.b",
        "{path}/a..b/..c",
        "{path}//a//",
        "{path}/!$&'()*+,;=:@-._~\"<>[]^`{|}\\",
    ],
)
def test_a_target_passes_as_it_is(place: Place, target: str) -> None:
    place.origin.on(f"{place.path}", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    with place.client() as client:
        assert client.ask(place.filled(request(f"GET {target} HTTP/1.1"))).status == 200
    (seen,) = _requests_of(place)
    assert seen.lines[0] == place.filled(f"GET {target} HTTP/1.1".encode())


def _requests_of(place: Place) -> list[Request]:
    return [request for request in place.origin.requests if request.target.startswith(place.path)]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "m-search"])
def test_a_method_passes(place: Place, method: str) -> None:
    if method == "HEAD":
        place.origin.on(place.path, OK.removesuffix(b"ok"))
    with place.client() as client:
        answer = client.ask(place.filled(request(f"{method} {{path}} HTTP/1.1")), method=method)
        assert (answer.status, answer.body) == (200, b"" if method == "HEAD" else b"ok")
        place.still_works(client)
    assert place.seen().lines[0].startswith(f"{method} /".encode())


@pytest.mark.parametrize("scheme", ["http", "HTTP", "https"])
@pytest.mark.parametrize(("rest", "target"), [("{path}?a", "{path}?a"), ("", "/"), ("?{path}", "/?{path}")])
def test_an_absolute_url_becomes_a_path_and_its_authority_the_host(
    place: Place, scheme: str, rest: str, target: str
) -> None:
    mark = place.origin.mark()
    with place.client() as client:
        raw = request(f"GET {scheme}://{HOST}:80{rest} HTTP/1.1", host="evil.example")
        assert client.ask(place.filled(raw)).status == 200
    lines = place.origin.since(mark).split(b"\r\n")
    assert lines[:2] == [place.filled(f"GET {target} HTTP/1.1".encode()), HOST_LINE + b":80"]
    assert b"evil" not in place.origin.since(mark)


@pytest.mark.parametrize("line", ["OPTIONS * HTTP/1.1", f"OPTIONS http://{HOST} HTTP/1.1"])
def test_options_for_the_server_as_a_whole_passes(place: Place, line: str) -> None:
    with place.client() as client:
        assert client.ask(request(line, f"X-Case: {place.path}")).status == 200
    (seen,) = [found for found in place.origin.requests if found.all(b"X-Case") == [place.path.encode()]]
    assert seen.lines[:2] == [b"OPTIONS * HTTP/1.1", HOST_LINE]


@pytest.mark.parametrize("host", [HOST.upper(), f"{HOST}.", f"{HOST}:8443", f"{HOST}:0080"])
def test_a_host_in_another_writing_is_the_same_host_and_passes_as_it_is(place: Place, host: str) -> None:
    with place.client() as client:
        assert client.ask(place.filled(request(GET, host=host))).status == 200
    assert place.seen().all(b"Host") == [host.encode()]


@pytest.mark.parametrize(
    "lines",
    [
        ["A: b", "a: B", "A: b"],
        ["Cookie: a=b", "Cookie: c=d", "Authorization: Basic YTpi"],
        ["Accept:", "X-Empty: "],
        ["X-Odd:b", "X-Odd:\t b \t"],
        ["X-Text: \xe9\xff", 'X-Marks: "a, b"; c=(d)'],
        ["!#$%&'*+-.^`|~09AZaz: token"],
        ["Range: bytes=0-1", 'If-None-Match: "x"', "Cache-Control: no-cache"],
        ["Via: 1.0 fred, 1.1 steer-edge-b"],
        ["X-Request-Start: t=1", "X-Sessions: 2", "X-Steering: 3"],
    ],
)
def test_fields_pass_in_their_order_as_they_were_written(place: Place, lines: list[str]) -> None:
    assert sent_on(place, *lines) == [line.encode("latin-1") for line in lines]


def test_one_empty_line_before_a_request_is_passed_over(place: Place) -> None:
    with place.client() as client:
        assert client.ask(b"\r\n" + place.filled(request(GET))).status == 200
        place.still_works(client)


# What is removed...


@pytest.mark.parametrize(
    "line",
    [
        "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive",
        "Proxy-Authorization: Basic YTpi",
        "Proxy-Authenticate: Basic",
        "TE: gzip",
        "Trailer: X-Checksum",
        "HTTP2-Settings: AAMAAABkAAQAAP__",
        "Connection: keep-alive",
        "Connection: close",
        "Connection:",
        "Upgrade: h2c",
        "X-Steer-Node: evil",
        "x-steer-anything: evil",
        "X-Session-Stale: 1",
        "X-Forwarded-For: 1.2.3.4",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-Port: 1",
        "X-Forwarded-Server: evil",
        "X-Real-IP: 1.2.3.4",
        "Forwarded: for=1.2.3.4",
        "X-Request-Id: evil",
        "traceparent: 00-00000000000000000000000000000001-0000000000000001-01",
        "tracestate: evil=1",
        "X_Forwarded_For: 1.2.3.4",
        "Under_score: a",
        "Content_Length: 5",
        "Transfer_Encoding: chunked",
    ],
)
def test_a_field_is_removed(place: Place, line: str) -> None:
    with place.client() as client:
        assert client.ask(place.filled(request(GET, "A: b", line, "C: d"))).status == 200
    assert passed(place.seen())[2:] == [b"A: b", b"C: d"]
    assert b"evil" not in place.seen().head


@pytest.mark.parametrize("line", ["Connection: X-Own, x-other", "Connection: X-Own\r\nConnection: x-OTHER, close"])
def test_what_connection_names_ends_at_the_edge(place: Place, line: str) -> None:
    with place.client() as client:
        raw = request(GET, "X-Own: 1", "A: b", line, "X-Other: 2", "x-own: 3")
        assert client.ask(place.filled(raw)).status == 200
    assert passed(place.seen())[2:] == [b"A: b"]


def test_connection_cannot_take_away_what_the_edge_adds(place: Place) -> None:
    with place.client() as client:
        assert client.ask(place.filled(request(GET, "Connection: Max-Forwards, Expect"))).status == 200
    assert passed(place.seen())[2:] == []


def test_underscores_pass_where_the_listener_allows_them(place: Place) -> None:
    assert sent_on(place, "Under_score: a", "A: b", listener="underscores") == [b"Under_score: a", b"A: b"]


# What is added...


def test_the_forwarding_fields_are_the_edges_own(place: Place) -> None:
    forged = ["X-Forwarded-For: 1.2.3.4", "Forwarded: for=1.2.3.4", "X-Request-Id: 1", "X-Forwarded-Proto: https"]
    with place.client() as client:
        answer = client.ask(place.filled(request(GET, *forged, host=f"{HOST}:8443")))
    seen = place.seen()
    assert seen.all(b"X-Forwarded-For") == [b"127.0.0.1"]
    assert seen.all(b"X-Forwarded-Proto") == [b"http"]
    assert seen.all(b"X-Forwarded-Host") == [f"{HOST}:8443".encode()]
    assert seen.all(b"Forwarded") == [f'for=127.0.0.1;host="{HOST}:8443";proto=http'.encode()]
    assert seen.all(b"Via") == [b"1.1 steer-edge-a"]
    (request_id,) = seen.all(b"X-Request-Id")
    assert answer.get("X-Request-Id") == request_id.decode() == place.edge.entry(place.path)["request_id"]
    (parent,) = seen.all(b"traceparent")
    assert parent == b"00-%b-%b-00" % (request_id, request_id[16:])


def test_the_via_of_others_stays_and_ours_comes_behind_it(place: Place) -> None:
    with place.client() as client:
        assert client.ask(place.filled(request(GET, "Via: 1.0 fred"))).status == 200
    assert place.seen().all(b"Via") == [b"1.0 fred", b"1.1 steer-edge-a"]


def test_te_trailers_is_made_anew(place: Place) -> None:
    assert sent_on(place, "TE: gzip, trailers", "Connection: TE") == [b"TE: trailers", b"Connection: TE"]


@pytest.mark.parametrize(("method", "left"), [("OPTIONS", b"4"), ("GET", b"5")])
def test_max_forwards_counts_down_for_options_only(place: Place, method: str, left: bytes) -> None:
    assert sent_on(place, "Max-Forwards: 5", line=f"{method} {{path}} HTTP/1.1") == [b"Max-Forwards: " + left]


def test_max_forwards_of_none_is_for_the_edge_in_options_only(place: Place) -> None:
    with place.client() as client:
        answer = client.ask(place.filled(request("OPTIONS {path} HTTP/1.1", "Max-Forwards: 0")))
        assert (answer.status, answer.body) == (200, b"")
        assert "GET" in (answer.get("Allow") or "")
        place.still_works(client)
    assert place.origin.seen(place.path) == []


def test_max_forwards_of_none_means_nothing_elsewhere(place: Place) -> None:
    assert sent_on(place, "Max-Forwards: 0") == [b"Max-Forwards: 0"]


# Upgrades that are none...


@pytest.mark.parametrize(
    "fields",
    [
        ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"],
        ["Connection: Upgrade", "Upgrade: TLS/1.0"],
        ["Connection: Upgrade", "Upgrade: websocket, h2c"],
        ["Upgrade: websocket"],
        ["Connection: Upgrade"],
    ],
    ids=["h2c", "TLS", "a list", "not named by Connection", "Connection alone"],
)
def test_an_upgrade_that_is_not_to_websocket_goes_on_without_it(place: Place, fields: list[str]) -> None:
    assert sent_on(place, *fields, "A: b") == [b"A: b"]


def test_the_body_behind_an_h2c_upgrade_is_the_requests_body(place: Place) -> None:
    fields = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"]
    with place.client() as client:
        raw = request("POST {path} HTTP/1.1", *fields, "Content-Length: 5", body=b"hello")
        assert client.ask(place.filled(raw)).status == 200
        place.still_works(client)
    assert place.seen().body == b"hello"
    assert passed(place.seen())[2:] == [b"Content-Length: 5"]


def test_websocket_in_http_1_0_goes_on_without_it(place: Place) -> None:
    line = "GET {path} HTTP/1.0"
    with place.client() as client:
        raw = request(line, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
        assert client.ask(place.filled(raw)).status == 200
    assert b"Upgrade: websocket" not in place.seen().lines
