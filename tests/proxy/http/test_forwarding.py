"""The fields that the edge adds, and heads as they are sent on."""

from __future__ import annotations

import pytest

from steer.proxy.http import forwarding
from steer.proxy.http.forwarding import Forwarding, pseudonym, render_request, render_response
from steer.proxy.http.head import RequestHead, ResponseHead, read_request, read_response

REQUEST_ID = b"0123456789abcdef0123456789abcdef"


def head_of(*lines: bytes) -> RequestHead:
    head = read_request(b"\r\n".join([*lines[:1], b"Host: a.example", *lines[1:]]))
    assert isinstance(head, RequestHead), head
    return head


def sent(*lines: bytes) -> list[bytes]:
    """Without the request line, Host and the fields that follow every time."""
    rendered = render_request(head_of(*lines), b"node", b"X-Forwarded-For: 1\r\n", REQUEST_ID)
    return rendered.split(b"\r\n")[2:-5]


def test_the_name_of_an_edge_is_a_token() -> None:
    assert pseudonym("edge 1/a_b.c") == b"steer-edge-1-a_b.c"


@pytest.mark.parametrize(
    ("client", "authority", "forwarded"),
    [
        ("192.0.2.1", b"a.example", b"for=192.0.2.1;host=a.example;proto=https"),
        ("192.0.2.1", b"a.example:8443", b'for=192.0.2.1;host="a.example:8443";proto=https'),
        ("2001:db8::1", b"[::1]:1", b'for="[2001:db8::1]";host="[::1]:1";proto=https'),
    ],
)
def test_forwarded_quotes_what_has_colons(client: str, authority: bytes, forwarded: bytes) -> None:
    lines = Forwarding(client, "https", b"steer-a").lines(authority, http10=False).split(b"\r\n")
    assert lines == [
        b"X-Forwarded-For: " + client.encode(),
        b"X-Forwarded-Proto: https",
        b"X-Forwarded-Host: " + authority,
        b"Forwarded: " + forwarded,
        b"Via: 1.1 steer-a",
        b"",
    ]


def test_via_says_what_the_client_spoke_and_the_memory_is_not_confused_by_it() -> None:
    made = Forwarding("192.0.2.1", "http", b"steer-a")
    versions = [made.lines(b"a", http10).rsplit(b"Via: ")[1][:3] for http10 in (False, True, False, True)]
    assert versions == [b"1.1", b"1.0", b"1.1", b"1.0"]


def test_few_authorities_are_remembered() -> None:
    made = Forwarding("192.0.2.1", "http", b"steer-a")
    for number in range(100):
        assert b"X-Forwarded-Host: h%d\r\n" % number in made.lines(b"h%d" % number, http10=False)
    assert len(made._made) == forwarding.MAX_AUTHORITIES


def test_a_request_is_rendered_with_the_nodes_host_first_and_its_trace_last() -> None:
    rendered = render_request(head_of(b"GET /a HTTP/1.0", b"A: b"), b"node:1", b"Via: x\r\n", REQUEST_ID)
    assert rendered == (
        b"GET /a HTTP/1.1\r\nHost: node:1\r\nA: b\r\nVia: x\r\nX-Request-Id: 0123456789abcdef0123456789abcdef\r\n"
        b"traceparent: 00-0123456789abcdef0123456789abcdef-0123456789abcdef-00\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("lines", "made"),
    [
        ([b"GET / HTTP/1.1"], []),
        ([b"POST / HTTP/1.1", b"Content-Length: 007"], [b"Content-Length: 7"]),
        ([b"POST / HTTP/1.1", b"Content-Length: 0"], [b"Content-Length: 0"]),
        ([b"POST / HTTP/1.1", b"transfer-encoding: CHUNKED"], [b"Transfer-Encoding: chunked"]),
        ([b"GET / HTTP/1.1", b"TE: trailers"], [b"TE: trailers", b"Connection: TE"]),
        ([b"POST / HTTP/1.1", b"expect: 100-CONTINUE"], [b"Expect: 100-continue"]),
        ([b"OPTIONS / HTTP/1.1", b"Max-Forwards: 3"], [b"Max-Forwards: 2"]),
        ([b"GET / HTTP/1.1", b"Max-Forwards: 3"], [b"Max-Forwards: 3"]),
        (
            [
                b"GET / HTTP/1.1",
                b"Connection: upgrade",
                b"Upgrade: WebSocket",
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            ],
            [b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", b"Connection: Upgrade", b"Upgrade: websocket"],
        ),
    ],
)
def test_what_speaks_of_one_connection_is_made_anew_for_the_next(lines: list[bytes], made: list[bytes]) -> None:
    assert sent(*lines) == made


@pytest.mark.parametrize(("version", "via"), [(b"1.1", b"1.1"), (b"1.0", b"1.0")])
def test_a_response_is_rendered_with_its_lines_then_the_edges(version: bytes, via: bytes) -> None:
    head = read_response(b"HTTP/%b 404 Not here\r\nA: b" % version)
    assert isinstance(head, ResponseHead)
    assert render_response(head, REQUEST_ID, b"steer-a", b"Connection: close\r\n") == (
        b"HTTP/1.1 404 Not here\r\nA: b\r\nConnection: close\r\nVia: %b steer-a\r\n"
        b"X-Request-Id: 0123456789abcdef0123456789abcdef\r\n\r\n" % via
    )
