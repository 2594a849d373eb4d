"""Moving in: sessions that an application kept in a Redis of its own so far are taken in as they are asked for.

    get -> nothing is known of this key -> there in the old Redis -> here, with the earliest stamp there is

So an application that changes host and port logs nobody out. What is taken in loses against everything that was written
or deleted here or at another site; and where anything is known of a key, an end too, the old Redis is not asked. What
ends here ends there as well, so that it cannot come back when its tombstone has gone.

An old Redis that does not answer makes a miss, and a line of the log.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from steer.clock import Clock
from steer.sessions.seals import Seals
from steer.store.engine import Engine, Outcome
from steer.store.errors import StoreError
from steer.store.layout import Space
from steer.store.limits import check_value
from steer.store.model import (
    AS_EVER,
    Assignment,
    Condition,
    FieldsWritten,
    How,
    Namespace,
    Record,
    Value,
    Written,
)
from steer.store.redis_link import RedisLink
from steer.store.stamp import stamp_of
from steer.store.state import HASH, PLAIN, Base, Deadline, Field, State

logger = logging.getLogger("steer.sessions.adopting")

ALARM_EVERY: Final = 60.0
"""Seconds between two lines of the log."""
NO_EXPIRY: Final = -1
"""What PTTL says of a key that stays."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the old Redis has. `left_ms` is None where it has no end."""

    value: Value
    left_ms: int | None


class OldRedis:
    """Where the sessions were."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link

    async def read(self, key: bytes) -> Found | None:
        """A string or a hash; whatever else is there is no session. Raises StoreError."""
        kind, left = await self._link.call_all([("TYPE", key), ("PTTL", key)])
        if kind not in (b"string", b"hash"):
            return None
        raw = await self._link.call("GET" if kind == b"string" else "HGETALL", key)
        value = raw if kind == b"string" else dict(zip(raw[::2], raw[1::2], strict=True))
        if not (value or value == b"") or not (left > 0 or left == NO_EXPIRY):
            return None
        return Found(value, None if left == NO_EXPIRY else left)

    async def remove(self, key: bytes) -> None:
        await self._link.call("DEL", key)

    async def close(self) -> None:
        await self._link.close()


@dataclass(frozen=True, slots=True)
class Home:
    """Where they go: a namespace in this site's engine. `seals`: its values are sealed; `hides_keys`: its keys too."""

    engine: Engine
    space: Space
    seals: Seals | None = None
    hides_keys: bool = False

    async def knows(self, key: bytes) -> bool:
        """Something of it: alive, expired or deleted."""
        return any(state is not None for state in await self.engine.states(self.space, self._names(key)))

    async def take_in(self, key: bytes, found: Found) -> bool:
        """True: it is there, if nothing else was by now. Raises StoreError."""
        check_value(found.value)
        name = self._names(key)[0]
        ends = await self.engine.time_ms() + min(
            found.left_ms or self.space.max_lifetime_ms, self.space.max_lifetime_ms
        )
        state = earliest(self._sealed(key, found.value), ends, self.space.site)
        applied = await self.engine.apply(self.space, self.space.bucket_of(name), [(name, state)])
        return applied.outcome is Outcome.OK

    def _names(self, key: bytes) -> list[bytes]:
        return self.seals.names(key) if self.seals is not None and self.hides_keys else [key]

    def _sealed(self, key: bytes, value: Value) -> Value:
        if self.seals is None:
            return value
        if isinstance(value, bytes):
            return self.seals.seal(key, b"S", {b"": value})[b""]
        return self.seals.seal(key, b"H", value)


def earliest(value: Value, ends_ms: int, site: int) -> State:
    """A record that was written before all others."""
    stamp = stamp_of(1, 0, site)
    deadline = Deadline(stamp, ends_ms)
    if isinstance(value, bytes):
        return State(Base(stamp, PLAIN, value), deadline=deadline)
    return State(Base(stamp, HASH), {name: Field(stamp, True, each) for name, each in value.items()}, deadline)


class AdoptingNamespace:
    """A `Namespace` over another one, which is asked first."""

    def __init__(self, inner: Namespace, home: Home, old: OldRedis, clock: Clock) -> None:
        # For the life of the namespace.
        self._inner = inner
        self.locks = inner.locks  # they begin anew
        self._home = home
        self._old = old
        self._clock = clock
        # So far.
        self.adopted = 0
        self._next_alarm = 0.0

    async def get(self, key: bytes) -> Record | None:
        record = await self._inner.get(key)
        if record is None and await self._adopt(key):
            record = await self._inner.get(key)
        return record

    async def get_all(self, keys: Sequence[bytes]) -> list[Record | None]:
        found = dict(zip(keys, await self._inner.get_all(keys), strict=True))
        missed = [key for key, record in found.items() if record is None]
        found.update(zip(missed, await asyncio.gather(*map(self.get, missed)), strict=True))
        return [found[key] for key in keys]

    async def put(
        self,
        key: bytes,
        value: bytes | Mapping[bytes, bytes],
        ttl: float | None,
        how: How = AS_EVER,
        *,
        want_previous: bool = False,
    ) -> Written:
        if how.condition is not None or ttl is None or want_previous:  # else what was there does not matter
            await self._adopt(key)
        return await self._inner.put(
            key,
            value,
            ttl,
            how,
            want_previous=want_previous,
        )

    async def put_all(self, puts: Sequence[Assignment]) -> list[Written | StoreError]:
        for put in puts:
            if put.ttl is None:
                await self._adopt(put.key)
        return await self._inner.put_all(puts)

    async def touch(self, key: bytes, ttl: float) -> bool:
        return await self._inner.touch(key, ttl) or (await self._adopt(key) and await self._inner.touch(key, ttl))

    async def delete(self, key: bytes, *, condition: Condition | None = None) -> bool:
        await self._adopt(key)
        was_there = await self._inner.delete(key, condition=condition)
        try:
            await self._old.remove(key)
        except StoreError as error:
            self._alarm(key, f"it has ended here, and may still be there: {error}")
        return was_there

    async def put_fields(
        self,
        key: bytes,
        set: Mapping[bytes, bytes],
        unset: Collection[bytes],
        ttl: float | None,
        how: How = AS_EVER,
    ) -> FieldsWritten:
        await self._adopt(key)
        return await self._inner.put_fields(
            key,
            set,
            unset,
            ttl,
            how,
        )

    async def scan(self, cursor: int, match: bytes | None, count: int) -> tuple[int, list[bytes]]:
        """What is here."""
        return await self._inner.scan(cursor, match, count)

    # Moving in.

    async def _adopt(self, key: bytes) -> bool:
        """Is it here now, which it was not?"""
        try:
            if await self._home.knows(key):
                return False
            found = await self._old.read(key)
            if found is None or not await self._home.take_in(key, found):
                return False
            # A write, so that the other sites hear of it at once.
            ttl = self._home.space.max_lifetime if found.left_ms is None else found.left_ms / 1000
            await self._inner.touch(key, ttl)
        except StoreError as error:
            self._alarm(key, str(error))
            return False
        self.adopted += 1
        return True

    def _alarm(self, key: bytes, why: str) -> None:
        """The key itself may let somebody in: the log gets a digest of it."""
        now = self._clock.monotonic()
        if now >= self._next_alarm:
            self._next_alarm = now + ALARM_EVERY
            logger.error("record %s of the old Redis: %s", hashlib.sha256(key).hexdigest()[:8], why)
