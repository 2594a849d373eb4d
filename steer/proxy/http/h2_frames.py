"""Frames out of bytes (RFC 9113 section 4.1): where each ends and what kind it is, before anybody pays for its meaning.

A frame's size is judged by its first nine bytes, so a client cannot make the edge keep more than one frame's worth.
"""

from __future__ import annotations

from typing import Final, NamedTuple

HEADER = 9
MAX_FRAME = 16_384
"""Bytes: what every endpoint must take (RFC 9113 section 4.2), and the edge never asks for more."""

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA: Final = 0
HEADERS: Final = 1
RST_STREAM: Final = 3
SETTINGS: Final = 4
PING: Final = 6
GOAWAY: Final = 7
WINDOW_UPDATE: Final = 8
CONTINUATION: Final = 9

ACK: Final = 0x1
END_HEADERS: Final = 0x4


class Frame(NamedTuple):
    """`raw` is the whole frame, "" where `size` is more than a frame may have."""

    kind: int
    flags: int
    stream: int
    size: int
    raw: bytes

    @property
    def is_too_large(self) -> bool:
        return self.size > MAX_FRAME


class FrameReader:
    """`feed` bytes, then `take` frames until there is None."""

    __slots__ = ("_at", "_buffer")

    def __init__(self) -> None:
        self._buffer = b""
        self._at = 0

    def feed(self, data: bytes) -> None:
        self._buffer = self._buffer[self._at :] + data
        self._at = 0

    def take(self) -> Frame | None:
        """The next whole frame; one that is too large is told as soon as its size is known."""
        buffer, at = self._buffer, self._at
        if len(buffer) - at < HEADER:
            self._keep_rest()
            return None
        size = int.from_bytes(buffer[at : at + 3], "big")
        kind, flags = buffer[at + 3], buffer[at + 4]
        stream = int.from_bytes(buffer[at + 5 : at + 9], "big") & 0x7FFF_FFFF
        if size > MAX_FRAME:
            return Frame(kind, flags, stream, size, b"")
        end = at + HEADER + size
        if end > len(buffer):
            self._keep_rest()
            return None
        self._at = end
        return Frame(kind, flags, stream, size, buffer[at:end])

    def _keep_rest(self) -> None:
        """Give the memory of what has been read back: the connection may be idle for long."""
        self._buffer = self._buffer[self._at :]
        self._at = 0

    @property
    def has_whole(self) -> bool:
        """A frame can be taken."""
        at = self._at
        left = len(self._buffer) - at
        return left >= HEADER and left >= HEADER + int.from_bytes(self._buffer[at : at + 3], "big")

    @property
    def part(self) -> int | None:
        """The kind of the frame that has begun and is not whole; -1 while even that is not known."""
        begun = len(self._buffer) - self._at
        if not begun:
            return None
        return self._buffer[self._at + 3] if begun >= HEADER else -1


def goaway(last_stream: int, code: int, detail: str = "") -> bytes:
    """RFC 9113 section 6.8. `detail` is for the person who debugs the client."""
    payload = last_stream.to_bytes(4, "big") + code.to_bytes(4, "big") + detail.encode()
    return len(payload).to_bytes(3, "big") + bytes((GOAWAY, 0, 0, 0, 0, 0)) + payload
