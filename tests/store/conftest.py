"""All engines, so that each test of the battery is asked of each: memory, a Redis, and one at another site."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from steer.store.engine import Engine
from steer.store.layout import Space
from steer.store.memory_engine import MemoryEngine
from steer.store.memory_log import Log
from steer.store.redis_engine import RedisEngine
from steer.store.redis_link import RedisLink, RedisPlace
from steer.store.remote.calls import Call
from steer.store.remote.engine import RemoteEngine
from steer.store.remote.link import RemoteLink
from tests.kit.redis import RedisServer, needs_redis
from tests.kit.serving import EdgeTls, place, served

T = TypeVar("T")


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


class Anything(dict[str, Space]):
    """Namespaces as the tests make them: a server that keeps whatever it is asked for."""


class RemoteToAnything(RemoteEngine):
    """Tells the server beforehand of each namespace that is asked for."""

    def __init__(self, link: RemoteLink, spaces: Anything) -> None:
        super().__init__(link)
        self._spaces = spaces

    async def _of(self, call: Call[T], space: Space, *arguments: object, wait: float = 0.0, is_bulk: bool = False) -> T:
        self._spaces[space.name] = space
        return await super()._of(call, space, *arguments, wait=wait, is_bulk=is_bulk)


@pytest.fixture(scope="session")
def edge_tls(tmp_path_factory: pytest.TempPathFactory) -> EdgeTls:
    return EdgeTls(tmp_path_factory.mktemp("edges"))


@pytest.fixture(params=["memory", pytest.param("redis", marks=needs_redis), "remote"])
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Engine]:
    """Empty."""
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        server.ask("FLUSHALL")
        redis = RedisEngine(RedisLink(RedisPlace(server.url)))
        yield redis
        await redis.close()
        return
    memory = MemoryEngine(Log(tmp_path / "store.log"))
    if request.param == "memory":
        yield memory
    else:
        tls: EdgeTls = request.getfixturevalue("edge_tls")
        spaces = Anything()
        async with served(memory, spaces, tls.server) as (_, port):
            remote = RemoteToAnything(RemoteLink(place(port, tls.client)), spaces)
            yield remote
            await remote.close()
    await memory.close()
