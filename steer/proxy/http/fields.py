"""What to do with each field of a head: one look-up for each line.

A head's lines repeat: from request to request of a client, and from client to client (`Accept-Encoding: gzip`). So
the verdict on a line is kept by the line itself, as HPACK does in HTTP/2, and a known line costs one look-up.
The memory is bounded in lines and in bytes for each line, holds no secrets (Cookie, Authorization and all fields of
unknown length go by their name each time), and starts anew when it is full: a hostile client can make it useless,
never large and never wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import filterfalse
from typing import Final

from steer.proxy.http.grammar import FIELD

_UNDERSCORE = b"_"[0]
"""As a number, as in `head.py`: so it is found in half the time."""

Entry = tuple[int, bytes]
"""What to do, and the value without white space."""

MAX_KNOWN_LINES = 4096
"""2 MiB at most, for each direction. Browsers of one site send some hundreds of different lines."""
MAX_KNOWN_LINE = 512
"""Bytes. Longer lines are mostly unique (referrers), but for policies that nodes send."""

PASS: Final = 0
DROP: Final = 1
BROKEN: Final = 2
UNDERSCORE: Final = 3
HOST: Final = 4
CONTENT_LENGTH: Final = 5
TRANSFER_ENCODING: Final = 6
CONNECTION: Final = 7
UPGRADE: Final = 8
EXPECT: Final = 9
TE: Final = 10
VIA: Final = 11
MAX_FORWARDS: Final = 12
WEBSOCKET_KEY: Final = 13
TRAILER: Final = 14
DATE: Final = 15
WEBSOCKET_ACCEPT: Final = 16
PASS_UNKEPT: Final = 17
"""Passes, and is never remembered: it may hold a secret."""
PASSING = frozenset({PASS, PASS_UNKEPT})
KEEP_ALIVE: Final = 18
"""`Connection: keep-alive` and nothing else, which most clients and nodes send: it says something in HTTP/1.0 only."""
FORWARDED: Final = 19
X_FORWARDED_FOR: Final = 20
X_REQUEST_ID: Final = 21
TRACEPARENT: Final = 22
TRACESTATE: Final = 23

TOLD: Mapping[bytes, int] = {
    b"forwarded": FORWARDED,
    b"x-forwarded-for": X_FORWARDED_FOR,
    b"x-request-id": X_REQUEST_ID,
    b"traceparent": TRACEPARENT,
    b"tracestate": TRACESTATE,
}
"""What a trusted proxy may say of its client. From others it is dropped as the rest of `FORWARDING` is."""
TOLD_KINDS = frozenset(TOLD.values())

HOP_BY_HOP = (b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization", b"http2-settings")
"""RFC 9110 section 7.6.1, besides those that have a kind of their own."""

FORWARDING = (
    b"forwarded",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-port",
    b"x-forwarded-proto",
    b"x-forwarded-server",
    b"x-real-ip",
    b"x-request-id",
    b"traceparent",
    b"tracestate",
    b"x-session-stale",
)
"""Set anew by the edge: what an untrusted client says of itself does not count."""

NOT_IN_CONNECTION = frozenset(
    {
        b"host",
        b"content-length",
        b"transfer-encoding",
        b"content-type",
        b"cookie",
        b"authorization",
        b"via",
        b"date",
        *FORWARDING,
    }
)
"""Fields that Connection may not name, for a node would then miss what the edge decided by, or whom it speaks to."""

REQUEST_KINDS: Mapping[bytes, int] = {
    b"host": HOST,
    b"content-length": CONTENT_LENGTH,
    b"transfer-encoding": TRANSFER_ENCODING,
    b"connection": CONNECTION,
    b"upgrade": UPGRADE,
    b"expect": EXPECT,
    b"te": TE,
    b"trailer": TRAILER,
    b"via": VIA,
    b"max-forwards": MAX_FORWARDS,
    b"sec-websocket-key": WEBSOCKET_KEY,
    b"cookie": PASS_UNKEPT,
    b"authorization": PASS_UNKEPT,
    **dict.fromkeys(HOP_BY_HOP, DROP),
    **dict.fromkeys(FORWARDING, DROP),
    **TOLD,
    b"x-session-stale": DROP,
}

RESPONSE_KINDS: Mapping[bytes, int] = {
    b"content-length": CONTENT_LENGTH,
    b"transfer-encoding": TRANSFER_ENCODING,
    b"connection": CONNECTION,
    b"upgrade": UPGRADE,
    b"trailer": TRAILER,
    b"date": DATE,
    b"sec-websocket-accept": WEBSOCKET_ACCEPT,
    b"set-cookie": PASS_UNKEPT,
    b"te": DROP,
    **dict.fromkeys(HOP_BY_HOP, DROP),
    b"x-request-id": DROP,
    b"x-session-stale": DROP,
}


class KnownLines(dict[bytes, Entry]):
    """line -> what to do; a line not seen before is classified, and kept if it may be.

    `passing` holds the lines that pass, which are most: only a head's `others` are looked at one by one.
    """

    def __init__(self, kinds: Mapping[bytes, int], *, underscores: bool) -> None:
        """`underscores`: whether a name with `_` passes like any other."""
        super().__init__()
        self._kinds = kinds
        self._underscores = underscores
        self.passing: set[bytes] = set()
        self._passes = self.passing.__contains__

    def others(self, lines: list[bytes]) -> list[bytes]:
        """The lines of a head that are not known to pass."""
        return list(filterfalse(self._passes, lines))

    def __missing__(self, line: bytes) -> Entry:
        match = FIELD.fullmatch(line)
        if match is None:
            return BROKEN, line
        name = match[1].lower()
        kind = self._kinds.get(name)
        if kind == PASS_UNKEPT:
            return PASS_UNKEPT_ENTRY
        value = match[2].strip(b" \t")
        if kind is None:
            kind = self._kind_of_other(name)
        elif kind == CONNECTION and value.lower() == b"keep-alive":
            kind = KEEP_ALIVE
        if len(line) <= MAX_KNOWN_LINE:
            self._keep(line, (kind, value))
        return kind, value

    def _kind_of_other(self, name: bytes) -> int:
        if name.startswith(b"x-steer-"):
            return DROP
        return UNDERSCORE if not self._underscores and _UNDERSCORE in name else PASS

    def _keep(self, line: bytes, entry: Entry) -> None:
        if len(self) + len(self.passing) >= MAX_KNOWN_LINES:
            self.clear()
            self.passing.clear()
        if entry[0] == PASS:
            self.passing.add(line)
        else:
            self[line] = entry


PASS_UNKEPT_ENTRY: Entry = (PASS_UNKEPT, b"")
"""Nobody needs the value of a line that passes."""


def name_of(line: bytes) -> bytes:
    """The lower-case name of a line that has been classified."""
    return line.partition(b":")[0].lower()
