"""The head of a message: read strictly, kept as the lines to send on.

The seam of the hot path (docs/design.md): `read_request` and `read_response` take the bytes before the empty line
and return a value or a `Failure`. What passes unchanged stays a line of bytes and never becomes a pair of strings.
"""

from __future__ import annotations

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
from steer.proxy.http import fields, grammar
from steer.proxy.http.fields import (
    CONTENT_LENGTH,
    DATE,
    DROP,
    HOST,
    KEEP_ALIVE,
    MAX_KNOWN_LINE,
    PASSING,
    KnownLines,
    name_of,
)

MAX_METHOD = 32
"""Bytes; the longest registered method (UPDATEREDIRECTREF) has 17."""
MAX_DIGITS = 18
"""Of a Content-Length: below 2**63, where nodes' own counters end."""
MAX_HOSTS = 1024
"""Authorities remembered with their host name; a site has few, a scanner many."""

MAX_PATHS = 1024
MAX_KNOWN_PATH = 128
"""Targets without a query that are remembered with their path, and bytes of one: what a site's pages link to."""
MAX_PORT = 65535

_DOT, _PERCENT = b".%"
"""As numbers: to look for bytes in bytes, CPython first fails to take them for a number, which costs a microsecond."""

METHODS = (b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH")
REFUSED_METHODS = frozenset({b"CONNECT", b"TRACE"})
"""CONNECT would make the edge an open relay; TRACE shows a client's secrets to scripts (RFC 9110 section 9.3.8)."""

_request_lines = KnownLines(fields.REQUEST_KINDS, underscores=False)
_response_lines = KnownLines(fields.RESPONSE_KINDS, underscores=True)
_hosts: dict[bytes, str] = {}
_paths: dict[bytes, str] = {}
_methods = {method: method.decode() for method in METHODS}


class RequestHead:
    """A request's head, valid by itself: whether its host is known is steering's question.

    `lines` go to the node as they are. `target` is in origin form or `*`. `content_length` is -1 where there is none.
    """

    lines: list[bytes]
    path = ""
    host = ""
    content_length = -1
    chunked = False
    expects_continue = False
    te_trailers = False
    max_forwards = -1
    via: tuple[bytes, ...] = ()
    told: tuple[tuple[int, bytes], ...] = ()
    """The fields of `fields.TOLD`, as kind and value: for where they come from a trusted proxy."""
    introduction = b""
    """The forwarding fields for the node, made out of those; each line ended."""

    def __init__(self, method: str, target: bytes, http10: bool) -> None:
        self.method = method
        self.target = target
        self.http10 = http10
        self.keep_alive = not http10
        self.authority = b""
        self.websocket_key = b""
        self.plain = True
        """It has a Host, and no field that means something to the edge: no body, no upgrade, nothing to wait for."""

    @property
    def has_body(self) -> bool:
        return self.chunked or self.content_length > 0

    def field(self, name: str) -> str | None:
        """The value of the field of this name (lower case) among those that go to the node; several as one list
        (RFC 9110 section 5.3). None: there is none. The host is for `host` to tell."""
        start = b"%b:" % name.encode("latin-1")
        values = [line[len(start) :].strip() for line in self.lines if line[: len(start)].lower() == start]
        return b", ".join(values).decode("latin-1") if values else None


def read_request(block: bytes, max_fields: int = 100, allow_underscores: bool = False) -> RequestHead | Failure:
    """Read the bytes of a request's head, without the empty line that ends it (RFC 9112 sections 2 to 6)."""
    lines = block.split(b"\r\n")
    try:
        method, target, version = lines[0].split(b" ")
    except ValueError:
        return MALFORMED.because("the request line is not METHOD TARGET HTTP/1.1")
    if len(lines) > max_fields + 1:
        return HEAD_TOO_LARGE.because(f"more than {max_fields} fields")
    name = _methods.get(method)
    if name is None:
        other = _read_method(method)
        if isinstance(other, Failure):
            return other
        name = other
    if version != b"HTTP/1.1" and version != b"HTTP/1.0":
        return _refuse_version(version)
    head = RequestHead(name, target, version == b"HTTP/1.0")
    path = _paths.get(target)
    if path is not None:
        head.path = path
    else:
        failure = _read_target(head, target)
        if failure is not None:
            return failure
    return _read_request_fields(head, lines, allow_underscores) or head


def read_lines(method: bytes, target: bytes, lines: list[bytes], allow_underscores: bool) -> RequestHead | Failure:
    """A head that came in another form (HTTP/2), judged as if it had come in this one: `lines` begins with a line that
    is passed over, where the request line would stand."""
    name = _methods.get(method) or _read_method(method)
    if isinstance(name, Failure):
        return name
    head = RequestHead(name, target, http10=False)
    return _read_target(head, target) or _read_request_fields(head, lines, allow_underscores) or head


def _read_method(method: bytes) -> str | Failure:
    if method in REFUSED_METHODS:
        return METHOD_REFUSED.because(f"{method.decode()} is not served here")
    if len(method) > MAX_METHOD or grammar.TOKEN.fullmatch(method) is None:
        return MALFORMED.because("the method is not a token")
    return method.decode()


def _refuse_version(version: bytes) -> Failure:
    if version.startswith(b"HTTP/") and len(version) == 8 and version[5:6].isdigit() and version[7:8].isdigit():
        return VERSION_REFUSED.because("HTTP/1.0 and HTTP/1.1 are spoken here")
    return MALFORMED.because("the request line has no valid version")


def _read_target(head: RequestHead, target: bytes) -> Failure | None:
    if grammar.TARGET.fullmatch(target) is None:
        return BAD_TARGET.because("the target has a fragment, or characters outside visible ASCII")
    if target[:1] != b"/":
        if target == b"*":
            head.path = "*"
            return None if head.method == "OPTIONS" else BAD_TARGET.because("`*` is a target of OPTIONS only")
        match = grammar.ABSOLUTE_FORM.fullmatch(target)
        if match is None:
            return BAD_TARGET.because("the target is neither a path nor an absolute URL")
        target = _leave_authority(head, match[1], match[2])
    path = target.partition(b"?")[0]
    if (_DOT in path or _PERCENT in path) and _is_evasive(path):
        return BAD_TARGET.because("the path has dot segments or an encoded NUL")
    head.path = path.decode("ascii")
    if len(path) == len(target) <= MAX_KNOWN_PATH and not head.authority:
        _remember_path(target, head.path)
    return None


def _remember_path(target: bytes, path: str) -> None:
    if len(_paths) >= MAX_PATHS:
        _paths.clear()
    _paths[target] = path


def _leave_authority(head: RequestHead, authority: bytes, rest: bytes) -> bytes:
    """The target in the form that a node gets (RFC 9112 section 3.2.4: an OPTIONS without a path is for the server)."""
    head.authority = authority
    if head.method == "OPTIONS" and not rest:
        head.target = b"*"
    else:
        head.target = rest if rest[:1] == b"/" else b"/" + rest
    return head.target


def _is_evasive(path: bytes) -> bool:
    if path.find(b"/.") < 0 and path.find(b"%") < 0 and path.find(b"\\") < 0:
        return False
    return grammar.DOT_SEGMENT.search(path) is not None or b"%00" in path


def _read_request_fields(head: RequestHead, lines: list[bytes], allow_underscores: bool) -> Failure | None:
    """Leaves in `lines` what goes on to the node: most lines are known to pass, and only the others are looked at."""
    del lines[0]
    head.lines = lines
    host, special = None, None
    for line in _request_lines.others(lines):
        kind, value = _request_lines[line]
        if kind == HOST:
            if host is not None:
                return MALFORMED.because("more than one Host")
            host = value
        elif kind in PASSING:
            continue
        elif kind != DROP and (kind != KEEP_ALIVE or head.http10):
            if special is None:
                special = _Special()
            failure = special.take(head, kind, value)
            if failure is not None:
                return failure
            if kind in _PASSED_ON or (kind == fields.UNDERSCORE and allow_underscores):
                continue
        lines.remove(line)
    failure = _settle_host(head, host)
    if failure is not None or special is None:
        return failure
    head.plain = False
    return special.finish(head)


_PASSED_ON = frozenset({fields.WEBSOCKET_KEY, fields.VIA})
"""Fields that the edge acts on, and the node sees all the same."""


def _settle_host(head: RequestHead, host: bytes | None) -> Failure | None:
    """Whom the request is for: an absolute target says so first (RFC 9112 section 3.2.2). Whether there must be a Host
    is for the caller, because the health path is answered without one."""
    if host is None:
        head.plain = False
        return None
    valid = _hosts.get(host) or _valid_host(host)
    if head.authority:
        valid = valid and _valid_host(head.authority)
    else:
        head.authority = host
    if not valid:
        return MALFORMED.because("the Host is not a host name or an address")
    head.host = valid
    return None


def _valid_host(authority: bytes) -> str:
    """The lower-case host name without port and final dot; "" where it is not valid."""
    match = grammar.AUTHORITY.fullmatch(authority)
    if match is None or int(match[2] or 0) > MAX_PORT:
        return ""
    if len(_hosts) >= MAX_HOSTS:
        _hosts.clear()
    host = _hosts[authority] = match[1].decode().lower().removesuffix(".")
    return host


class _Special:
    """The fields of a request that the edge acts on, and what they mean together."""

    __slots__ = ("connection", "lengths", "te", "transfer", "upgrade")

    def __init__(self) -> None:
        self.connection: list[bytes] = []
        self.upgrade: list[bytes] = []
        self.lengths = 0
        self.transfer = 0
        self.te = b""

    def take(self, head: RequestHead, kind: int, value: bytes) -> Failure | None:
        if kind == fields.CONNECTION or kind == fields.KEEP_ALIVE:
            self.connection += [token.strip(b" \t").lower() for token in value.split(b",")]
        elif kind == fields.CONTENT_LENGTH:
            return self._take_length(head, value)
        elif kind == fields.TRANSFER_ENCODING:
            return self._take_transfer_encoding(head, value)
        elif kind == fields.UPGRADE:
            self.upgrade.append(value.lower())
        elif kind == fields.WEBSOCKET_KEY:
            if head.websocket_key or grammar.WEBSOCKET_KEY.fullmatch(value) is None:
                return UPGRADE_REFUSED.because("Sec-WebSocket-Key is not one key of 16 bytes")
            head.websocket_key = value
        elif kind == fields.BROKEN:
            return MALFORMED.because("a field line breaks the grammar")
        else:
            return self._take_rare(head, kind, value)
        return None

    def _take_rare(self, head: RequestHead, kind: int, value: bytes) -> Failure | None:
        if kind == fields.EXPECT:
            if value.lower() != b"100-continue":
                return EXPECTATION_FAILED.because("the only expectation known is 100-continue")
            head.expects_continue = not head.http10
        elif kind == fields.TE:
            self.te = value.lower()
        elif kind == fields.VIA:
            head.via = (*head.via, value)
        elif kind == fields.MAX_FORWARDS:
            if grammar.CONTENT_LENGTH.fullmatch(value) is None or head.max_forwards != -1:
                return MALFORMED.because("Max-Forwards is not one number")
            head.max_forwards = int(value)
        elif kind in fields.TOLD_KINDS:
            head.told = (*head.told, (kind, value))
        return None

    def _take_length(self, head: RequestHead, value: bytes) -> Failure | None:
        self.lengths += 1
        if self.lengths > 1 or grammar.CONTENT_LENGTH.fullmatch(value) is None:
            return MALFORMED.because("Content-Length is not one number")
        head.content_length = int(value)
        return None

    def _take_transfer_encoding(self, head: RequestHead, value: bytes) -> Failure | None:
        self.transfer += 1
        if self.transfer > 1 or value.lower() != b"chunked" or head.http10:
            return MALFORMED.because("Transfer-Encoding is not exactly `chunked` in HTTP/1.1")
        head.chunked = True
        return None

    def finish(self, head: RequestHead) -> Failure | None:
        if head.chunked and self.lengths:
            return MALFORMED.because("Content-Length together with Transfer-Encoding")
        failure = self._apply_connection(head)
        if failure is not None:
            return failure
        head.te_trailers = b"trailers" in [token.strip(b" \t") for token in self.te.split(b",")]
        return self._apply_upgrade(head)

    def _apply_connection(self, head: RequestHead) -> Failure | None:
        tokens = self.connection
        if not tokens:
            return None
        named = frozenset(tokens)
        if named & fields.NOT_IN_CONNECTION:
            return MALFORMED.because("Connection names a field that may not be dropped on the way")
        if b"close" in named:
            head.keep_alive = False
        elif b"keep-alive" in named:
            head.keep_alive = True
        others = named - {b"close", b"keep-alive", b"upgrade", b"te", b""}
        if others:
            head.lines = [line for line in head.lines if name_of(line) not in others]
        return None

    def _apply_upgrade(self, head: RequestHead) -> Failure | None:
        """Only `websocket` is an upgrade here (RFC 6455 section 4.2.1); others are removed and the request is plain."""
        asked = self.upgrade == [b"websocket"] and b"upgrade" in self.connection and not head.http10
        if not asked:
            head.websocket_key = b""
            return None
        if head.method != "GET" or head.has_body or self.lengths or head.chunked:
            return UPGRADE_REFUSED.because("a WebSocket starts with a GET without a body")
        if not head.websocket_key:
            return UPGRADE_REFUSED.because("Sec-WebSocket-Key is missing")
        return None


class ResponseHead:
    """A response's head. `lines` go to the client as they are; `content_length` is -1 where there is none."""

    lines: list[bytes]
    upgrade = b""
    websocket_accept = b""

    def __init__(self, status: int, reason: bytes, http10: bool, start: bytes) -> None:
        self.status = status
        self.reason = reason
        self.http10 = http10
        self.start = start
        """The status line for the client, ended."""
        self.closes = http10
        self.content_length = -1
        self.chunked = False
        self.has_date = False


StatusLine = tuple[int, bytes, bool, bytes]
"""As `ResponseHead` takes it."""
_status_lines: dict[bytes, StatusLine] = {}
MAX_STATUS_LINES = 256
"""Status lines remembered; nodes use some dozens."""


def read_response(block: bytes, max_fields: int = 200) -> ResponseHead | Failure:
    """Read the bytes of a response's head, without the empty line that ends it. What breaks a rule is a 502."""
    lines = block.split(b"\r\n")
    if len(lines) - 1 > max_fields:
        return NODE_BROKE.because(f"more than {max_fields} fields")
    status = _status_lines.get(lines[0]) or _read_status_line(lines[0])
    if status is None:
        return NODE_BROKE.because("the status line is not HTTP/1.1 STATUS REASON")
    head = ResponseHead(*status)
    failure = _read_response_fields(head, lines)
    if failure is not None:
        return failure
    if head.chunked or head.status < 200 or head.status == 204:
        return _check_response_framing(head)
    return head


def _read_response_fields(head: ResponseHead, lines: list[bytes]) -> Failure | None:
    """Leaves in `lines` what goes on to the client."""
    del lines[0]
    head.lines = lines
    special = None
    for line in _response_lines.others(lines):
        kind, value = _response_lines[line]
        if kind == DATE:
            head.has_date = True
        elif kind == CONTENT_LENGTH:
            if head.content_length >= 0 or not value.isdigit() or len(value) > MAX_DIGITS:
                return NODE_BROKE.because("Content-Length is not one number")
            head.content_length = int(value)
        elif kind not in PASSING:
            if kind != DROP and (kind != KEEP_ALIVE or head.http10):
                if special is None:
                    special = _SpecialResponse()
                if not special.take(head, kind, value):
                    return NODE_BROKE.because("a field line breaks the grammar, or the framing is not `chunked`")
            lines.remove(line)
    if special is not None:
        special.finish(head)
    return None


def _read_status_line(line: bytes) -> StatusLine | None:
    match = grammar.STATUS_LINE.fullmatch(line)
    if match is None:
        return None
    code, reason = int(match[2]), match[3] or b""
    status = (code, reason, match[1] == b"0", b"HTTP/1.1 %d %b\r\n" % (code, reason))
    if len(_status_lines) < MAX_STATUS_LINES and len(line) <= MAX_KNOWN_LINE:
        _status_lines[line] = status
    return status


class _SpecialResponse:
    """The fields of a response that the edge acts on."""

    __slots__ = ("connection", "transfer")

    def __init__(self) -> None:
        self.connection: list[bytes] = []
        self.transfer = 0

    def take(self, head: ResponseHead, kind: int, value: bytes) -> bool:
        if kind == fields.CONNECTION or kind == fields.KEEP_ALIVE:
            self.connection += [token.strip(b" \t").lower() for token in value.split(b",")]
        elif kind == fields.TRANSFER_ENCODING:
            self.transfer += 1
            head.chunked = True
            return self.transfer == 1 and value.lower() == b"chunked" and not head.http10
        elif kind == fields.UPGRADE:
            head.upgrade = value.lower()
        elif kind == fields.WEBSOCKET_ACCEPT:
            head.websocket_accept = value
        return kind != fields.BROKEN

    def finish(self, head: ResponseHead) -> None:
        named = frozenset(self.connection)
        if b"close" in named:
            head.closes = True
        elif b"keep-alive" in named:
            head.closes = False
        if b"upgrade" not in named:
            head.upgrade = b""
        others = named - {b"close", b"keep-alive", b"upgrade", b""} - fields.NOT_IN_CONNECTION
        if others:
            head.lines = [line for line in head.lines if name_of(line) not in others]


def _check_response_framing(head: ResponseHead) -> ResponseHead | Failure:
    """RFC 9112 section 6.3, and RFC 9110 section 8.6: which statuses have no body, and so no framing."""
    if head.chunked and head.content_length >= 0:
        return NODE_BROKE.because("Content-Length together with Transfer-Encoding")
    if head.status == 204 or head.status < 200:
        if head.chunked or head.content_length > 0:
            return NODE_BROKE.because(f"a {head.status} with a body")
        if head.content_length == 0:
            head.lines = [line for line in head.lines if name_of(line) != b"content-length"]
    return head


def find_loop(head: RequestHead, pseudonym: bytes) -> Failure | None:
    """`LOOP` where this very edge stands in the request's Via (RFC 9110 section 7.6.3)."""
    for value in head.via:
        for hop in value.split(b","):
            if hop.split()[1:2] == [pseudonym]:
                return LOOP.because("this edge has seen the request before")
    return None
