"""All that a site knows of one record, the dead ones too, and what may be asked of it.

Two registers and a map, each with stamps of its own: the **base** (the value as a whole: plain, a hash that began anew,
or deleted), the **fields** written since, and the **deadline**. `merge.py` says how two states become one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from steer.store.model import Record, Value
from steer.store.stamp import NEVER, parts_of

# The kinds of a base, in the order that settles a tie of stamps.
NONE = "-"
HASH = "H"
PLAIN = "S"
DELETED = "X"
KINDS = (NONE, HASH, PLAIN, DELETED)


class Base(NamedTuple):
    """Compares as it wins: by stamp, then kind, then value. The last two matter only after a clock was lost."""

    stamp: str = NEVER
    kind: str = NONE
    value: bytes = b""


class Field(NamedTuple):
    """One field of a hash; one that was removed stays, without value. Compares as it wins."""

    stamp: str
    is_present: bool
    value: bytes = b""


class Deadline(NamedTuple):
    """Milliseconds since 1970. Compares as it wins: a later word may shorten."""

    stamp: str = NEVER
    ms: int = 0


NO_BASE = Base()
NO_FIELDS: Mapping[bytes, Field] = MappingProxyType({})
NO_DEADLINE = Deadline()


@dataclass(frozen=True, slots=True)
class State:
    """Always normal: see `merge.normal`."""

    base: Base = NO_BASE
    fields: Mapping[bytes, Field] = field(default_factory=lambda: NO_FIELDS)
    deadline: Deadline = NO_DEADLINE


UNKNOWN = State()


def is_hash(state: State) -> bool:
    """Fields that are newer than the base make a hash of it, whatever it was."""
    return bool(state.fields) or state.base.kind == HASH


def value_of(state: State) -> Value | None:
    """What is in it, expired or not. A hash without fields is nothing."""
    if is_hash(state):
        return {name: each.value for name, each in state.fields.items() if each.is_present} or None
    return state.base.value if state.base.kind == PLAIN else None


def is_live(state: State, now_ms: int) -> bool:
    """May it be served? `now_ms` is the later of the engine's time and the bucket's clock."""
    return state.deadline.ms > now_ms and value_of(state) is not None


def value_stamp(state: State) -> str:
    """The last write to the value, whole or by field. A touch does not change it."""
    return max(state.base.stamp, *(each.stamp for each in state.fields.values())) if state.fields else state.base.stamp


def last_stamp(state: State) -> str:
    """The last write of any sort: the record's place in the change index."""
    return max(value_stamp(state), state.deadline.stamp)


def record_of(state: State, now_ms: int) -> Record | None:
    """What a reader gets."""
    value = value_of(state)
    if value is None or state.deadline.ms <= now_ms:
        return None
    return Record(value, value_stamp(state), state.deadline.ms / 1000)


def forgotten_ms(state: State, max_lifetime_ms: int) -> int:
    """From when on no site can hold anything that this state must win against.

    A record dies with its deadline. A tombstone must outlive every record that is older than it, and such a record's
    deadline is at most its own stamp and `max_lifetime` away.
    """
    if state.base.kind != DELETED:
        return state.deadline.ms
    return max(state.deadline.ms, parts_of(state.base.stamp).ms + max_lifetime_ms)
