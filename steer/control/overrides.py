"""What operators set: overrides, and the book that keeps them.

The book is a value: each change answers a new one, so that the keeper can write it to disk first and act
on it after. An override replaces an earlier one of the same kind on the same target.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, cast

from steer.errors import Unacceptable

Kind = Literal["weights", "drain", "eject", "restore", "hold"]

MOST = 1_000
"""Overrides in force at once. People set them one by one: more is a script that has run away, and each of
them is written with every change."""

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Base 32 as Crockford wrote it down: in the order of ASCII, without letters that look like digits."""

ID_LENGTH = 9
"""45 bits of milliseconds: until the year 3084."""


@dataclass(frozen=True, slots=True)
class Override:
    """`target` names a node, or a datacentre and perhaps a group, or a group and perhaps a rule of it; `value` the
    weights, if any.

    `since` and `expires` are wall times; `expires` None: until somebody lifts it. A `restore` is over as soon
    as it is done (`expires` equals `since`) and is never in the book.
    """

    id: str
    kind: Kind
    target: Mapping[str, str]
    value: Mapping[str, float]
    owner: str
    reason: str
    since: float
    expires: float | None

    def has_expired(self, now: float) -> bool:
        return self.expires is not None and self.expires <= now

    def is_same_setting(self, other: Override) -> bool:
        return self.kind == other.kind and self.target == other.target

    def __str__(self) -> str:
        return f"{self.kind} {' '.join(self.target.values())}"


@dataclass(frozen=True, slots=True)
class Book:
    """The overrides in force, in the order of their ids, and the last id that was given."""

    overrides: tuple[Override, ...] = ()
    last_id: str = ""

    def find(self, id: str) -> Override | None:
        return next((override for override in self.overrides if override.id == id), None)

    def of(self, kind: Kind, **target: str) -> tuple[Override, ...]:
        """Those of this kind whose target has all of these names, and perhaps more."""
        return tuple(o for o in self.overrides if o.kind == kind and target.items() <= dict(o.target).items())

    def expired(self, now: float) -> tuple[Override, ...]:
        return tuple(override for override in self.overrides if override.has_expired(now))

    def add(self, override: Override) -> Book:
        """With this one, without an earlier one of the same setting. Raises Unacceptable when full."""
        kept = tuple(other for other in self.overrides if not other.is_same_setting(override))
        if len(kept) >= MOST:
            raise Unacceptable(f"{MOST} overrides are in force already", "lift those that are not needed any more")
        return Book((*kept, override), override.id)

    def without(self, gone: Iterable[Override]) -> Book:
        ids = {override.id for override in gone}
        return replace(self, overrides=tuple(override for override in self.overrides if override.id not in ids))

    def next_id(self, now: float) -> str:
        """Short, and sorted by time even when the wall clock was set back."""
        return id_at(max(round(now * 1000), number_of(self.last_id) + 1))


def id_at(milliseconds: int) -> str:
    """Milliseconds since 1970 -> nine characters that sort as the numbers do."""
    digits = [ALPHABET[(milliseconds >> 5 * place) & 31] for place in reversed(range(ID_LENGTH))]
    return "".join(digits)


def number_of(id: str) -> int:
    """The inverse of `id_at`; "" -> 0."""
    number = 0
    for digit in id:
        number = number * 32 + ALPHABET.index(digit)
    return number


def export(book: Book) -> dict[str, Any]:
    """The book as plain JSON values."""
    return {"last_id": book.last_id, "overrides": [asdict(override) for override in book.overrides]}


def from_export(exported: Mapping[str, Any]) -> Book:
    """The inverse of `export`. The state file's checksum has vouched for it: nothing is validated again."""
    overrides = tuple(Override(**fields) for fields in exported.get("overrides", ()))
    return Book(overrides, cast("str", exported.get("last_id", "")))
