"""A client that sends raw bytes and reads responses strictly: whatever HTTP/1.1 does not allow is an AssertionError.

It is no HTTP library on purpose. Libraries repair what a test must see.
"""

from __future__ import annotations

import re
import socket
import ssl
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

PATIENCE = 10.0
"""Seconds that bytes may take on a busy machine before the test fails."""

_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9]{2}) ([\t\x20-\x7e\x80-\xff]*)")
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*")
_SIZE_LINE = re.compile(rb"[0-9A-Fa-f]+")

Fields = tuple[tuple[str, str], ...]
"""Names as they came, in their order."""


@dataclass(frozen=True)
class Response:
    """One response, whole. `interim` are the 1xx that came before it."""

    status: int
    reason: str
    fields: Fields
    body: bytes = b""
    trailers: Fields = ()
    interim: tuple[Response, ...] = ()

    def all(self, name: str) -> list[str]:
        """The values of every line with this name."""
        return [value for found, value in self.fields if found.lower() == name.lower()]

    def get(self, name: str) -> str | None:
        """The value of the field, None where there is none; two lines are a failed test."""
        values = self.all(name)
        assert len(values) < 2, f"{name} came more than once: {values}"
        return values[0] if values else None

    @property
    def error(self) -> str | None:
        """The name of the failure that the edge answered."""
        return self.get("X-Steer-Error")

    @property
    def says_close(self) -> bool:
        return (self.get("Connection") or "").lower() == "close"


class Cut(Exception):
    """The connection ended, or was reset, before the response did. `response` is what had come, if its head had."""

    def __init__(self, response: Response | None, was_reset: bool) -> None:
        super().__init__(f"cut off {'by a reset' if was_reset else 'by an end'}: {response}")
        self.response = response
        self.was_reset = was_reset


class Client:
    """One connection. Use it in a `with`."""

    def __init__(
        self,
        port: int,
        tls: ssl.SSLContext | None = None,
        server_name: str | None = None,
        source: str = "127.0.0.1",
    ) -> None:
        plain = socket.create_connection(("127.0.0.1", port), PATIENCE, (source, 0))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = plain if tls is None else tls.wrap_socket(plain, server_hostname=server_name)
        self._buffer = b""
        self._ended = False
        self._was_reset = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    # Sending...

    def send(self, *pieces: bytes) -> None:
        """Each piece in a segment of its own, as far as the kernel does not join them."""
        for piece in pieces:
            self.socket.sendall(piece)

    def send_until_blocked(self, size: int) -> int:
        """How much of so many bytes is taken while nobody reads them."""
        return send_until_blocked(self.socket, size)

    def end_sending(self) -> None:
        """Half-close: nothing more comes, but the answer is still wanted."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Leave at once and rudely."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def ask(self, *pieces: bytes, method: str = "GET") -> Response:
        self.send(*pieces)
        return self.read(method)

    # Receiving...

    def read(self, method: str = "GET") -> Response:
        """The next final response, whole. Raises `Cut` when the connection ends before it does."""
        interim: list[Response] = []
        while (head := self.read_head()).status < 200 and head.status != 101:
            assert not head.all("Content-Length"), "a 1xx with a length"
            assert not head.all("Transfer-Encoding"), "a 1xx with a coding"
            interim.append(head)
        return self._read_body(head, method, tuple(interim))

    def read_head(self) -> Response:
        """The next head, interim or final."""
        lines = self._until(b"\r\n\r\n", None).split(b"\r\n")
        match = _STATUS_LINE.fullmatch(lines[0])
        assert match is not None, f"not a status line: {lines[0]!r}"
        return Response(int(match[1]), match[2].decode("latin-1"), _fields(lines[1:]))

    def read_some(self, size: int) -> bytes:
        """Exactly so many bytes, whatever they mean: of a tunnel, or of a body in parts."""
        while len(self._buffer) < size:
            self._receive(None)
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def is_closed(self) -> bool:
        """Waits until the other side has closed; False where a byte comes instead, or nothing happens in time."""
        while not self._buffer and not self._ended:
            try:
                self._receive(None)
            except Cut:
                return True
            except TimeoutError:
                return False
        return not self._buffer

    def _read_body(self, head: Response, method: str, interim: tuple[Response, ...]) -> Response:
        body, trailers = b"", ()  # type: bytes, Fields
        lengths, codings = head.all("Content-Length"), head.all("Transfer-Encoding")
        assert len(lengths) + len(codings) < 2, f"ambiguous framing: {head.fields}"
        if method == "HEAD" or head.status in (101, 204, 304):
            assert not codings, f"a coding without a body: {head.fields}"
        elif codings:
            assert codings == ["chunked"], codings
            body, trailers = self._read_chunks(head)
        elif lengths:
            body = self._exactly(int(lengths[0]), head)
        else:
            body = self._rest(head)
        return Response(head.status, head.reason, head.fields, body, trailers, interim)

    def _read_chunks(self, head: Response) -> tuple[bytes, Fields]:
        body = b""
        while True:
            line = self._until(b"\r\n", head)
            assert _SIZE_LINE.fullmatch(line), f"not a chunk's size: {line!r}"
            size = int(line, 16)
            if size == 0:
                break
            body += self._exactly(size, head)
            assert self._exactly(2, head) == b"\r\n", "a chunk does not end where it should"
        lines: list[bytes] = []
        while line := self._until(b"\r\n", head):
            lines.append(line)
        return body, _fields(lines)

    def _rest(self, head: Response) -> bytes:
        """Until the end of the connection, which must not be a reset."""
        assert head.says_close, f"a body without end on a connection that stays: {head.fields}"
        while not self._ended:
            self._receive(head, ends=True)
        data, self._buffer = self._buffer, b""
        return data

    def _exactly(self, size: int, head: Response) -> bytes:
        while len(self._buffer) < size:
            self._receive(head)
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def _until(self, end: bytes, head: Response | None) -> bytes:
        while end not in self._buffer:
            self._receive(head)
        data, _, self._buffer = self._buffer.partition(end)
        return data

    def _receive(self, head: Response | None, *, ends: bool = False) -> None:
        data = b""
        try:
            data = self.socket.recv(256 * 1024)
        except (ConnectionResetError, ssl.SSLEOFError):
            self._was_reset = True
        self._buffer += data
        if not data:
            self._ended = True
            if not ends or self._was_reset:
                partial = head and Response(head.status, head.reason, head.fields, self._buffer)
                raise Cut(partial, self._was_reset)


def send_until_blocked(to: socket.socket, size: int) -> int:
    """How much of so many bytes is taken until nothing has been for a second, or the other side has gone."""
    sent, piece = 0, b"x" * 1024 * 1024
    patience = to.gettimeout()
    to.settimeout(1.0)
    with suppress(TimeoutError, ConnectionError):
        while sent < size:
            sent += to.send(piece[: size - sent])
    to.settimeout(patience)
    return sent


def _fields(lines: list[bytes]) -> Fields:
    fields = []
    for line in lines:
        match = _FIELD.fullmatch(line)
        assert match is not None, f"not a field: {line!r}"
        fields.append((match[1].decode(), match[2].decode("latin-1")))
    return tuple(fields)
