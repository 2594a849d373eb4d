"""A node that speaks HTTP/2 without TLS, as right or as wrong as a test wants.

    node = H2Origin()
    node.on("/case", lambda visit: visit.answer([(b":status", b"200")], b"hello"))

One thread for each connection; a script runs when its request's head has come, or with `after_body` when it is whole.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Self

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    DataReceived,
    Event,
    PingAckReceived,
    RequestReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from hyperframe.frame import GoAwayFrame, HeadersFrame, PingFrame

from tests.kit.server import PATIENCE, Server

Fields = list[tuple[bytes, bytes]]


@dataclass
class H2Visit:
    """One request, and the way to answer it."""

    link: _Link
    stream: int
    fields: Fields
    body: bytes = b""
    trailers: Fields = field(default_factory=list)
    ended: bool = False
    reset: bool = False

    def all(self, name: bytes) -> list[bytes]:
        return [value for found, value in self.fields if found == name]

    def answer(self, fields: Fields, body: bytes = b"", trailers: Fields | None = None) -> None:
        """A whole response. Small: it does not look at windows."""
        self.head(fields, end=not body and trailers is None)
        if body:
            self.link.h2.send_data(self.stream, body, end_stream=trailers is None)
        if trailers is not None:
            self.head(trailers, end=True)
        self.link.flush()

    def head(self, fields: Fields, end: bool = False) -> None:
        """HEADERS as they are: h2 would not send all that a test may want to."""
        self.link.flush()
        block = self.link.h2.encoder.encode(fields)
        flags = ["END_HEADERS", *(["END_STREAM"] if end else [])]
        if not end and fields[0][0] == b":status" and not fields[0][1].startswith(b"1"):
            self.link.h2.streams[self.stream].send_headers(fields, self.link.h2.encoder)
        self.link.socket.sendall(HeadersFrame(self.stream, data=block, flags=flags).serialize())

    def data(self, body: bytes, end: bool = False) -> None:
        self.link.h2.send_data(self.stream, body, end_stream=end)
        self.link.flush()

    def refuse(self, code: int) -> None:
        self.link.h2.reset_stream(self.stream, code)
        self.link.flush()

    def go_away(self, last: int) -> None:
        """And ask for a sign that it was heard: `link.was_heard`."""
        self.link.flush()
        leaving = GoAwayFrame(0, last_stream_id=last).serialize() + PingFrame(0, opaque_data=b"goodbye!").serialize()
        self.link.socket.sendall(leaving)

    def raw(self, data: bytes) -> None:
        self.link.socket.sendall(data)

    def close(self) -> None:
        self.link.socket.shutdown(socket.SHUT_RDWR)


Script = Callable[[H2Visit], None]


def ok(visit: H2Visit) -> None:
    visit.answer([(b":status", b"200"), (b"content-length", b"2")], b"ok")


class _Link:
    """One connection."""

    def __init__(self, origin: H2Origin, connected: socket.socket) -> None:
        self.origin = origin
        self.socket = connected
        config = H2Configuration(client_side=False, header_encoding=None, validate_outbound_headers=False)
        self.h2 = H2Connection(config)
        self.visits: dict[int, H2Visit] = {}
        self.was_heard = False

    def serve(self) -> None:
        self.h2.initiate_connection()
        with self.socket, suppress(OSError):
            self.flush()
            while data := self.socket.recv(65_536):
                for event in self.h2.receive_data(data):
                    self._take(event)
                self.flush()

    def _take(self, event: Event) -> None:
        with self.origin.changed:
            if isinstance(event, RequestReceived):
                self._begin(H2Visit(self, event.stream_id or 0, list(event.headers or [])))
            elif isinstance(event, DataReceived):
                visit = self.visits[event.stream_id or 0]
                visit.body += event.data or b""
                if not self.origin.holds:
                    self.h2.acknowledge_received_data(event.flow_controlled_length or 0, visit.stream)
            elif isinstance(event, TrailersReceived):
                self.visits[event.stream_id or 0].trailers = list(event.headers or [])
            elif isinstance(event, StreamReset):
                self.visits[event.stream_id or 0].reset = True
            elif isinstance(event, PingAckReceived):
                self.was_heard = True
            elif isinstance(event, StreamEnded):
                self.visits[event.stream_id or 0].ended = True
            self.origin.changed.notify_all()
        if isinstance(event, StreamEnded):
            self.origin.play(self.visits[event.stream_id or 0], after_body=True)
        elif isinstance(event, RequestReceived):
            self.origin.play(self.visits[event.stream_id or 0], after_body=False)

    def _begin(self, visit: H2Visit) -> None:
        self.visits[visit.stream] = visit
        self.origin.visits.append(visit)

    def flush(self) -> None:
        self.socket.sendall(self.h2.data_to_send())


class H2Origin:
    """Listens at once; `stop` ends it."""

    def __init__(self) -> None:
        self.visits: list[H2Visit] = []
        self.changed = threading.Condition(threading.RLock())
        self.holds = False
        """Whether it gives no credit for what it receives."""
        self._scripts: dict[bytes, tuple[Script, bool]] = {}
        self._server = Server(lambda connected, _: _Link(self, connected).serve())
        self.port = self._server.port

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._server.stop()

    @property
    def connections(self) -> int:
        return self._server.accepted

    def on(self, path: str, script: Script, *, after_body: bool = True) -> None:
        self._scripts[path.encode()] = (script, after_body)

    def play(self, visit: H2Visit, *, after_body: bool) -> None:
        script, when = self._scripts.get(visit.all(b":path")[0], (ok, True))
        if when is after_body:
            script(visit)

    def the(self, path: str, is_so: Callable[[H2Visit], bool] = lambda visit: True) -> H2Visit:
        """The only request for this path, when it has come and is so."""
        deadline = monotonic() + PATIENCE
        with self.changed:
            while not [visit for visit in self.visits if visit.all(b":path") == [path.encode()] and is_so(visit)]:
                assert self.changed.wait(deadline - monotonic()), f"the node never saw {path}"
            (found,) = [visit for visit in self.visits if visit.all(b":path") == [path.encode()]]
            return found
