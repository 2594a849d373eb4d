"""The engine of another site, asked through its edges. Each method is one question, by its own name (`calls.py`)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

from steer.store.engine import (
    DIGEST_LIMIT,
    Answer,
    Applied,
    Batch,
    Change,
    Changed,
    Cursor,
    Digest,
    Entry,
    Finding,
    Outcome,
    Position,
    Reading,
    Terms,
)
from steer.store.errors import EngineDown
from steer.store.layout import Space
from steer.store.remote import calls
from steer.store.remote.link import RemoteLink
from steer.store.state import State

T = TypeVar("T")
FEW = 16
"""Records that somebody waits for: one client's. More are a portion of replication."""


class RemoteEngine:
    """Meets `steer.store.engine.Engine`. All raise EngineDown and Indeterminate."""

    def __init__(self, link: RemoteLink) -> None:
        self._link = link

    async def _of(
        self, call: calls.Call[T], space: Space, *arguments: object, wait: float = 0.0, is_bulk: bool = False
    ) -> T:
        return await self._link.ask(call, calls.named(space), arguments, wait=wait, is_bulk=is_bulk)

    async def open(self, space: Space) -> None:
        await self._of(calls.OPEN, space)

    async def write(self, space: Space, key: bytes, change: Change, terms: Terms) -> Answer:
        return await self._of(calls.WRITE, space, key, change, terms)

    async def write_all(self, space: Space, writes: Sequence[tuple[bytes, Change, Terms]]) -> list[Answer | EngineDown]:
        return await self._of(calls.WRITE_ALL, space, writes)

    async def read(self, space: Space, key: bytes) -> Reading:
        return await self._of(calls.READ, space, key)

    async def read_all(self, space: Space, keys: Sequence[bytes]) -> list[Reading]:
        return await self._of(calls.READ_ALL, space, keys)

    async def scan(self, space: Space, bucket: int, cursor: int, match: bytes, count: int) -> tuple[int, list[bytes]]:
        return await self._of(calls.SCAN, space, bucket, cursor, match, count)

    async def local_set(
        self, space: Space, key: bytes, value: bytes, ttl_ms: int, only_absent: bool, terms: Terms
    ) -> tuple[Outcome, bool]:
        return await self._of(calls.LOCAL_SET, space, key, value, ttl_ms, only_absent, terms)

    async def local_get(self, space: Space, key: bytes) -> tuple[bytes, int] | None:
        return await self._of(calls.LOCAL_GET, space, key)

    async def local_delete(
        self, space: Space, key: bytes, if_value: bytes | None, terms: Terms
    ) -> tuple[Outcome, bool]:
        return await self._of(calls.LOCAL_DELETE, space, key, if_value, terms)

    async def local_touch(
        self, space: Space, key: bytes, ttl_ms: int, if_value: bytes | None, terms: Terms
    ) -> tuple[Outcome, bool]:
        return await self._of(calls.LOCAL_TOUCH, space, key, ttl_ms, if_value, terms)

    async def states(self, space: Space, keys: Sequence[bytes]) -> list[State | None]:
        return await self._of(calls.STATES, space, keys, is_bulk=len(keys) > FEW)

    async def apply(
        self,
        space: Space,
        bucket: int,
        states: Sequence[tuple[bytes, State]],
        source: int | None = None,
        cursor: Cursor | None = None,
    ) -> Applied:
        return await self._of(calls.APPLY, space, bucket, states, source, cursor)

    async def outbox(
        self, space: Space, cursors: Mapping[int, str], count: int, wait: float = 0.0
    ) -> dict[int, list[Entry]]:
        return await self._of(calls.OUTBOX, space, cursors, count, wait, wait=wait)

    async def changes(self, space: Space, bucket: int, low: int, offset: int, count: int) -> list[Changed]:
        return await self._of(calls.CHANGES, space, bucket, low, offset, count)

    async def digest(
        self, space: Space, bucket: int, low: int, high: int, offset: int, alive_ms: int, count: int = DIGEST_LIMIT
    ) -> Digest:
        return await self._of(calls.DIGEST, space, bucket, low, high, offset, alive_ms, count)

    async def position(self, space: Space, bucket: int) -> Position:
        return await self._of(calls.POSITION, space, bucket)

    async def pending(self, space: Space) -> dict[int, int]:
        return await self._of(calls.PENDING, space)

    async def acknowledge(self, space: Space, bucket: int, site: int, sequence: int) -> None:
        await self._of(calls.ACKNOWLEDGE, space, bucket, site, sequence)

    async def trim(self, space: Space, bucket: int, before: str) -> None:
        await self._of(calls.TRIM, space, bucket, before)

    async def sweep(self, space: Space, bucket: int, offset: int, count: int, known: int) -> tuple[int, int]:
        return await self._of(calls.SWEEP, space, bucket, offset, count, known)

    async def witness(self, space: Space, bucket: int, stamp: str) -> Outcome:
        return await self._of(calls.WITNESS, space, bucket, stamp)

    async def fence(self, space: Space, bucket: int, reason: str) -> None:
        await self._of(calls.FENCE, space, bucket, reason)

    async def apply_all(self, space: Space, batches: Sequence[Batch]) -> list[Applied]:
        return await self._of(calls.APPLY_ALL, space, batches)

    async def positions(self, space: Space, buckets: Collection[int]) -> dict[int, Position]:
        return await self._of(calls.POSITIONS, space, buckets)

    async def acknowledge_all(self, space: Space, site: int, sequences: Mapping[int, int]) -> None:
        await self._of(calls.ACKNOWLEDGE_ALL, space, site, sequences)

    async def trim_all(self, space: Space, before: Mapping[int, str]) -> None:
        await self._of(calls.TRIM_ALL, space, before)

    async def fence_all(self, space: Space, reason: str) -> None:
        await self._of(calls.FENCE_ALL, space, reason)

    async def incarnation(self) -> str:
        return await self._link.ask(calls.INCARNATION, None, ())

    async def time_ms(self) -> int:
        return await self._link.ask(calls.TIME_MS, None, ())

    async def check(self) -> list[Finding]:
        return await self._link.ask(calls.CHECK, None, ())

    async def close(self) -> None:
        await self._link.close()
