"""A `Namespace` in a dictionary, with the clock as a parameter: what the door's commands are tested on."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase

from steer.clock import Clock
from steer.store.errors import Conflict, WrongKind
from steer.store.model import Acknowledge, Condition, FieldsWritten, Record, Value, Written


class PlainNamespace:
    """Meets `steer.store.model.Namespace`, without replication."""

    def __init__(self, clock: Clock, max_lifetime: float = 28_800.0) -> None:
        self.clock = clock
        self.max_lifetime = max_lifetime
        self.records: dict[bytes, Record] = {}
        self.local: dict[bytes, tuple[bytes, float]] = {}
        self.writes = 0

    async def get(self, key: bytes) -> Record | None:
        return self._live(key)

    def _live(self, key: bytes) -> Record | None:
        record = self.records.get(key)
        return record if record is not None and record.deadline > self.clock.wall() else None

    async def put(
        self,
        key: bytes,
        value: bytes | Mapping[bytes, bytes],
        ttl: float | None,
        *,
        condition: Condition | None = None,
        request: bytes | None = None,
        acknowledge: Acknowledge | None = None,
        want_previous: bool = False,
    ) -> Written:
        there = self._require(key, condition)
        stamp = self._write(key, value if isinstance(value, bytes) else dict(value), ttl, there)
        return Written(stamp, acknowledge or "local", there if want_previous else None)

    async def touch(self, key: bytes, ttl: float) -> bool:
        there = self._live(key)
        if there is not None:
            self.records[key] = Record(there.value, there.stamp, self._deadline(ttl))
        return there is not None

    async def delete(self, key: bytes, *, condition: Condition | None = None) -> bool:
        there = self._require(key, condition)
        self.records.pop(key, None)
        return there is not None

    async def put_fields(
        self,
        key: bytes,
        set: Mapping[bytes, bytes],
        unset: Collection[bytes],
        ttl: float | None,
        *,
        condition: Condition | None = None,
        request: bytes | None = None,
        acknowledge: Acknowledge | None = None,
    ) -> FieldsWritten:
        there = self._require(key, condition)
        old = there.value if there else {}
        if not isinstance(old, dict):
            raise WrongKind
        kept = {name: value for name, value in old.items() if name not in unset}
        added = sum(name not in kept for name in set)
        stamp = self._write(key, {**kept, **set}, ttl, there)
        if not kept and not set:
            del self.records[key]
        return FieldsWritten(stamp, "local", added, len(old) - len(kept))

    async def scan(self, cursor: int, match: bytes | None, count: int) -> tuple[int, list[bytes]]:
        keys = sorted(self.records)
        pattern = (match or b"*").decode("latin-1")
        page = [key for key in keys[cursor : cursor + count] if self._live(key)]
        after = cursor + count if cursor + count < len(keys) else 0
        return after, [key for key in page if fnmatchcase(key.decode("latin-1"), pattern)]

    async def local_set(self, key: bytes, value: bytes, ttl: float | None, *, only_absent: bool = False) -> bool:
        if only_absent and await self.local_get(key) is not None:
            return False
        self.local[key] = (value, self._deadline(ttl))
        return True

    async def local_get(self, key: bytes) -> bytes | None:
        value, deadline = self.local.get(key, (None, 0.0))
        return value if deadline > self.clock.wall() else None

    async def local_ttl(self, key: bytes) -> float | None:
        return self.local[key][1] - self.clock.wall() if await self.local_get(key) is not None else None

    async def local_delete(self, key: bytes, *, if_value: bytes | None = None) -> bool:
        value = await self.local_get(key)
        if value is None or (if_value is not None and value != if_value):
            return False
        del self.local[key]
        return True

    async def local_touch(self, key: bytes, ttl: float, *, if_value: bytes | None = None) -> bool:
        value = await self.local_get(key)
        if value is None or (if_value is not None and value != if_value):
            return False
        self.local[key] = (value, self._deadline(ttl))
        return True

    def _require(self, key: bytes, condition: Condition | None) -> Record | None:
        there = self._live(key)
        holds = {None: True, "absent": there is None, "present": there is not None}
        if not holds.get(condition, there is not None and there.stamp == condition):
            raise Conflict(there.stamp if there else "")
        return there

    def _write(self, key: bytes, value: Value, ttl: float | None, there: Record | None) -> str:
        self.writes += 1
        stamp = f"{self.writes:020}"
        deadline = there.deadline if ttl is None and there else self._deadline(ttl)
        self.records[key] = Record(value, stamp, deadline)
        return stamp

    def _deadline(self, ttl: float | None) -> float:
        return self.clock.wall() + min(ttl if ttl is not None else math.inf, self.max_lifetime)
