"""The memory of a session in an engine; and what the other measurement of engines (`shipping.py`) shares with it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from bench.store.loads import SIZE
from bench.store.places import redis
from steer.store.layout import Space
from steer.store.namespace import EngineNamespace
from steer.store.redis_engine import RedisEngine
from steer.store.redis_link import RedisLink, RedisPlace

SESSIONS = 20_000
TTL = 3600.0
AT_ONCE = 64
PATIENCE = 5.0
"""Seconds that an engine has here: how fast is asked, not whether in time."""
ALONE = Space("web", 1)
WITH_PEER = replace(ALONE, peers=(2,), max_pending=10 * SESSIONS)

Write = Callable[[bytes, bytes], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of one session of 1 KiB: as a plain string with a time to live, as a record, as one that waits for a peer
    (with its entry in the outbox)."""

    plain: float
    record: float
    waiting: float


def sessions(count: int) -> list[bytes]:
    """Keys as PHP makes them."""
    return [b"PHPREDIS_SESSION:" + os.urandom(16).hex().encode() for _ in range(count)]


def link_to(port: int) -> RedisLink:
    return RedisLink(RedisPlace(f"redis://127.0.0.1:{port}/0", timeout=PATIENCE))


async def write_all(keys: Sequence[bytes], write: Write) -> None:
    """Each its own value: equal ones would share memory nowhere, but might compress in a file."""
    waiting = iter(keys)

    async def some() -> None:
        for key in waiting:
            await write(key, os.urandom(SIZE))

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))


async def used(link: RedisLink) -> int:
    """Bytes that this Redis has allocated."""
    lines = (await link.call("INFO", "memory")).decode().splitlines()
    return int(next(line for line in lines if line.startswith("used_memory:")).partition(":")[2])


async def memory(cpu: int, count: int = SESSIONS) -> Memory:
    return Memory(await _plain(cpu, count), await _records(cpu, count, ALONE), await _records(cpu, count, WITH_PEER))


async def _plain(cpu: int, count: int) -> float:
    with redis(cpu) as place:
        link = link_to(place.port)
        found = await _growth(link, count, lambda key, value: link.call("SET", key, value, "PX", round(TTL * 1000)))
        await link.close()
        return found


async def _records(cpu: int, count: int, space: Space) -> float:
    with redis(cpu) as place:
        link = link_to(place.port)
        namespace = EngineNamespace(RedisEngine(link), space)
        found = await _growth(link, count, lambda key, value: namespace.put(key, value, TTL))
        await link.close()
        return found


async def _growth(link: RedisLink, count: int, write: Write) -> float:
    await write_all(sessions(AT_ONCE), write)  # scripts and buffers are there
    before = await used(link)
    await write_all(sessions(count), write)
    return (await used(link) - before) / count
