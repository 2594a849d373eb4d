"""`Locks` at one site's engine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from steer.store.engine import Engine, Outcome, Terms
from steer.store.errors import Late
from steer.store.layout import Space
from steer.store.limits import check_key, check_value
from steer.store.stamp import NEVER
from steer.store.timing import Timing, answered


class EngineLocks:
    """Meets `steer.store.model.Locks`."""

    def __init__(self, engine: Engine, space: Space, timing: Timing) -> None:
        self._engine = engine
        self._space = space
        self._timing = timing

    async def set(self, key: bytes, value: bytes, ttl: float | None, *, only_absent: bool = False) -> bool:
        check_value(value)
        ttl_ms = self._space.ttl_ms(self._space.max_lifetime if ttl is None else ttl)
        return await self._in_time(
            key, lambda terms: self._engine.local_set(self._space, key, value, ttl_ms, only_absent, terms)
        )

    async def get(self, key: bytes) -> bytes | None:
        check_key(key)
        found = await answered(self._engine.local_get(self._space, key))
        return found[0] if found else None

    async def ttl(self, key: bytes) -> float | None:
        check_key(key)
        found = await answered(self._engine.local_get(self._space, key))
        return found[1] / 1000 if found else None

    async def delete(self, key: bytes, *, if_value: bytes | None = None) -> bool:
        return await self._in_time(key, lambda terms: self._engine.local_delete(self._space, key, if_value, terms))

    async def touch(self, key: bytes, ttl: float, *, if_value: bytes | None = None) -> bool:
        ttl_ms = self._space.ttl_ms(ttl)
        return await self._in_time(
            key, lambda terms: self._engine.local_touch(self._space, key, ttl_ms, if_value, terms)
        )

    async def _in_time(self, key: bytes, ask: Callable[[Terms], Awaitable[tuple[Outcome, bool]]]) -> bool:
        check_key(key)
        outcome, done = await self._timing.in_time(ask, "", b"")
        if outcome is Outcome.LATE:
            raise Late
        if outcome is Outcome.ASTRAY:
            raise self._timing.astray(await self._engine.time_ms(), NEVER)
        return done
