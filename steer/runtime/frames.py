"""Values on a Unix socket: four bytes of length (big-endian), then that many bytes of msgpack.

Sans-I/O: the channel (asyncio) and the supervisor (no loop) cut frames with the same code.
"""

from __future__ import annotations

import msgpack

MAX_VALUE = 4 * 1024 * 1024
"""Bytes of one packed value: a snapshot of 20,000 nodes is about 2 MiB. More means a broken sender, not a big edge."""

MAX_FRAME = MAX_VALUE + 32
"""A value on its way to the supervisor wears an envelope of at most 32 bytes."""

_LENGTH = 4


class BrokenFrame(Exception):
    """These bytes are no frame: the connection they came on cannot be read further."""


def pack(value: object, most: int = MAX_VALUE) -> bytes:
    """A value (dict, list, str, bytes, int, float, bool, None) as msgpack. ValueError past `most` bytes."""
    body: bytes = msgpack.packb(value)
    if len(body) > most:
        raise ValueError(f"a value of {len(body)} bytes is too large for the channel (at most {most})")
    return body


def unpack(body: bytes) -> object:
    """The value of a frame's body. Tuples come back as lists. Raises BrokenFrame."""
    try:
        value: object = msgpack.unpackb(body, strict_map_key=False)
    except (ValueError, msgpack.UnpackException) as error:
        raise BrokenFrame(f"not msgpack: {error}") from error
    return value


def frame(body: bytes) -> bytes:
    """The body with its length in front."""
    return len(body).to_bytes(_LENGTH, "big") + body


class FrameSplitter:
    """Bytes as they come in, whole frame bodies out. One for each connection."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The bodies that are complete now. Raises BrokenFrame for a length past MAX_FRAME."""
        kept = self._kept
        kept += data
        bodies: list[bytes] = []
        start = 0
        while len(kept) - start >= _LENGTH:
            end = start + _LENGTH + self._length_at(start)
            if len(kept) < end:
                break
            bodies.append(bytes(kept[start + _LENGTH : end]))
            start = end
        del kept[:start]
        return bodies

    def _length_at(self, start: int) -> int:
        length = int.from_bytes(self._kept[start : start + _LENGTH], "big")
        if length > MAX_FRAME:
            raise BrokenFrame(f"a frame of {length} bytes, at most {MAX_FRAME} are read")
        return length
