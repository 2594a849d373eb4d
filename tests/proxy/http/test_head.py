"""Heads read: the values and the lines that they become. What is refused is told by tests/compliance, case by case."""

from __future__ import annotations

import pytest

from steer.errors import (
    BAD_TARGET,
    EXPECTATION_FAILED,
    HEAD_TOO_LARGE,
    LOOP,
    MALFORMED,
    METHOD_REFUSED,
    NODE_BROKE,
    UPGRADE_REFUSED,
    VERSION_REFUSED,
    Failure,
)
from steer.proxy.http import head as module
from steer.proxy.http.head import RequestHead, ResponseHead, find_loop, read_lines, read_request, read_response

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="


def read(*lines: bytes, start: bytes = b"GET /a?b HTTP/1.1", host: bytes = b"a.example") -> RequestHead:
    head = read_request(b"\r\n".join([start, b"Host: " + host, *lines]))
    assert isinstance(head, RequestHead), head
    return head


def refused(*lines: bytes, start: bytes = b"GET / HTTP/1.1") -> Failure:
    failure = read_request(b"\r\n".join([start, b"Host: a.example", *lines]))
    assert isinstance(failure, Failure), failure
    return failure


def answer(*lines: bytes, start: bytes = b"HTTP/1.1 200 OK") -> ResponseHead:
    head = read_response(b"\r\n".join([start, *lines]))
    assert isinstance(head, ResponseHead), head
    return head


# Requests...


def test_a_plain_request_says_that_it_is_one() -> None:
    head = read(b"Accept: */*")
    assert (head.method, head.target, head.path, head.host) == ("GET", b"/a?b", "/a", "a.example")
    assert (head.content_length, head.chunked, head.has_body, head.keep_alive) == (-1, False, False, True)
    assert (head.lines, head.plain, head.http10) == ([b"Accept: */*"], True, False)


@pytest.mark.parametrize(
    "line",
    [b"Content-Length: 0", b"Transfer-Encoding: chunked", b"Expect: 100-continue", b"Via: 1.1 a", b"Connection: close"],
)
def test_a_request_with_a_field_for_the_edge_is_not_plain(line: bytes) -> None:
    assert not read(line).plain


def test_a_request_without_a_host_is_left_to_the_caller() -> None:
    head = read_request(b"GET /.steer/health HTTP/1.1")
    assert isinstance(head, RequestHead)
    assert (head.host, head.plain) == ("", False)


@pytest.mark.parametrize(
    ("start", "host", "target", "path", "authority", "name"),
    [
        (b"GET / HTTP/1.1", b"A.Example:80", b"/", "/", b"A.Example:80", "a.example"),
        (b"GET / HTTP/1.1", b"a.example.", b"/", "/", b"a.example.", "a.example"),
        (b"GET / HTTP/1.1", b"[::1]:80", b"/", "/", b"[::1]:80", "[::1]"),
        (b"GET http://b.example:81/x?y HTTP/1.1", b"a.example", b"/x?y", "/x", b"b.example:81", "b.example"),
        (b"GET http://b.example HTTP/1.1", b"a.example", b"/", "/", b"b.example", "b.example"),
        (b"GET http://b.example?y HTTP/1.1", b"a.example", b"/?y", "/", b"b.example", "b.example"),
        (b"OPTIONS http://b.example HTTP/1.1", b"a.example", b"*", "*", b"b.example", "b.example"),
        (b"OPTIONS * HTTP/1.1", b"a.example", b"*", "*", b"a.example", "a.example"),
    ],
)
def test_whom_and_what_a_request_is_for(
    start: bytes, host: bytes, target: bytes, path: str, authority: bytes, name: str
) -> None:
    head = read(start=start, host=host)
    assert (head.target, head.path, head.authority, head.host) == (target, path, authority, name)


@pytest.mark.parametrize(
    ("start", "lines", "keeps"),
    [
        (b"GET / HTTP/1.1", [], True),
        (b"GET / HTTP/1.1", [b"Connection: Close"], False),
        (b"GET / HTTP/1.1", [b"Connection: keep-alive, close"], False),
        (b"GET / HTTP/1.1", [b"Connection: keep-alive", b"Connection: close"], False),
        (b"GET / HTTP/1.0", [], False),
        (b"GET / HTTP/1.0", [b"Connection: Keep-Alive"], True),
        (b"GET / HTTP/1.0", [b"Connection: keep-alive, close"], False),
    ],
)
def test_whether_the_connection_stays(start: bytes, lines: list[bytes], keeps: bool) -> None:
    head = read(*lines, start=start)
    assert (head.keep_alive, head.lines) == (keeps, [])


def test_framing_fields_become_values_and_lines_go() -> None:
    assert (read(b"Content-Length: 5", b"A: b").content_length, read(b"Content-Length: 5").lines) == (5, [])
    head = read(b"A: b", b"Transfer-Encoding: Chunked")
    assert (head.chunked, head.has_body, head.lines) == (True, True, [b"A: b"])


def test_the_same_line_twice_is_removed_or_kept_twice() -> None:
    head = read(b"A: b", b"Keep-Alive: 5", b"A: b", b"Keep-Alive: 5", b"X-Steer-A: b", b"X-Steer-A: b")
    assert head.lines == [b"A: b", b"A: b"]


def test_a_field_is_found_by_its_name_in_any_letters_and_several_are_a_list() -> None:
    head = read(b"X-Tenant:  green ", b"x-beta: 1", b"Accept: a", b"X-BETA: 2", b"Expect: 100-continue")
    assert (head.field("x-tenant"), head.field("x-beta")) == ("green", "1, 2")
    assert (head.field("x-ten"), head.field("expect")) == (None, None)


def test_expect_and_te_and_max_forwards_and_via_are_read() -> None:
    head = read(b"Expect: 100-Continue", b"TE: gzip;q=1 , Trailers", b"Max-Forwards: 7", b"Via: 1.1 a", b"Via: 1.1 b")
    assert (head.expects_continue, head.te_trailers, head.max_forwards) == (True, True, 7)
    assert (head.via, head.lines) == ((b"1.1 a", b"1.1 b"), [b"Via: 1.1 a", b"Via: 1.1 b"])
    assert not read(b"TE: xtrailers").te_trailers
    assert not read(b"Expect: 100-continue", start=b"POST / HTTP/1.0").expects_continue


def test_what_connection_names_is_removed() -> None:
    assert read(b"A: b", b"X-Own: 1", b"Connection: x-own, upgrade, te", b"x-OWN:2").lines == [b"A: b"]


def test_an_upgrade_to_websocket_is_one_only_if_all_of_it_is_there() -> None:
    ask = [b"Upgrade: WebSocket", b"Connection: keep-alive, Upgrade", b"Sec-WebSocket-Key: " + KEY]
    assert read(*ask).websocket_key == KEY
    assert read(*ask).lines == [ask[2]]
    assert read(ask[0], ask[2]).websocket_key == b""
    assert read(ask[1], ask[2]).websocket_key == b""
    assert read(b"Upgrade: h2c", *ask[1:]).websocket_key == b""
    assert read(*ask, start=b"GET / HTTP/1.0").websocket_key == b""


def test_underscores_pass_where_they_may() -> None:
    block = b"GET / HTTP/1.1\r\nHost: a\r\nA_B: c"
    for allowed, lines in ((False, []), (True, [b"A_B: c"])):
        head = read_request(block, allow_underscores=allowed)
        assert isinstance(head, RequestHead)
        assert head.lines == lines


@pytest.mark.parametrize(
    ("failure", "start", "lines"),
    [
        (MALFORMED, b"GET /", []),
        (MALFORMED, b"GET / HTTP/1.1", [b"Host: b"]),
        (MALFORMED, b"GET / HTTP/1.1", [b"A : b"]),
        (MALFORMED, b"GET / HTTP/1.1", [b"Content-Length: x"]),
        (MALFORMED, b"GET / HTTP/1.1", [b"Connection: cookie"]),
        (BAD_TARGET, b"GET /#a HTTP/1.1", []),
        (BAD_TARGET, b"GET /%2e%2e HTTP/1.1", []),
        (BAD_TARGET, b"GET * HTTP/1.1", []),
        (METHOD_REFUSED, b"CONNECT a:1 HTTP/1.1", []),
        (VERSION_REFUSED, b"GET / HTTP/3.0", []),
        (EXPECTATION_FAILED, b"GET / HTTP/1.1", [b"Expect: more"]),
        (
            UPGRADE_REFUSED,
            b"POST / HTTP/1.1",
            [b"Upgrade: websocket", b"Connection: upgrade", b"Sec-WebSocket-Key: " + KEY],
        ),
        (HEAD_TOO_LARGE, b"GET / HTTP/1.1", [b"A: b"] * 100),
    ],
)
def test_a_refusal_has_a_name_and_a_sentence(failure: Failure, start: bytes, lines: list[bytes]) -> None:
    found = refused(*lines, start=start)
    assert (found.name, found.closes) == (failure.name, True)
    assert found.detail


def test_a_head_in_another_form_is_judged_the_same() -> None:
    head = read_lines(b"GET", b"/a", [b"", b"host: a.example", b"a: b", b"x-steer-node: c"], False)
    assert isinstance(head, RequestHead)
    assert (head.path, head.host, head.lines) == ("/a", "a.example", [b"a: b"])
    for method, target in ((b"TRACE", b"/"), (b"GET", b"/../")):
        assert isinstance(read_lines(method, target, [b"", b"host: a"], False), Failure)


def test_hosts_are_remembered_within_bounds() -> None:
    for number in range(module.MAX_HOSTS + 10):
        assert read(host=b"h%d.example" % number).host == f"h{number}.example"
        assert len(module._hosts) <= module.MAX_HOSTS


@pytest.mark.parametrize(
    ("via", "loops"),
    [
        ((b"1.1 steer-a",), True),
        ((b"1.0 fred, HTTP/1.1 steer-a (x)",), True),
        ((b"1.0 fred", b"1.1 steer-a"), True),
        ((b"1.1 steer-ab", b"1.1 x-steer-a", b"steer-a", b"1.1 fred steer-a", b""), False),
    ],
)
def test_a_loop_is_ones_own_name_in_via(via: tuple[bytes, ...], loops: bool) -> None:
    head = read(*(b"Via: " + value for value in via))
    found = find_loop(head, b"steer-a")
    assert (found.name if found else "") == (LOOP.name if loops else "")


# Responses...


def test_a_response_passes_but_for_what_ends_here() -> None:
    fields = [b"Server: a", b"Date: now", b"Set-Cookie: a", b"Content-Length: 05", b"Set-Cookie: a", b"X_A: b"]
    head = answer(*fields, b"Connection: X-Own", b"X-Own: 1", b"Keep-Alive: 5", b"X-Steer-Node: a")
    assert head.lines == fields
    assert (head.status, head.reason, head.content_length, head.has_date) == (200, b"OK", 5, True)


@pytest.mark.parametrize(
    ("start", "lines", "closes"),
    [
        (b"HTTP/1.1 200 OK", [], False),
        (b"HTTP/1.1 200 OK", [b"Connection: Close"], True),
        (b"HTTP/1.1 200 OK", [b"Connection: keep-alive"], False),
        (b"HTTP/1.0 200 OK", [], True),
        (b"HTTP/1.0 200 OK", [b"Connection: keep-alive"], False),
        (b"HTTP/1.0 200 OK", [b"Connection: keep-alive, close"], True),
    ],
)
def test_whether_the_nodes_connection_stays(start: bytes, lines: list[bytes], closes: bool) -> None:
    assert answer(*lines, start=start).closes is closes


def test_an_upgrade_counts_only_if_connection_names_it() -> None:
    accept = b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    start = b"HTTP/1.1 101 Switching Protocols"
    head = answer(b"Upgrade: WebSocket", b"Connection: Upgrade", accept, start=start)
    assert (head.upgrade, head.websocket_accept, head.lines) == (b"websocket", accept[22:], [])
    assert answer(b"Upgrade: websocket", accept, start=start).upgrade == b""


def test_framing_and_dates_stay_whatever_connection_names() -> None:
    lines = [b"Date: now", b"Content-Length: 5"]
    assert answer(b"Connection: date, content-length", *lines).lines == lines


@pytest.mark.parametrize("status", [204, 103])
def test_a_length_of_zero_goes_where_there_is_no_body(status: int) -> None:
    assert answer(b"Content-Length: 0", b"A: b", start=b"HTTP/1.1 %d A" % status).lines == [b"A: b"]


@pytest.mark.parametrize(
    ("start", "lines"),
    [
        (b"HTTP/1.1 600 A", []),
        (b"HTTP/1.1 200 OK", [b"A : b"]),
        (b"HTTP/1.1 200 OK", [b"Content-Length: 1", b"Content-Length: 1"]),
        (b"HTTP/1.1 200 OK", [b"Content-Length: 1", b"Transfer-Encoding: chunked"]),
        (b"HTTP/1.1 200 OK", [b"Transfer-Encoding: gzip"]),
        (b"HTTP/1.0 200 OK", [b"Transfer-Encoding: chunked"]),
        (b"HTTP/1.1 204 A", [b"Content-Length: 1"]),
        (b"HTTP/1.1 100 A", [b"Transfer-Encoding: chunked"]),
        (b"HTTP/1.1 200 OK", [b"A: b"] * 201),
    ],
)
def test_a_broken_response_is_the_nodes_fault(start: bytes, lines: list[bytes]) -> None:
    failure = read_response(b"\r\n".join([start, *lines]))
    assert isinstance(failure, Failure)
    assert failure.name == NODE_BROKE.name
    assert failure.detail


def test_status_lines_are_remembered_within_bounds() -> None:
    for number in range(module.MAX_STATUS_LINES + 10):
        assert answer(start=b"HTTP/1.1 200 %d" % number).reason == b"%d" % number
    assert answer(start=b"HTTP/1.1 200 " + b"x" * 1000).status == 200
    assert len(module._status_lines) <= module.MAX_STATUS_LINES
    assert max(map(len, module._status_lines)) < 1000
