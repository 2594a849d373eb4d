"""A namespace whose values are sealed on their way in and opened on their way out (`seals.py`).

What cannot be opened is a miss and an alarm, never an error to the client: it gets a new session, the operator a line.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Mapping, Sequence

from steer.clock import Clock
from steer.sessions.seals import Seals, Unopened
from steer.store.errors import Conflict, StoreError
from steer.store.model import (
    AS_EVER,
    Assignment,
    Condition,
    FieldsWritten,
    How,
    Locks,
    Namespace,
    Record,
    Value,
    Written,
)

logger = logging.getLogger("steer.sessions.sealing")

ALARM_EVERY = 60.0
"""Seconds between two lines of the log about the same kind of trouble; all are counted."""


class SealedNamespace:
    """A `Namespace` over another one, which gets ciphertext. `hides_keys` is `hash_keys`."""

    def __init__(self, inner: Namespace, seals: Seals, clock: Clock, *, hides_keys: bool = False) -> None:
        # For the life of the namespace.
        self._inner = inner
        self._seals = seals
        self._clock = clock
        self._hides_keys = hides_keys
        self.locks: Locks = HiddenLocks(inner.locks, seals) if hides_keys else inner.locks
        # So far.
        self.unopened = 0
        self._next_alarm = 0.0

    async def get(self, key: bytes) -> Record | None:
        record = await self._inner.get(await self._name(key))
        return self._open_if(key, record)

    async def get_all(self, keys: Sequence[bytes]) -> list[Record | None]:
        records = await self._inner.get_all([await self._name(key) for key in keys])
        return list(map(self._open_if, keys, records))

    async def put(
        self,
        key: bytes,
        value: bytes | Mapping[bytes, bytes],
        ttl: float | None,
        how: How = AS_EVER,
        *,
        want_previous: bool = False,
    ) -> Written:
        try:
            written = await self._inner.put(
                await self._name(key),
                self._seal(key, value),
                ttl,
                how,
                want_previous=want_previous,
            )
        except Conflict as conflict:
            raise Conflict(conflict.stamp, self._open_if(key, conflict.current)) from conflict
        return Written(written.stamp, written.acknowledged, self._open_if(key, written.previous))

    async def put_all(self, puts: Sequence[Assignment]) -> list[Written | StoreError]:
        return await self._inner.put_all(
            [Assignment(await self._name(key), self._seal(key, value), ttl) for key, value, ttl in puts]
        )

    async def touch(self, key: bytes, ttl: float) -> bool:
        return await self._inner.touch(await self._name(key), ttl)

    async def delete(self, key: bytes, *, condition: Condition | None = None) -> bool:
        return await self._inner.delete(await self._name(key), condition=condition)

    async def put_fields(
        self,
        key: bytes,
        set: Mapping[bytes, bytes],
        unset: Collection[bytes],
        ttl: float | None,
        how: How = AS_EVER,
    ) -> FieldsWritten:
        return await self._inner.put_fields(
            await self._name(key),
            self._seals.seal(key, b"H", set),
            unset,
            ttl,
            how,
        )

    async def scan(self, cursor: int, match: bytes | None, count: int) -> tuple[int, list[bytes]]:
        if self._hides_keys:
            raise StoreError("this namespace hides its keys (hash_keys): they cannot be listed")
        return await self._inner.scan(cursor, match, count)

    # Names.

    async def _name(self, key: bytes) -> bytes:
        """Where the record is, under the active key's name: one that an earlier key named is moved there first."""
        if not self._hides_keys:
            return key
        name, *others = self._seals.names(key)
        for other in others:
            record = await self._inner.get(other)
            if record is not None:
                await self._move(other, name, record)
        return name

    async def _move(self, old: bytes, new: bytes, record: Record) -> None:
        """Its value stays as it is sealed: names are no part of what is authenticated. The later write wins."""
        there = await self._inner.get(new)
        if there is None or there.stamp < record.stamp:
            ttl = max(0.001, record.deadline - self._clock.wall())
            await self._inner.put(new, record.value, ttl, How(condition=there.stamp if there else "absent"))
        await self._inner.delete(old)

    # Values.

    def _seal(self, key: bytes, value: bytes | Mapping[bytes, bytes]) -> Value:
        if isinstance(value, bytes):
            return self._seals.seal(key, b"S", {b"": value})[b""]
        return self._seals.seal(key, b"H", value)

    def _open_if(self, key: bytes, record: Record | None) -> Record | None:
        return self._open(key, record) if record is not None else None

    def _open(self, key: bytes, record: Record) -> Record | None:
        try:
            return Record(self._opened(key, record.value), record.stamp, record.deadline)
        except Unopened as problem:
            self._alarm(key, problem)
            return None

    def _opened(self, key: bytes, value: Value) -> Value:
        if isinstance(value, bytes):
            return self._seals.open(key, b"S", {b"": value})[b""]
        return self._seals.open(key, b"H", value)

    def _alarm(self, key: bytes, problem: Unopened) -> None:
        """The key itself may let somebody in: the log gets a digest of it."""
        self.unopened += 1
        now = self._clock.monotonic()
        if now >= self._next_alarm:
            self._next_alarm = now + ALARM_EVERY
            logger.error("record %s counts as absent: %s", hashlib.sha256(key).hexdigest()[:8], problem)


class HiddenLocks:
    """`Locks` under names that tell nothing. Their values are no session's, and are compared by the engine."""

    def __init__(self, inner: Locks, seals: Seals) -> None:
        self._inner = inner
        self._name = seals.local_name

    async def set(self, key: bytes, value: bytes, ttl: float | None, *, only_absent: bool = False) -> bool:
        return await self._inner.set(self._name(key), value, ttl, only_absent=only_absent)

    async def get(self, key: bytes) -> bytes | None:
        return await self._inner.get(self._name(key))

    async def ttl(self, key: bytes) -> float | None:
        return await self._inner.ttl(self._name(key))

    async def delete(self, key: bytes, *, if_value: bytes | None = None) -> bool:
        return await self._inner.delete(self._name(key), if_value=if_value)

    async def touch(self, key: bytes, ttl: float, *, if_value: bytes | None = None) -> bool:
        return await self._inner.touch(self._name(key), ttl, if_value=if_value)
