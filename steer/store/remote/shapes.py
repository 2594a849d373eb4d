"""What engines take and give, as msgpack and back. A shape makes the value of what arrived, or says that it is none.

Objects travel as lists of their parts, records as their engine would keep them (`steer.store.codec`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import fields, is_dataclass
from enum import StrEnum
from typing import Any, Final, TypeVar

import msgpack

from steer.store.codec import Malformed, pack, unpack
from steer.store.engine import Change, Delete, Digest, Put, PutFields, Touch
from steer.store.errors import EngineDown
from steer.store.limits import FIELDS, KEY_BYTES
from steer.store.state import State

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")
Shape = Callable[[Any], T]
"""Raises Malformed."""

MOST_BYTES: Final = 32 << 20
"""Of one message: a portion of replication has 2 MiB, or as few as one record; the largest 16 records that are asked
for in one go have 16 MiB."""
READ_AT_ONCE: Final = 1 << 20
"""Bytes that may have come behind a message: uvloop reads at most a quarter of it at a time."""
LARGEST: Final = 1 << 63
CHANGES: Final[Mapping[type[Any], str]] = {Put: "put", PutFields: "fields", Touch: "touch", Delete: "delete"}


def packed(message: object) -> bytes:
    """A message as bytes. Raises ValueError if it is too long to be read."""
    body: bytes = msgpack.packb(message, default=parts, strict_types=True)
    if len(body) > MOST_BYTES:
        raise ValueError(f"a message of {len(body)} bytes, at most {MOST_BYTES} are read")
    return body


def unpacker() -> msgpack.Unpacker:
    """For one connection: `feed` it bytes, and take whole messages out of it."""
    return msgpack.Unpacker(max_buffer_size=MOST_BYTES + READ_AT_ONCE, strict_map_key=False, use_list=True)


def parts(value: Any) -> object:
    """What msgpack does not know, as something that it does."""
    if isinstance(value, State):
        return pack(value)
    if type(value) in CHANGES:
        return [CHANGES[type(value)], *own_parts(value)]
    if isinstance(value, StrEnum):
        return str(value)
    if isinstance(value, EngineDown):
        return value.message
    if isinstance(value, Digest):
        return [f"{value.sum:x}", value.count, value.seen, value.dead]
    if is_dataclass(value):
        return own_parts(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Collection):
        return list(value)
    raise TypeError(f"no part of a message: {value!r}")


def own_parts(value: Any) -> list[object]:
    return list(value) if isinstance(value, tuple) else [getattr(value, each.name) for each in fields(value)]


# What arrives.


def exactly(kind: type[T]) -> Shape[T]:
    """`kind` and no subclass: a flag is no number."""

    def make(raw: Any) -> T:
        if type(raw) is not kind:
            raise Malformed(f"a {kind.__name__} was expected, got {raw!r:.40}")
        return raw

    return make


blob = exactly(bytes)
text = exactly(str)
flag = exactly(bool)


def number(raw: Any) -> int:
    """At least 0."""
    if type(raw) is not int or not 0 <= raw < LARGEST:
        raise Malformed(f"a number was expected, got {raw!r:.40}")
    return raw


def seconds(raw: Any) -> float:
    """At least 0, whole or not."""
    if type(raw) not in (int, float) or not 0 <= raw < LARGEST:
        raise Malformed(f"seconds were expected, got {raw!r:.40}")
    return float(raw)


def key(raw: Any) -> bytes:
    """Of a record."""
    if not 0 < len(blob(raw)) <= KEY_BYTES:
        raise Malformed(f"a key has 1 to {KEY_BYTES} bytes, this one {len(raw)}")
    return raw  # type: ignore[no-any-return]


def like(pattern: str) -> Shape[str]:
    """Text of a form."""
    form = re.compile(pattern)

    def make(raw: Any) -> str:
        if not form.fullmatch(text(raw)):
            raise Malformed(f"{pattern} was expected, got {raw!r:.40}")
        return raw  # type: ignore[no-any-return]

    return make


def maybe(shape: Shape[T]) -> Shape[T | None]:
    return lambda raw: None if raw is None else shape(raw)


def each(shape: Shape[T]) -> Shape[list[T]]:
    return lambda raw: [shape(one) for one in exactly(list)(raw)]


def table(keys: Shape[K], values: Shape[V]) -> Shape[dict[K, V]]:
    return lambda raw: {keys(name): values(value) for name, value in exactly(dict)(raw).items()}


def row(make: Callable[..., T], *shapes: Shape[Any]) -> Shape[T]:
    """An object out of the list of its parts."""
    return lambda raw: make(*made(shapes, raw))


def made(shapes: Collection[Shape[Any]], raw: Any) -> list[Any]:
    """As many values as there are shapes."""
    if len(exactly(list)(raw)) != len(shapes):
        raise Malformed(f"{len(shapes)} parts were expected, got {len(raw)}")
    return [shape(part) for shape, part in zip(shapes, raw, strict=True)]


def pair(first: Shape[K], second: Shape[V]) -> Shape[tuple[K, V]]:
    def make(raw: Any) -> tuple[K, V]:
        one, two = made((first, second), raw)
        return one, two

    return make


def nothing(raw: Any) -> None:
    if raw is not None:
        raise Malformed(f"nothing was expected, got {raw!r:.40}")


hash_fields = table(blob, blob)


def state(raw: Any) -> State:
    """A record as it is kept."""
    kept = hash_fields(raw)
    if len(kept) > FIELDS + 2:
        raise Malformed(f"a record of {len(kept)} parts")
    return unpack(kept)


def plain_or_hash(raw: Any) -> bytes | dict[bytes, bytes]:
    return raw if type(raw) is bytes else hash_fields(raw)


_CHANGES: Mapping[str, Shape[Change]] = {
    "put": row(Put, plain_or_hash, maybe(number), flag),
    "fields": row(PutFields, hash_fields, each(blob), maybe(number)),
    "touch": row(Touch, number),
    "delete": row(Delete),
}


def change(raw: Any) -> Change:
    """One of the four, by the word in front."""
    word, *rest = exactly(list)(raw) or [""]
    if type(word) is not str or word not in _CHANGES:
        raise Malformed(f"no change: {word!r:.40}")
    return _CHANGES[word](rest)
