"""What the edge tells the node about the client, and the client about the edge.

Everything here that lasts for a connection is made once for it: `Forwarding.lines(authority)` is one look-up in the
common case. RFC 7239 (Forwarded), RFC 9110 section 7.6.3 (Via), W3C Trace Context (traceparent).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from steer.proxy.http.head import RequestHead, ResponseHead

MAX_AUTHORITIES = 8
"""Kept for one connection: a browser that coalesces hosts on HTTP/1.1 does not exist, a scanner does."""

_NOT_IN_PSEUDONYM = re.compile(r"[^A-Za-z0-9._-]")


def pseudonym(edge_name: str) -> bytes:
    """The edge's name in Via: the same for all its workers, another for each edge."""
    return b"steer-" + _NOT_IN_PSEUDONYM.sub("-", edge_name).encode()


class Forwarding:
    """The forwarding fields for the requests of one client connection."""

    __slots__ = ("_client", "_made", "_scheme", "_version", "_via")

    def __init__(self, client: str, scheme: str, via: bytes, version: str = "1.1") -> None:
        """`version` is of HTTP, as the connection speaks it; HTTP/1.0 is told for each request."""
        self._client = client
        self._scheme = scheme
        self._via = via
        self._version = version
        self._made: dict[bytes, bytes] = {}

    def lines(self, authority: bytes, http10: bool) -> bytes:
        """The fields, each line ended. `authority` is the request's Host as it came."""
        lines = self._made.get(authority)
        if lines is None or http10:
            lines = self._make(authority.decode("ascii"), "1.0" if http10 else self._version)
            if len(self._made) < MAX_AUTHORITIES and not http10:
                self._made[authority] = lines
        return lines

    def _make(self, host: str, version: str) -> bytes:
        forwarded = f"for={in_forwarded(self._client)}"
        return forwarding_fields(self._client, forwarded, self._scheme, host, version, self._via)


def in_forwarded(address: str) -> str:
    """An address as Forwarded has it (RFC 7239 section 6)."""
    return f'"[{address}]"' if ":" in address else address


def forwarding_fields(x_forwarded_for: str, forwarded: str, scheme: str, host: str, version: str, via: bytes) -> bytes:
    """Each line ended. `forwarded` is the value up to and with the last `for`."""
    quoted = f'"{host}"' if ":" in host else host
    lines = (
        f"X-Forwarded-For: {x_forwarded_for}\r\n"
        f"X-Forwarded-Proto: {scheme}\r\n"
        f"X-Forwarded-Host: {host}\r\n"
        f"Forwarded: {forwarded};host={quoted};proto={scheme}\r\n"
        f"Via: {version} "
    )
    return lines.encode() + via + b"\r\n"


def render_request(head: RequestHead, host: bytes, forwarding: bytes, request_id: bytes) -> bytes:
    """The head that a node gets. `request_id` is 32 hexadecimal digits, and the trace's id as well."""
    lines = head.lines
    if not head.plain:
        lines = [*lines, *_made_anew(head)]
        if head.introduction:
            return _render_introduced(head, host, lines)
    # Joined, since `%` takes a third longer.
    return b"".join(
        (
            head.method.encode(),
            b" ",
            head.target,
            b" HTTP/1.1\r\nHost: ",
            host,
            b"\r\n",
            b"\r\n".join(lines),
            b"\r\n" if lines else b"",
            forwarding,
            b"X-Request-Id: ",
            request_id,
            b"\r\ntraceparent: 00-",
            request_id,
            b"-",
            request_id[16:],
            b"-00\r\n\r\n",
        )
    )


def _render_introduced(head: RequestHead, host: bytes, lines: list[bytes]) -> bytes:
    """The same where a trusted proxy said who the client is: it has its own ids, and its chain is kept."""
    start = b"%b %b HTTP/1.1\r\nHost: %b\r\n" % (head.method.encode(), head.target, host)
    return b"%b%b%b\r\n" % (start, b"".join(b"%b\r\n" % line for line in lines), head.introduction)


def _made_anew(head: RequestHead) -> Iterator[bytes]:
    """The fields that were taken out of the head because they speak of one connection, made for the next one."""
    if head.content_length >= 0:
        yield b"Content-Length: %d" % head.content_length
    elif head.chunked:
        yield b"Transfer-Encoding: chunked"
    if head.websocket_key:
        yield b"Connection: Upgrade\r\nUpgrade: websocket"
    elif head.te_trailers:
        yield b"TE: trailers\r\nConnection: TE"
    if head.expects_continue:
        yield b"Expect: 100-continue"
    if head.max_forwards >= 0:
        # RFC 9110 section 7.6.2: counted down for OPTIONS (and TRACE, which does not get here), else left alone.
        yield b"Max-Forwards: %d" % (head.max_forwards - (head.method == "OPTIONS"))


def render_response(head: ResponseHead, request_id: bytes, via: bytes, extra: bytes, body: bytes = b"") -> bytes:
    """The head that an HTTP/1 client gets, framing apart: `extra` is lines, each ended, that the exchange adds. `body`
    is what follows in the same piece."""
    lines = head.lines
    return b"".join(
        (
            head.start,
            b"\r\n".join(lines),
            b"\r\n" if lines else b"",
            extra,
            b"Via: 1.0 " if head.http10 else b"Via: 1.1 ",
            via,
            b"\r\nX-Request-Id: ",
            request_id,
            b"\r\n\r\n",
            body,
        )
    )
