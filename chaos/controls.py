"""Stores with a guard taken away, and stores that others build. The rig must find each of them broken.

    replica         one Redis that is written to, an asynchronous replica at the other site that takes over, as with
                    Sentinel. What the master had not sent yet is gone with it
    double-write    each site's own Redis, and a copy sent to the other's that nobody waits for. What the other did not
                    get, it never gets
    no-tombstones   ours, but a deletion leaves nothing: the other site brings the record back
    wall-clock      ours, but stamps come from the engine's clock alone: one that is set back loses what follows
    no-not-after    ours, but a write may take effect whenever the engine gets to it

They exist here only: the store has no switch for any of this.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Protocol

from chaos.settings import Control, Engine, Settings
from steer.store.engine import Answer, Change, Delete, Outcome, Terms
from steer.store.errors import EngineDown, StoreError
from steer.store.layout import Space
from steer.store.model import AS_EVER, How, Record, Written
from steer.store.redis_engine import RedisEngine
from steer.store.redis_link import RedisLink, RedisPlace

PLAIN = b"plain:"
FOREVER_MS = 3_600_000
_FORGET = """
local was = redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
return was
"""
_FORGET_THE_CLOCK = """
local t, h = redis.call('TIME'), redis.call('HGET', KEYS[1], 'h')
if h and tonumber(string.sub(h, 1, 13)) >= t[1] * 1000 + math.floor(t[2] / 1000) then
  redis.call('HDEL', KEYS[1], 'h')
  redis.call('DEL', KEYS[2])
end
"""
_PLAIN_PUT = """
local t = redis.call('TIME')
local ms, counter = t[1] * 1000 + math.floor(t[2] / 1000), redis.call('INCR', 'counter') % 4096
local stamp = string.format('%013.0f%04d%s', ms, counter, ARGV[2])
redis.call('SET', KEYS[1], stamp .. ARGV[1])
return stamp
"""


class Registers(Protocol):
    """The part of a `Namespace` that even the plainest control has."""

    async def get(self, key: bytes) -> Record | None: ...

    async def put(
        self,
        key: bytes,
        value: bytes,
        ttl: float | None,
        how: How = AS_EVER,
    ) -> Written: ...


# Ours, without one of its guards.


class NoNotAfter(RedisEngine):
    """A write has an hour."""

    async def write(self, space: Space, key: bytes, change: Change, terms: Terms) -> Answer:
        return await super().write(space, key, change, terms._replace(not_after_ms=terms.not_after_ms + FOREVER_MS))


class WallClock(RedisEngine):
    """The bucket's clock is forgotten as soon as the engine's is behind it; the outbox with it, whose ids only grow."""

    async def write(self, space: Space, key: bytes, change: Change, terms: Terms) -> Answer:
        prefix = space.prefix(space.bucket_of(key))
        await self._link.call("EVAL", _FORGET_THE_CLOCK, 2, prefix + b"m", prefix + b"x")
        return await super().write(space, key, change, terms)


class NoTombstones(RedisEngine):
    """A deletion removes the record here and, if it can be reached now, at the other site. Nobody remembers it."""

    def __init__(self, link: RedisLink) -> None:
        super().__init__(link)
        self.others: list[NoTombstones] = []

    async def write(self, space: Space, key: bytes, change: Change, terms: Terms) -> Answer:
        if not isinstance(change, Delete):
            return await super().write(space, key, change, terms)
        was = await self._forget(space, key)
        for other in self.others:
            with suppress(StoreError):
                await other._forget(space, key)
        return Answer(Outcome.OK, await self.time_ms(), "0" * 17, one=was)

    async def _forget(self, space: Space, key: bytes) -> int:
        prefix = space.prefix(space.bucket_of(key))
        return int(await self._link.call("EVAL", _FORGET, 2, prefix + b"r:" + key, prefix + b"i", key))


GUARDED: Mapping[Control, type[RedisEngine]] = {
    "no-not-after": NoNotAfter,
    "wall-clock": WallClock,
    "no-tombstones": NoTombstones,
}


def engines_of(settings: Settings, place_of: Callable[[Engine], RedisPlace]) -> dict[int, RedisEngine]:
    """By site; without the guard that the control takes away."""
    kind = GUARDED.get(settings.control, RedisEngine)
    engines = {site: kind(RedisLink(place_of(each))) for site, each in settings.engines.items()}
    for engine in engines.values():
        if isinstance(engine, NoTombstones):
            engine.others = [it for it in engines.values() if it is not engine and isinstance(it, NoTombstones)]
    return engines


# Others.


class Plain:
    """A Redis as it is: one string for each key, the stamp in front of it."""

    def __init__(self, link: RedisLink, site: int) -> None:
        self._link = link
        self._site = site

    async def put(self, key: bytes, value: bytes) -> str:
        stamp = await self._link.call("EVAL", _PLAIN_PUT, 1, PLAIN + key, value, f"{self._site:03d}")
        return str(stamp.decode())

    async def copy(self, key: bytes, value: bytes, stamp: str) -> None:
        await self._link.call("SET", PLAIN + key, stamp.encode() + value)

    async def get(self, key: bytes) -> Record | None:
        found = await self._link.call("GET", PLAIN + key)
        return None if found is None else Record(found[20:], found[:20].decode(), 0.0)


class Replicated:
    """The first Redis that takes it: a replica refuses writes until it is promoted."""

    def __init__(self, engines: list[Plain]) -> None:
        self._engines = engines

    async def put(
        self,
        key: bytes,
        value: bytes,
        ttl: float | None,
        how: How = AS_EVER,
    ) -> Written:
        for each in self._engines:
            with suppress(EngineDown):
                return Written(await each.put(key, value), "local")
        raise EngineDown("there is no master")

    async def get(self, key: bytes) -> Record | None:
        for each in self._engines:
            with suppress(EngineDown):
                return await each.get(key)
        raise EngineDown("no Redis answers")


class DoubleWrite:
    """To its own, and a copy to the other that nobody waits for."""

    def __init__(self, own: Plain, other: Plain) -> None:
        self._own = own
        self._other = other
        self._copies: set[asyncio.Task[None]] = set()

    async def put(
        self,
        key: bytes,
        value: bytes,
        ttl: float | None,
        how: How = AS_EVER,
    ) -> Written:
        stamp = await self._own.put(key, value)
        copy = asyncio.create_task(self._copy(key, value, stamp), name="copy")
        self._copies.add(copy)
        copy.add_done_callback(self._copies.discard)
        return Written(stamp, "local")

    async def _copy(self, key: bytes, value: bytes, stamp: str) -> None:
        with suppress(StoreError):
            await self._other.copy(key, value, stamp)

    async def get(self, key: bytes) -> Record | None:
        return await self._own.get(key)


def plain(settings: Settings, place_of: Callable[[Engine], RedisPlace]) -> Registers:
    """The control that is somebody else's design."""
    links = {site: Plain(RedisLink(place_of(each)), settings.site) for site, each in settings.engines.items()}
    if settings.control == "replica":
        return Replicated([links[site] for site in sorted(links)])
    (other,) = (site for site in links if site != settings.site)
    return DoubleWrite(links[settings.site], links[other])
