"""A state as the bytes that an engine keeps: the fields of one Redis hash, or one entry of the memory engine's log.

    m            head: kind 1, base stamp 20, deadline stamp 20, deadline in ms 13; then the requests known
    v            the plain value; only of kind S
    f:<name>     stamp 20, "1" there or "0" removed, the value

A request known is 20 bytes: 8 of its id, the stamp's ms (6) and counter (2), and two numbers (2 each) that were its
answer. Few wide fields: a Redis hash of six short ones costs 200 bytes more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from steer.store.merge import normal
from steer.store.stamp import stamp_of
from steer.store.state import PLAIN, Base, Deadline, Field, State

HEAD = b"m"
VALUE = b"v"
FIELD = b"f:"
HEAD_SIZE = 54
REQUEST_SIZE = 20
REQUESTS_KEPT = 8
_HEAD = re.compile(rb"([-HSX])([0-9]{20})([0-9]{20})([0-9]{13})")
_FIELD = re.compile(rb"([0-9]{20})([01])")


class Malformed(ValueError):
    """Not what this module makes: somebody else wrote it, or it is damaged."""


class Request(NamedTuple):
    """A request that was answered. `id` is 8 bytes; `one` and `two` are its answer, as the kind of write says."""

    id: bytes
    ms: int
    counter: int
    one: int = 0
    two: int = 0

    def stamp(self, site: int) -> str:
        """Of the write; requests are known at their own site only."""
        return stamp_of(self.ms, self.counter, site)

    def packed(self) -> bytes:
        """The 20 bytes."""
        numbers = ((self.ms << 16 | self.counter) << 16 | self.one) << 16 | self.two
        return self.id + numbers.to_bytes(REQUEST_SIZE - 8, "big")


def pack_head(state: State) -> bytes:
    """The first 54 bytes of `m`."""
    return f"{state.base.kind}{state.base.stamp}{state.deadline.stamp}{state.deadline.ms:013d}".encode()


def pack_field(field: Field) -> bytes:
    """One field, without its name."""
    return b"%b%d%b" % (field.stamp.encode(), field.is_present, field.value)


def pack(state: State) -> dict[bytes, bytes]:
    """The whole record, without the requests known."""
    packed = {HEAD: pack_head(state)}
    if state.base.kind == PLAIN:
        packed[VALUE] = state.base.value
    packed.update((FIELD + name, pack_field(field)) for name, field in state.fields.items())
    return packed


def unpack_field(packed: bytes) -> Field:
    """Raises Malformed."""
    if not (match := _FIELD.match(packed)):
        raise Malformed(f"no field: {packed[:32]!r}")
    return Field(match[1].decode(), match[2] == b"1", packed[21:])


def unpack(packed: Mapping[bytes, bytes]) -> State:
    """The state in a record, made normal. Raises Malformed."""
    head = packed.get(HEAD, b"")
    if not (match := _HEAD.match(head)):
        raise Malformed(f"no head: {head[:HEAD_SIZE]!r}")
    kind = match[1].decode()
    base = Base(match[2].decode(), kind, packed.get(VALUE, b"") if kind == PLAIN else b"")
    deadline = State(deadline=Deadline(match[3].decode(), int(match[4])))
    fields = {name[2:]: unpack_field(value) for name, value in packed.items() if name.startswith(FIELD)}
    return normal(base, fields, deadline)


def unpack_requests(packed: bytes) -> list[Request]:
    """Out of what follows the head; the newest first."""
    pieces = (packed[at : at + REQUEST_SIZE] for at in range(0, len(packed) - REQUEST_SIZE + 1, REQUEST_SIZE))
    return [
        Request(each[:8], *(int.from_bytes(each[a:b], "big") for a, b in ((8, 14), (14, 16), (16, 18), (18, 20))))
        for each in pieces
    ]
