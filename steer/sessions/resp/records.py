"""Between commands and records: a record as the kind that a command needs, changes that depend on what was there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from steer.store.errors import Conflict, WrongKind
from steer.store.model import Condition, Record, Records

TRIES = 4
"""Of a change that depends on the record. Each lost try means that another write succeeded meanwhile."""

Change = Callable[[Record | None, Condition], Awaitable[bytes]]


def plain_of(record: Record | None) -> bytes | None:
    """The value of a string; None: no record. Raises `WrongKind`."""
    if record is None:
        return None
    if isinstance(record.value, dict):
        raise WrongKind
    return record.value


def fields_of(record: Record | None) -> dict[bytes, bytes]:
    """The fields of a hash; empty: no record. Raises `WrongKind`."""
    if record is None:
        return {}
    if not isinstance(record.value, dict):
        raise WrongKind
    return record.value


def kind_of(record: Record | None) -> str:
    """As TYPE says it."""
    if record is None:
        return "none"
    return "hash" if isinstance(record.value, dict) else "string"


async def amend(records: Records, key: bytes, change: Change) -> bytes:
    """Read, then change what was read and nothing newer: `change` makes its write with the condition it is given.

    Raises `Conflict` when others were faster every time.
    """
    tries = TRIES
    while True:
        record = await records.get(key)
        tries -= 1
        try:
            return await change(record, record.stamp if record else "absent")
        except Conflict:
            if not tries:
                raise
