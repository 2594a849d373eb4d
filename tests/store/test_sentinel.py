"""An engine behind Sentinel: the master is killed, its replica takes over, and the same link finds it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import monotonic
from typing import TypeVar

from steer.store.errors import StoreError
from steer.store.layout import Space
from steer.store.namespace import EngineNamespace
from steer.store.redis_engine import RedisEngine
from steer.store.redis_link import RedisLink, RedisPlace
from steer.store.stamp import parts_of
from tests.kit.redis import RedisSentinel, RedisServer, needs_redis

PATIENCE = 30.0
T = TypeVar("T")
PAIRED = Space("web", site=1, peers=(2,))


@needs_redis
async def test_a_master_that_is_killed_is_followed_by_its_replica(tmp_path: Path) -> None:
    with (
        RedisServer(tmp_path / "master", "--repl-diskless-sync-delay", "0") as master,
        RedisServer(tmp_path / "replica", "--replicaof", "127.0.0.1", str(master.port)) as replica,
        RedisSentinel(tmp_path / "sentinel", master) as sentinel,
    ):
        engine = RedisEngine(RedisLink(RedisPlace(sentinels=(("127.0.0.1", sentinel.port),), service="web")))
        web = EngineNamespace(engine, PAIRED)
        bucket = PAIRED.bucket_of(b"key")
        try:
            await until_known(sentinel)
            first = await insist(lambda: web.put(b"key", b"before", 600.0))
            before = await insist(lambda: engine.position(PAIRED, bucket))
            await until_there(replica, PAIRED.record(b"key"))
            master.kill()
            second = await insist(lambda: web.put(b"key", b"after", 600.0))
            after = await insist(lambda: engine.position(PAIRED, bucket))
            assert second.stamp > first.stamp
            assert after.generation == before.generation
            assert after.sequence > before.sequence
            assert parts_of(after.clock) >= parts_of(before.clock)
            assert await insist(engine.check) == []
        finally:
            await engine.close()


async def until_known(sentinel: RedisServer) -> None:
    """Sentinel has heard of the replica from the master, which it asks every ten seconds."""
    end = monotonic() + PATIENCE
    while sentinel.ask("SENTINEL REPLICAS web") != "*1":
        assert monotonic() < end
        await asyncio.sleep(0.05)


async def until_there(replica: RedisServer, name: bytes) -> None:
    """The replica has this key."""
    end = monotonic() + PATIENCE
    while replica.ask(f"EXISTS {name.decode()}") != ":1":
        assert monotonic() < end
        await asyncio.sleep(0.01)


async def insist(ask: Callable[[], Awaitable[T]]) -> T:
    """Until there is a master that answers."""
    end = monotonic() + PATIENCE
    while True:
        try:
            return await ask()
        except StoreError:
            assert monotonic() < end
            await asyncio.sleep(0.05)
