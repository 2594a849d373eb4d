"""An origin server that keeps every byte it receives and answers exactly the bytes that a test wrote down.

    origin = Origin()
    origin.on("/case", b"HTTP/1.1 200 OK\r\n", b"Content-Length: 0\r\n\r\n")

It runs in threads of the test's own process, one for each connection. A script is steps: bytes are sent, a function
is called with the `Visit`. Unless a step has done so already, the request's body is read before the first bytes.
"""

from __future__ import annotations

import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Self

from tests.kit.client import send_until_blocked
from tests.kit.server import PATIENCE, Server

OK = b"HTTP/1.1 200 OK\r\nDate: Fri, 02 Jan 2026 03:04:05 GMT\r\nContent-Length: 2\r\n\r\nok"

_LENGTH = re.compile(rb"(?im)^content-length:[ \t]*([0-9]+)[ \t]*\r?$")
_CHUNKED = re.compile(rb"(?im)^transfer-encoding:[ \t]*chunked[ \t]*\r?$")


@dataclass
class Request:
    """What came, as it came. `body` has its framing on it."""

    connection: int
    head: bytes
    body: bytes = b""
    is_whole: bool = False

    @property
    def lines(self) -> list[bytes]:
        """The request line and the fields."""
        return self.head.removesuffix(b"\r\n\r\n").split(b"\r\n")

    @property
    def target(self) -> str:
        return self.lines[0].split(b" ")[1].decode()

    def all(self, name: bytes) -> list[bytes]:
        """The values of every line with this name."""
        pairs = (line.partition(b":") for line in self.lines[1:])
        return [value.strip() for found, _, value in pairs if found.lower() == name.lower()]


class Visit:
    """One request at the origin, as a script sees it."""

    def __init__(self, connection: _Connection, request: Request) -> None:
        self._connection = connection
        self.request = request
        self.is_over = False

    def send(self, data: bytes) -> None:
        self._connection.socket.sendall(data)

    def send_until_blocked(self, size: int) -> int:
        """How much of so many bytes is taken while nobody reads them."""
        return send_until_blocked(self._connection.socket, size)

    def read_body(self) -> None:
        """Until the request is whole, or its sender has gone."""
        if not self.request.is_whole:
            self._connection.read_body(self.request)

    def receive(self) -> bytes:
        """Whatever comes next, b"" at the end: of a tunnel, say."""
        return self._connection.receive()

    def close(self) -> None:
        self.is_over = True
        self._connection.socket.close()

    def end_sending(self) -> None:
        self._connection.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        option = struct.pack("ii", 1, 0)
        self._connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)
        self.close()


Step = bytes | Callable[[Visit], None]


def wait_for(event: threading.Event) -> Callable[[Visit], None]:
    """A step: go on when the test says so, and leave when it never does."""

    def step(visit: Visit) -> None:
        if not event.wait(PATIENCE):
            visit.close()

    return step


def tell(event: threading.Event) -> Callable[[Visit], None]:
    """A step: let the test know that the script has come here."""
    return lambda _: event.set()


def without_body(_: Visit) -> None:
    """A first step: what follows is sent before the request's body is read."""


def close(visit: Visit) -> None:
    visit.close()


def reset(visit: Visit) -> None:
    visit.reset()


@dataclass
class _Connection:
    number: int
    origin: Origin
    socket: socket.socket
    buffer: bytes = b""

    def receive(self) -> bytes:
        if self.buffer:
            data, self.buffer = self.buffer, b""
            return data
        try:
            data = self.socket.recv(256 * 1024)
        except OSError:
            data = b""
        self.origin.note(self.number, data)
        return data

    def serve(self) -> None:
        if self.origin.tls is not None:
            try:
                self.socket = self.origin.tls.wrap_socket(self.socket, server_side=True)
            except OSError:
                return  # it has closed the socket
        with self.socket:
            while (request := self._read_head()) is not None:
                visit = Visit(self, request)
                with suppress(OSError):
                    self._play(visit)
                if visit.is_over or not request.is_whole:
                    return

    def _play(self, visit: Visit) -> None:
        steps = self.origin.script(visit.request.target)
        if steps and isinstance(steps[0], bytes):
            visit.read_body()
        for step in steps:
            if isinstance(step, bytes):
                visit.send(step)
            else:
                step(visit)
        if not visit.is_over:
            visit.read_body()

    def _read_head(self) -> Request | None:
        head = b""
        while b"\r\n\r\n" not in head:
            data = self.receive()
            if not data:
                return None
            head += data
        head, end, self.buffer = head.partition(b"\r\n\r\n")
        request = Request(self.number, head + end)
        has_body = _LENGTH.search(head) or _CHUNKED.search(head)
        request.is_whole = not has_body
        self.origin.add(request)
        return request

    def read_body(self, request: Request) -> None:
        while (size := _size_of_body(request)) < 0:
            data = self.receive()
            if not data:
                return
            request.body += data
        request.body, self.buffer = request.body[:size], request.body[size:]
        request.is_whole = True


def _size_of_body(request: Request) -> int:
    """The size of the body with its framing, -1 while it is not all there."""
    length = _LENGTH.search(request.head)
    if length is not None:
        size = int(length[1])
        return size if len(request.body) >= size else -1
    return _size_of_chunks(request.body)


def _size_of_chunks(body: bytes) -> int:
    at = 0
    while (end := body.find(b"\r\n", at)) >= 0:
        size = int(body[at:end], 16)
        if size == 0:
            last = body.find(b"\r\n\r\n", end)
            return last + 4 if last >= 0 else -1
        at = end + 2 + size + 2
    return -1


@dataclass
class Origin:
    """Listens at once; `stop` ends it. Safe to ask from the test's thread at any time."""

    port: int = 0
    requests: list[Request] = field(default_factory=list)
    default: tuple[Step, ...] = (OK,)
    tls: ssl.SSLContext | None = None
    _scripts: dict[str, tuple[Step, ...]] = field(default_factory=dict)
    _journal: list[tuple[int, bytes]] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        self._server = Server(lambda connected, number: _Connection(number, self, connected).serve(), self.port)
        self.port = self._server.port

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._server.stop()

    # What it answers...

    def on(self, path: str, *steps: Step) -> None:
        """The answer to requests for this path, whatever their query."""
        self._scripts[path] = steps

    def script(self, target: str) -> tuple[Step, ...]:
        return self._scripts.get(target.partition("?")[0], self.default)

    # What it heard...

    def mark(self) -> int:
        """A place in the journal, for `since`."""
        with self._changed:
            return len(self._journal)

    def since(self, mark: int) -> bytes:
        """Every byte since then, of all connections, in the order in which they came."""
        with self._changed:
            return b"".join(data for _, data in self._journal[mark:])

    def seen(self, path: str) -> list[Request]:
        """The requests for this path whose heads have come."""
        with self._changed:
            return [request for request in self.requests if request.target.partition("?")[0] == path]

    def the(self, path: str) -> Request:
        """The only request for this path, when it has come."""
        self._wait(lambda: bool(self.seen(path)), f"a request for {path}")
        (request,) = self.seen(path)
        return request

    def wait_for_end(self, connection: int) -> None:
        """Until the edge has closed this connection, or reset it."""
        self._wait(lambda: (connection, b"") in self._journal, f"the end of connection {connection}")

    def wait_for_body(self, request: Request, size: int) -> None:
        """Until so many bytes of the body have come. A script must be reading it."""
        self._wait(lambda: len(request.body) >= size, f"{size} bytes of a body")

    def _wait(self, is_so: Callable[[], bool], what: str) -> None:
        deadline = monotonic() + PATIENCE
        with self._changed:
            while not is_so():
                assert self._changed.wait(deadline - monotonic()), f"the origin never saw {what}"

    # Its threads' side...

    def note(self, connection: int, data: bytes) -> None:
        with self._changed:
            self._journal.append((connection, data))
            self._changed.notify_all()

    def add(self, request: Request) -> None:
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()
