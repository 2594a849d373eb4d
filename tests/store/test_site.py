"""A site whose engine is there, is not there yet, or is somebody else's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from steer.clock import SystemClock
from steer.store.errors import EngineDown, StoreError
from steer.store.layout import Space
from steer.store.memory_engine import MemoryEngine
from steer.store.memory_log import Log
from steer.store.namespace import Promise
from steer.store.redis_engine import RedisEngine
from steer.store.redis_link import RedisLink, RedisPlace
from steer.store.site import Kept, Site
from tests.kit.redis import RedisServer, needs_redis


def kept(site: int) -> list[Kept]:
    return [Kept(Space("web", site), Promise())]


def site_of(url: str) -> Site:
    return Site(1, RedisEngine(RedisLink(RedisPlace(url))), kept(1), SystemClock())


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110 - what changes belongs to the code under test, which has no event for it
            await asyncio.sleep(0.01)


async def test_its_namespaces_keep_what_is_written(tmp_path: Path) -> None:
    site = Site(1, MemoryEngine(Log(tmp_path / "log")), kept(1), SystemClock())
    await site.start()
    await site.namespace("web").put(b"sid", b"value", 60)
    status = await site.status()
    assert (status.site, status.problem, [space.name for space in status.spaces]) == (1, "", ["web"])
    await site.close()
    again = Site(1, MemoryEngine(Log(tmp_path / "log")), kept(1), SystemClock())
    await again.start()
    record = await again.namespace("web").get(b"sid")
    assert record is not None
    assert record.value == b"value"
    await again.close()


@needs_redis
async def test_an_engine_that_comes_later_is_opened_when_it_answers(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "redis") as redis:
        redis.kill()
        site = site_of(redis.url)
        await site.start()
        with pytest.raises(EngineDown):
            await site.namespace("web").get(b"sid")
        assert redis.url.removeprefix("redis://") in (await site.status()).problem
        redis.start()
        await until(lambda: not site.problem)
        await site.namespace("web").put(b"sid", b"value", 60)
        assert (await site.status()).problem == ""
        await site.close()


@needs_redis
async def test_an_engine_of_another_site_is_refused(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "redis") as redis:
        first = Site(2, RedisEngine(RedisLink(RedisPlace(redis.url))), kept(2), SystemClock())
        await first.start()
        await first.close()
        second = site_of(redis.url)
        with pytest.raises(StoreError, match="site"):
            await second.start()
        await second.close()
