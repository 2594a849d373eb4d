"""Where the cases happen: an edge, the origin behind it, and how a case proves what reached the origin."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from tests.kit.certificates import Authority
from tests.kit.client import Client, Response
from tests.kit.edge import HOST, RunningEdge, Tree
from tests.kit.origin import Origin, Request

ADDED = (
    b"X-Forwarded-For",
    b"X-Forwarded-Proto",
    b"X-Forwarded-Host",
    b"Forwarded",
    b"Via",
    b"X-Request-Id",
    b"traceparent",
)
"""What the edge adds to every request, in this order, behind what was there."""

BROWSER_HOST = HOST.encode()
HEAD_LIMIT = 2048
FIELDS_LIMIT = 10
BODY_LIMIT = 1024


def listeners(authority: Authority) -> dict[str, Tree]:
    """`http` with the defaults, and others with what the cases need."""
    www = authority.issue(HOST, "*.cwp.example")
    other = authority.issue("other.agency.example")
    pairs = [{"certificate": str(files.certificate), "key": str(files.key)} for files in (www, other)]
    tight = {"head": HEAD_LIMIT, "fields": FIELDS_LIMIT, "body": BODY_LIMIT, "head_time": "500ms", "idle": "700ms"}
    secure = {"protocols": ["http/1.1"], "tls": {"certificates": pairs}}
    return {
        "http": {},
        "underscores": {"allow_underscores": True},
        "tight": {"limits": {**tight, "body_grace": "500ms", "websocket_idle": "500ms"}},
        "https": secure,
        "https13": {**secure, "tls": {"certificates": pairs, "minimum": "1.3"}},
        "redirect": {"redirect_to_https": True},
    }


def request(line: bytes | str, *fields: bytes | str, body: bytes = b"", host: bytes | str | None = HOST) -> bytes:
    """A request with `Host` first (unless None), its fields, and a body as it is."""
    lines = [line] if host is None else [line, b"Host: " + _bytes(host)]
    return b"\r\n".join([*map(_bytes, lines), *map(_bytes, fields)]) + b"\r\n\r\n" + body


def response(line: str, *fields: str, body: bytes = b"") -> bytes:
    return "\r\n".join([line, *fields]).encode("latin-1") + b"\r\n\r\n" + body


def _bytes(text: bytes | str) -> bytes:
    return text.encode("latin-1") if isinstance(text, str) else text


def passed(seen: Request) -> list[bytes]:
    """A request's lines as the origin saw them, without those that the edge adds to every one."""
    count = len(ADDED)
    names = tuple(line.partition(b":")[0] for line in seen.lines[-count:])
    assert names == ADDED, f"the added fields are not at the end: {seen.lines}"
    return seen.lines[:-count]


class Place:
    """One for all tests; `begin` starts a case."""

    def __init__(self, edge: RunningEdge, origin: Origin, authority: Authority) -> None:
        self.edge = edge
        self.origin = origin
        self.authority = authority
        self._numbers = itertools.count(1)
        self._mark = 0
        self.path = ""

    def begin(self) -> None:
        """`path` is one that no request has had."""
        self.path = f"/case-{next(self._numbers)}"
        self._mark = self.origin.mark()

    def client(self, listener: str = "http") -> Client:
        return Client(self.edge.port(listener))

    def secure_client(self, name: str = HOST, listener: str = "https") -> Client:
        return Client(self.edge.port(listener), self.authority.trust(), name)

    def filled(self, raw: bytes) -> bytes:
        """`{path}` in a case's bytes is the path of this one."""
        return raw.replace(b"{path}", self.path.encode())

    def seen(self) -> Request:
        """The one request of this case, as it reached the origin."""
        return self.origin.the(self.path)

    def reached_nothing(self) -> None:
        """A request that goes through comes out alone: before it, nothing of this case reached the origin."""
        path = f"{self.path}-nothing-before"
        with self.client() as client:
            assert client.ask(request(f"GET {path} HTTP/1.1")).status == 200
        assert self.origin.since(self._mark) == self.origin.the(path).head

    def still_works(self, client: Client) -> None:
        """The connection was kept, and where the next request begins is agreed on."""
        path = f"{self.path}-next"
        answer = client.ask(request(f"GET {path} HTTP/1.1"))
        assert (answer.status, answer.body) == (200, b"ok")
        assert self.origin.the(path).is_whole

    def answers(self, raw: Iterable[bytes] | bytes, method: str = "GET", listener: str = "http") -> Response:
        """What the client gets when the node answers this to a request of the case."""
        self.origin.on(self.path, *([raw] if isinstance(raw, bytes) else raw))
        with self.client(listener) as client:
            return client.ask(request(f"{method} {self.path} HTTP/1.1"), method=method)
