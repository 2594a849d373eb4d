"""Where a body ends (RFC 9112 section 6), in both directions.

A reader takes bytes as they come from a socket and gives back the payload in them:

    payload = reader.take(data)
    reader.done       the message is complete; `reader.rest` holds the bytes behind it
    reader.more       it has stopped half way, for the others' sake: call `take` again, with b"" or what came since
    reader.broken     a sentence on what breaks the framing; nothing after it can be trusted

A writer is a pair of functions on payload: chunks get a frame, everything else passes as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from steer.proxy.http.grammar import CHUNK_LINE, FIELD, has_bare_line_end

MAX_CHUNK_LINE = 256
"""Bytes, extensions and line end included. Nobody needs extensions; Go and nginx cap what they cost."""
MAX_TRAILERS = 8 * 1024
"""Bytes of a trailer section: what nginx gives a whole head by default."""
LAST_CHUNK = b"0\r\n\r\n"

_TRAILERS_PASSED = re.compile(
    rb"(?i:etag|accept-ranges|authentication-info|content-digest|repr-digest|digest|signature|signature-input|"
    rb"server-timing|grpc-[a-z0-9-]+|x-(?!steer-|session-|forwarded-|real-ip:|request-id:)[a-z0-9-]+):"
)
"""What may pass as a trailer: what is registered as fit for it, gRPC's, and the applications' own `X-`. Any other could
frame, route, authenticate or control at a recipient that merges trailers into the fields (RFC 9110 section 6.5.1)."""

_NOT_IN_METADATA = re.compile(
    rb"(?i:host|te|trailer|upgrade|expect|max-forwards|via|date|age|expires|pragma|vary|warning|location|retry-after|"
    rb"refresh|clear-site-data|origin|referer|range|authorization|cookie|set-cookie|www-authenticate|forwarded|alt-svc|"
    rb"traceparent|tracestate|http2-settings|connection|keep-alive|x-request-id|x-real-ip|"
    rb"(?:proxy|transfer|content|cache|if|access-control|strict-transport|sec|x-steer|x-session|x-forwarded)-[^:]*"
    rb"):"
)
"""What no application's metadata may be called, though gRPC lets it choose its names: fields by which HTTP or the edge
frames, routes, authenticates or caches."""


def permitted_trailers(lines: Iterable[bytes]) -> tuple[bytes, ...]:
    """Of trailers whose grammar has been judged: those that may pass."""
    return tuple(line for line in lines if _TRAILERS_PASSED.match(line) is not None)


def permitted_metadata(lines: Iterable[bytes]) -> tuple[bytes, ...]:
    """The same for a response of gRPC, whose trailers carry the application's own metadata."""
    passed = _TRAILERS_PASSED.match
    return tuple(line for line in lines if passed(line) is not None or _NOT_IN_METADATA.match(line) is None)


class NoBody:
    """A message without a body is done before its first byte."""

    done = True
    broken = ""
    more = False
    rest = b""
    trailers: tuple[bytes, ...] = ()

    def take(self, data: bytes) -> bytes:
        self.rest = data
        return b""

    def end(self) -> bool:
        return True


WHOLE = NoBody()
"""The body of a message that came in one piece with its head: nothing is left to read, nothing is behind it."""


class LengthBody:
    """A body of `length` bytes."""

    __slots__ = ("broken", "done", "left", "rest")
    more = False
    trailers: tuple[bytes, ...] = ()

    def __init__(self, length: int) -> None:
        self.left = length
        self.done = length == 0
        self.broken = ""
        self.rest = b""

    def take(self, data: bytes) -> bytes:
        left = self.left - len(data)
        if left > 0:
            self.left = left
            return data
        self.done = True
        self.left = 0
        if left < 0:
            self.rest = data[left:]
            return data[:left]
        return data

    def end(self) -> bool:
        """The connection ended: was that the end of the body?"""
        return self.done


class UntilClose:
    """A response's body that ends with the connection (RFC 9112 section 6.3, rule 8)."""

    __slots__ = ("broken", "done", "rest")
    more = False
    trailers: tuple[bytes, ...] = ()

    def __init__(self) -> None:
        self.done = False
        self.broken = ""
        self.rest = b""

    def take(self, data: bytes) -> bytes:
        return data

    def end(self) -> bool:
        self.done = True
        return True


class ChunkedBody:
    """A chunked body (RFC 9112 section 7.1), read strictly: CR LF only, bounded lines, bounded trailers.

    Extensions are dropped. Trailers that may be passed on are kept in `trailers` as lines.
    """

    __slots__ = ("_at_once", "_buffer", "_left", "_state", "broken", "done", "more", "rest", "trailers")

    def __init__(self, at_once: int = 0) -> None:
        """`at_once`: chunks that one `take` looks at; 0: all."""
        self._at_once = at_once
        self.more = False
        self._buffer = b""
        self._left = 0
        self._state = _SIZE
        self.done = False
        self.broken = ""
        self.rest = b""
        self.trailers: tuple[bytes, ...] = ()

    def take(self, data: bytes) -> bytes:
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        self.more = False
        pieces: list[bytes] = []
        at, size = 0, len(data)
        while at < size and not self.broken:
            if self._state == _DATA:
                piece = data[at : at + self._left]
                pieces.append(piece)
                at += len(piece)
                self._left -= len(piece)
                if self._left == 0:
                    self._state = _DATA_END
                    if len(pieces) == self._at_once and at < size:
                        self.more = True
                        self._buffer = data[at:]
                        break
            elif self._state == _SIZE:
                at = self._take_size(data, at)
            elif self._state == _DATA_END:
                at = self._take_data_end(data, at)
            else:
                at = self._take_trailers(data, at)
            if at < 0 or self.done:
                break
        return b"".join(pieces) if len(pieces) != 1 else pieces[0]

    def end(self) -> bool:
        return self.done

    def _take_size(self, data: bytes, at: int) -> int:
        end = data.find(b"\r\n", at, at + MAX_CHUNK_LINE)
        if end < 0:
            return self._wait(data, at, MAX_CHUNK_LINE, "a chunk's size line is too long")
        match = CHUNK_LINE.fullmatch(data, at, end)
        if match is None:
            return self._break("a chunk's size is not hexadecimal")
        self._left = int(match[1], 16)
        self._state = _DATA if self._left else _TRAILERS
        return end + 2

    def _take_data_end(self, data: bytes, at: int) -> int:
        if data.startswith(b"\r\n", at):
            self._state = _SIZE
            return at + 2
        if len(data) - at == 1 and data[at] == 0x0D:
            self._buffer = data[at:]
            return -1
        return self._break("a chunk does not end where its size says")

    def _take_trailers(self, data: bytes, at: int) -> int:
        if data.startswith(b"\r\n", at):
            return self._finish(data, at + 2)
        end = data.find(b"\r\n\r\n", at, at + MAX_TRAILERS)
        if end < 0:
            return self._wait(data, at, MAX_TRAILERS, "the trailers are too long")
        lines = data[at:end].split(b"\r\n")
        if not all(FIELD.fullmatch(line) for line in lines):
            return self._break("a trailer breaks the grammar")
        self.trailers = permitted_trailers(lines)
        return self._finish(data, end + 4)

    def _finish(self, data: bytes, at: int) -> int:
        self.rest = data[at:]
        self.done = True
        return at

    def _wait(self, data: bytes, at: int, most: int, complaint: str) -> int:
        """For the rest of a line, or of lines, of at most so many bytes with their end."""
        if len(data) - at >= most:
            return self._break(complaint)
        self._buffer = data[at:]
        if has_bare_line_end(self._buffer):
            return self._break("a line ends with CR or LF alone")
        return -1

    def _break(self, complaint: str) -> int:
        self.broken = complaint
        return -1


_SIZE, _DATA, _DATA_END, _TRAILERS = range(4)

Body = NoBody | LengthBody | ChunkedBody | UntilClose


def chunk(payload: bytes) -> bytes:
    """One chunk; "" for no payload, because a chunk of length 0 would end the body."""
    return b"%x\r\n%b\r\n" % (len(payload), payload) if payload else b""


def last_chunk(trailers: tuple[bytes, ...]) -> bytes:
    if not trailers:
        return LAST_CHUNK
    return b"0\r\n%b\r\n\r\n" % b"\r\n".join(trailers)
