"""Locks while their engine is away: kept by this edge alone, so that an application that locks its sessions goes on.

Records have another site's engine to go to; locks never go to another site. What an application may lose by this is
exclusion between two edges of one site, for as long as the engine of both is away. A lock that the engine had when it
went is not known here: whoever held it still works, and another may begin.
"""

from __future__ import annotations

from collections.abc import Awaitable
from contextlib import suppress
from typing import Final, NamedTuple, TypeVar

from steer.clock import Clock
from steer.store.errors import EngineDown, Indeterminate, StoreError
from steer.store.model import Locks

MOST_KEPT: Final = 100_000
"""About 30 MiB. A lock is held for as long as a request takes: so many are none."""
T = TypeVar("T")


class Kept(NamedTuple):
    """`ends`: monotonic seconds."""

    value: bytes
    ends: float


class LocksMeanwhile:
    """`Locks` over the engine's. `longest` is the life of a lock that asks for none, in seconds."""

    def __init__(self, home: Locks, longest: float, clock: Clock) -> None:
        self._home = home
        self._longest = longest
        self._clock = clock
        self._kept: dict[bytes, Kept] = {}

    async def set(self, key: bytes, value: bytes, ttl: float | None, *, only_absent: bool = False) -> bool:
        if self._find(key) is None:
            with suppress(EngineDown, Indeterminate):
                return await self._home.set(key, value, ttl, only_absent=only_absent)
        return self._set(key, value, ttl, only_absent)

    async def get(self, key: bytes) -> bytes | None:
        kept = self._find(key)
        return kept.value if kept is not None else await self._or(self._home.get(key), None)

    async def ttl(self, key: bytes) -> float | None:
        kept = self._find(key)
        if kept is None:
            return await self._or(self._home.ttl(key), None)
        return kept.ends - self._clock.monotonic()

    async def delete(self, key: bytes, *, if_value: bytes | None = None) -> bool:
        kept = self._find(key)
        if kept is None:
            return await self._or(self._home.delete(key, if_value=if_value), False)
        if if_value not in (None, kept.value):
            return False
        del self._kept[key]
        with suppress(StoreError):  # the engine was too slow, and has it too
            await self._home.delete(key, if_value=kept.value)
        return True

    async def touch(self, key: bytes, ttl: float, *, if_value: bytes | None = None) -> bool:
        kept = self._find(key)
        if kept is None:
            return await self._or(self._home.touch(key, ttl, if_value=if_value), False)
        if if_value not in (None, kept.value):
            return False
        self._kept[key] = Kept(kept.value, self._clock.monotonic() + ttl)
        return True

    async def _or(self, asked: Awaitable[T], absent: T) -> T:
        """What the engine says; where it is away, what is kept is all that there is, and this is not."""
        try:
            return await asked
        except (EngineDown, Indeterminate):
            return absent

    def _find(self, key: bytes) -> Kept | None:
        """Costs nothing while nothing is kept."""
        kept = self._kept.get(key) if self._kept else None
        if kept is not None and kept.ends <= self._clock.monotonic():
            del self._kept[key]
            return None
        return kept

    def _set(self, key: bytes, value: bytes, ttl: float | None, only_absent: bool) -> bool:
        if only_absent and self._find(key) is not None:
            return False
        if len(self._kept) >= MOST_KEPT:
            self._drop_ended()
        now = self._clock.monotonic()
        self._kept[key] = Kept(value, now + min(self._longest if ttl is None else ttl, self._longest))
        return True

    def _drop_ended(self) -> None:
        now = self._clock.monotonic()
        self._kept = {key: kept for key, kept in self._kept.items() if kept.ends > now}
        if len(self._kept) >= MOST_KEPT:
            raise EngineDown(f"{MOST_KEPT} locks are held while their engine is away")
