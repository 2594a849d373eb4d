"""HTTP/2 messages as the rest of steer knows them (RFC 9113 section 8): fields become a head, and a head fields.

A request's fields are written as the lines that HTTP/1.1 would have, and judged by the same grammar (`head`); what
only HTTP/2 can say wrongly is judged here: pseudo-fields, upper-case names, colons in names, connection fields, a
Host that is not the authority. HPACK carries any byte, so nothing of a field is believed before it is a valid line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from hpack import NeverIndexedHeaderTuple

from steer.errors import (
    BAD_TARGET,
    HEAD_TOO_LARGE,
    MALFORMED,
    METHOD_REFUSED,
    NODE_BROKE,
    TARGET_TOO_LONG,
    UPGRADE_REFUSED,
    Failure,
)
from steer.proxy.http import grammar
from steer.proxy.http.framing import permitted_metadata, permitted_trailers
from steer.proxy.http.head import RequestHead, ResponseHead, read_lines, read_response

Field = tuple[bytes, bytes]

_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
"""RFC 9113 section 8.2.1: a token without upper case."""

_STATUS = re.compile(rb"[1-9][0-9]{2}")

_PSEUDO = frozenset({b":method", b":scheme", b":authority", b":path", b":protocol"})
_CONNECTION_FIELDS = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"})
"""RFC 9113 section 8.2.2: they belong to HTTP/1.1's framing, and a message that has one is malformed."""

_OF_A_HANDSHAKE = frozenset({b"sec-websocket-key", b"sec-websocket-accept"})
"""RFC 8441 section 5: HTTP/2 does without them; the edge makes its own towards the node."""

_UNSHARED = frozenset({b"set-cookie", b"x-request-id", b"etag"})
"""Hardly ever the same twice, or secret: in the compressor's table they would only push others out."""


class HeadLimits:
    """Bytes (name, value and four more for each field, as HTTP/1.1 writes it) and fields of a request's head."""

    __slots__ = ("allow_underscores", "fields", "size")

    def __init__(self, size: int, fields: int, allow_underscores: bool = False) -> None:
        self.size = size
        self.fields = fields
        self.allow_underscores = allow_underscores


def read_request(
    fields: Sequence[Field], ended: bool, scheme: bytes, limits: HeadLimits, websocket_key: bytes = b""
) -> RequestHead | Failure:
    """`ended`: no body follows. `scheme` is the connection's own.

    `websocket_key` is what an extended CONNECT (RFC 8441) asks the node with: it becomes an upgrade of HTTP/1.1.
    """
    pseudo: dict[bytes, bytes] = {}
    lines: list[bytes] = []
    failure = _sort(fields, pseudo, lines)
    if failure is not None:
        return failure
    method = pseudo.get(b":method", b"")
    if b":protocol" in pseudo or method == b"CONNECT":
        failure = _become_upgrade(pseudo, lines, ended, websocket_key)
        method = b"GET"
    failure = failure or _check_pseudo(pseudo, scheme) or _check_size(pseudo, lines, limits)
    if failure is not None:
        return failure
    head = read_lines(method, pseudo[b":path"], [b"", *_host(pseudo), *lines], limits.allow_underscores)
    return head if isinstance(head, Failure) else _settle_body(head, ended)


def _sort(fields: Sequence[Field], pseudo: dict[bytes, bytes], lines: list[bytes]) -> Failure | None:
    """Pseudo-fields apart, the others as lines, the crumbs of Cookie in one (RFC 9113 section 8.2.3)."""
    crumbs: list[bytes] = []
    hosts = 0
    for name, value in fields:
        if name[:1] == b":":
            if name not in _PSEUDO or name in pseudo or lines or crumbs:
                return MALFORMED.because("a pseudo-field is unknown, twice there, or behind a field")
            pseudo[name] = value
        elif name == b"cookie":
            crumbs.append(value)
        elif name == b"host" and value.lower() == pseudo.get(b":authority", b"").lower() and not hosts:
            hosts = 1  # it says what :authority says
        else:
            failure = _check_field(name, value)
            if failure is not None:
                return failure
            lines.append(b"%b: %b" % (name, value))
    if crumbs:
        lines.append(b"cookie: " + b"; ".join(crumbs))
    return None


def _check_field(name: bytes, value: bytes) -> Failure | None:
    if _NAME.fullmatch(name) is None:
        return MALFORMED.because("a field's name is not a token in lower case")
    if name in _CONNECTION_FIELDS or (name == b"te" and value != b"trailers"):
        return MALFORMED.because("a field that belongs to a connection of HTTP/1.1")
    if value != value.strip(b" \t"):
        return MALFORMED.because("white space around a field's value")
    return None


def _become_upgrade(pseudo: dict[bytes, bytes], lines: list[bytes], ended: bool, key: bytes) -> Failure | None:
    """Extended CONNECT for WebSockets, and no other CONNECT: the edge is no relay."""
    if pseudo.get(b":method") != b"CONNECT":
        return MALFORMED.because(":protocol without CONNECT")
    if b":protocol" not in pseudo:
        return METHOD_REFUSED.because("CONNECT is not served here")
    if pseudo[b":protocol"] != b"websocket" or ended or not key:
        return UPGRADE_REFUSED.because("CONNECT is for WebSockets only, and leaves the stream open")
    lines[:] = [line for line in lines if line.partition(b":")[0] not in _OF_A_HANDSHAKE]
    lines += [b"connection: upgrade", b"upgrade: websocket", b"sec-websocket-key: " + key]
    return None


def _check_pseudo(pseudo: dict[bytes, bytes], scheme: bytes) -> Failure | None:
    if not (b":method" in pseudo and b":scheme" in pseudo and pseudo.get(b":path")):
        return MALFORMED.because("a pseudo-field is missing")
    if pseudo[b":scheme"].lower() != scheme:
        return MALFORMED.because(f"the scheme of this connection is {scheme.decode()}")
    path = pseudo[b":path"]
    if path[:1] != b"/" and path != b"*":
        return BAD_TARGET.because(":path does not begin with /")
    return None


def _check_size(pseudo: dict[bytes, bytes], lines: list[bytes], limits: HeadLimits) -> Failure | None:
    if len(pseudo[b":path"]) > limits.size:
        return TARGET_TOO_LONG.because(f"more than {limits.size} bytes")
    if len(lines) > limits.fields:
        return HEAD_TOO_LARGE.because(f"more than {limits.fields} fields")
    size = sum(map(len, pseudo.values())) + sum(map(len, lines)) + 2 * len(lines)
    if size > limits.size:
        return HEAD_TOO_LARGE.because(f"more than {limits.size} bytes")
    return None


def _host(pseudo: dict[bytes, bytes]) -> list[bytes]:
    """:authority as the Host that it stands for; with no authority the request's own Host has to do."""
    authority = pseudo.get(b":authority")
    return [] if authority is None else [b"Host: " + authority]


def _settle_body(head: RequestHead, ended: bool) -> RequestHead | Failure:
    if ended and head.content_length > 0:
        return MALFORMED.because("Content-Length promises a body that does not come")
    if head.websocket_key:
        return head
    head.chunked = not ended and head.content_length < 0
    head.plain = head.plain and not head.chunked
    return head


def read_trailers(fields: Iterable[Field], *, of_grpc: bool = False) -> tuple[bytes, ...] | Failure:
    """As lines, without those that may not be trailers (RFC 9110 section 6.5.1); `of_grpc`: metadata may."""
    lines = []
    for name, value in fields:
        line = b"%b: %b" % (name, value)
        if name[:1] == b":" or _check_field(name, value) is not None or grammar.FIELD.fullmatch(line) is None:
            return MALFORMED.because("a trailer breaks the grammar")
        lines.append(line)
    return permitted_metadata(lines) if of_grpc else permitted_trailers(lines)


def is_grpc(head: ResponseHead) -> bool:
    """Whether a node's response says that it is one of gRPC, which is spoken over HTTP/2 only."""
    return any(line[:30].lower().startswith(b"content-type: application/grpc") for line in head.lines)


def request_fields(block: bytes) -> tuple[list[Field], int | None]:
    """A request's head as HTTP/1.1 writes it to a node, for a node that speaks HTTP/2; and the length of its body, None
    where only its end tells."""
    first, *lines = block.split(b"\r\n")
    method, target, _ = first.split(b" ")
    fields: list[Field] = []
    host = b""
    length: int | None = 0
    for name, value in lines_to_fields(lines):
        if name == b"host":
            host = value
        elif name == b"transfer-encoding":
            length = None
        elif name not in _CONNECTION_FIELDS:
            fields.append((name, value))
            length = int(value) if name == b"content-length" else length
    pseudo: list[Field] = [(b":method", method), (b":scheme", b"http"), (b":authority", host), (b":path", target)]
    return pseudo + fields, length


def read_response_fields(fields: Sequence[Field]) -> ResponseHead | Failure:
    """A node's head, judged as that of HTTP/1.1."""
    statuses = [value for name, value in fields if name[:1] == b":"]
    if len(statuses) != 1 or fields[0][0] != b":status" or _STATUS.fullmatch(statuses[0]) is None:
        return NODE_BROKE.because("a response without one :status of three digits")
    lines = [b"HTTP/1.1 %b " % statuses[0]]
    for name, value in fields[1:]:
        line = b"%b: %b" % (name, value)
        if _check_field(name, value) is not None or grammar.FIELD.fullmatch(line) is None:
            return NODE_BROKE.because("a field breaks the grammar of HTTP/2")
        lines.append(line)
    return read_response(b"\r\n".join(lines))


def response_fields(head: ResponseHead, extra: bytes = b"") -> list[Field]:
    """A node's head for the client. `extra` is lines, each ended, that the edge adds."""
    fields = [(b":status", b"%d" % head.status), *lines_to_fields(head.lines)]
    return fields + lines_to_fields(extra.split(b"\r\n")[:-1]) if extra else fields


def lines_to_fields(lines: Iterable[bytes]) -> list[Field]:
    """Lines that have been judged as fields, names in lower case."""
    fields: list[Field] = []
    for line in lines:
        name, _, value = line.partition(b":")
        name, value = name.lower(), value.strip(b" \t")
        fields.append(NeverIndexedHeaderTuple(name, value) if name in _UNSHARED else (name, value))
    return fields
