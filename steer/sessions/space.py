"""One namespace as a door sees it: its records, and the keys among them that stay in this datacentre (locks).

`LocalKeys` shows the local keys as `Records`, so that every command works on both without knowing which it has.
"""

from __future__ import annotations

import fnmatch
import math
import re
from collections.abc import Collection, Mapping, Sequence

from steer.clock import Clock
from steer.sessions.locks import LocksMeanwhile
from steer.store.errors import Conflict, StoreError
from steer.store.model import (
    AS_EVER,
    Condition,
    FieldsWritten,
    How,
    Locks,
    Namespace,
    Record,
    Records,
    Written,
)


class Space:
    """Where a key's record is. `patterns` are globs (`*_LOCK`) of the local keys; `max_lifetime` is in seconds."""

    def __init__(
        self, name: str, records: Namespace, max_lifetime: float, clock: Clock, patterns: Sequence[str] = ()
    ) -> None:
        self.name = name
        self.records = records
        self.max_lifetime = max_lifetime
        self.clock = clock
        self.local = LocalKeys(LocksMeanwhile(records.locks, max_lifetime, clock), clock)
        self._local_pattern = _any_of(patterns)

    def of(self, key: bytes) -> Records:
        return self.local if self.is_local(key) else self.records

    async def get_all(self, keys: Sequence[bytes]) -> list[Record | None]:
        """In their order; in one question to the store, if none of them is local."""
        if any(map(self.is_local, keys)):
            return [await self.of(key).get(key) for key in keys]
        return await self.records.get_all(keys)

    def is_local(self, key: bytes) -> bool:
        return self._local_pattern is not None and self._local_pattern.fullmatch(key) is not None


def _any_of(patterns: Sequence[str]) -> re.Pattern[bytes] | None:
    if not patterns:
        return None
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns).encode(), re.DOTALL)


class LocalKeys:
    """Plain keys of this datacentre as `Records`. The stamp of one is its value in hexadecimal digits: to delete a lock
    only if it is still mine is to delete it only if it has this stamp."""

    def __init__(self, locks: Locks, clock: Clock) -> None:
        self._locks = locks
        self._clock = clock

    async def get(self, key: bytes) -> Record | None:
        value = await self._locks.get(key)
        left = await self._locks.ttl(key) if value is not None else None
        if value is None or left is None:
            return None
        return Record(value, value.hex(), self._clock.wall() + left)

    async def put(
        self,
        key: bytes,
        value: bytes | Mapping[bytes, bytes],
        ttl: float | None,
        how: How = AS_EVER,
        *,
        want_previous: bool = False,
    ) -> Written:
        if not isinstance(value, bytes):
            raise _only("is a plain value, never a hash")
        if how.condition not in (None, "absent") or want_previous:
            raise _only("can be written only as it is, or with NX")
        if ttl is None:
            ttl = await self._locks.ttl(key)
        if not await self._locks.set(key, value, _finite(ttl), only_absent=how.condition == "absent"):
            raise Conflict("")
        return Written(value.hex(), "local")

    async def touch(self, key: bytes, ttl: float) -> bool:
        return await self._locks.touch(key, ttl)

    async def touch_if(self, key: bytes, value: bytes, ttl: float) -> bool:
        """Only while it has this value."""
        return await self._locks.touch(key, ttl, if_value=value)

    async def delete(self, key: bytes, *, condition: Condition | None = None) -> bool:
        if condition is None:
            return await self._locks.delete(key)
        if not await self._locks.delete(key, if_value=bytes.fromhex(condition)):
            raise Conflict("")
        return True

    async def put_fields(
        self,
        key: bytes,
        set: Mapping[bytes, bytes],
        unset: Collection[bytes],
        ttl: float | None,
        how: How = AS_EVER,
    ) -> FieldsWritten:
        raise _only("is a plain value, never a hash")


def _finite(ttl: float | None) -> float | None:
    """None is what the namespace allows."""
    return None if ttl is None or math.isinf(ttl) else ttl


def _only(what: str) -> StoreError:
    return StoreError(f"a local key (local_keys) {what}")
