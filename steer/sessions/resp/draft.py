"""One record with changes that are not written yet: what the commands between MULTI and EXEC work on.

They run one after the other on the draft; `commit` writes what came out in one step, if the record is still the one
that was read. So all of them happen or none, and nobody sees half.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from steer.store.errors import Conflict, WrongKind
from steer.store.model import AS_EVER, Condition, FieldsWritten, How, Record, Records, Value, Written


class Draft:
    """Meets `Records` for the one key that it is asked about. Times are wall seconds."""

    def __init__(self, records: Records, key: bytes, found: Record | None, now: float, max_lifetime: float) -> None:
        # For the life of the draft.
        self._records = records
        self._key = key
        self._found = found
        self._now = now
        self._max_lifetime = max_lifetime
        # What came out so far.
        self._record = found
        self._ttl: float | None = None
        self._writes = 0
        self._is_anew = False

    # The commands' side...

    async def get(self, key: bytes) -> Record | None:
        return self._record

    async def put(
        self,
        key: bytes,
        value: bytes | Mapping[bytes, bytes],
        ttl: float | None,
        how: How = AS_EVER,
        *,
        want_previous: bool = False,
    ) -> Written:
        self._require(how.condition)
        previous = self._record
        self._is_anew = True
        stamp = self._write(value if isinstance(value, bytes) else dict(value), ttl)
        return Written(stamp, "local", previous if want_previous else None)

    async def touch(self, key: bytes, ttl: float) -> bool:
        if self._record is None:
            return False
        self._record = Record(self._record.value, self._record.stamp, self._deadline(ttl))
        return True

    async def delete(self, key: bytes, *, condition: Condition | None = None) -> bool:
        self._require(condition)
        was_there = self._record is not None
        if was_there:
            self._drop()
        return was_there

    async def put_fields(
        self,
        key: bytes,
        set: Mapping[bytes, bytes],
        unset: Collection[bytes],
        ttl: float | None,
        how: How = AS_EVER,
    ) -> FieldsWritten:
        self._require(how.condition)
        old = self._record.value if self._record is not None else {}
        if not isinstance(old, dict):
            raise WrongKind
        kept = {name: value for name, value in old.items() if name not in unset}
        added = sum(name not in kept for name in set)
        removed = len(old) - len(kept)
        stamp = self._write({**kept, **set}, ttl) if set or removed else ""
        if not kept and not set and old:
            self._drop()
        return FieldsWritten(stamp, "local", added, removed)

    def _require(self, condition: Condition | None) -> None:
        record = self._record
        holds = {None: True, "absent": record is None, "present": record is not None}
        if not holds.get(condition, record is not None and record.stamp == condition):
            raise Conflict(record.stamp if record else "", record)

    def _write(self, value: Value, ttl: float | None) -> str:
        self._writes += 1
        keeps = ttl is None and self._record is not None
        deadline = self._record.deadline if keeps and self._record else self._deadline(ttl)
        self._record = Record(value, f"draft {self._writes}", deadline)
        return self._record.stamp

    def _deadline(self, ttl: float | None) -> float:
        self._ttl = self._max_lifetime if ttl is None else min(ttl, self._max_lifetime)
        return self._now + self._ttl

    def _drop(self) -> None:
        self._record, self._ttl, self._is_anew = None, None, True

    # ... and the store's.

    async def commit(self) -> None:
        """Raises `Conflict` when another write came in between: then nothing was written."""
        found, record = self._found, self._record
        condition = found.stamp if found else "absent"
        if record is None:
            if found is not None:
                await self._records.delete(self._key, condition=condition)
        elif found is not None and record.value is found.value:
            if self._ttl is not None:
                await self._records.touch(self._key, self._ttl)
        elif isinstance(record.value, dict) and not self._is_anew:
            await self._commit_fields(record.value, condition)
        else:
            await self._records.put(self._key, record.value, self._ttl, How(condition=condition))

    async def _commit_fields(self, fields: dict[bytes, bytes], condition: Condition) -> None:
        """Only what changed, so that fields which the other site writes meanwhile live on."""
        old = self._found.value if self._found is not None else {}
        assert isinstance(old, dict), "a draft that changed its kind is anew"
        changed = {name: value for name, value in fields.items() if old.get(name) != value}
        await self._records.put_fields(
            self._key, changed, old.keys() - fields.keys(), self._ttl, How(condition=condition)
        )
