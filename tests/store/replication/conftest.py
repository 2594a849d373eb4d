"""Two empty sites: both in memory, or both a Redis of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from steer.store.engine import Engine
from steer.store.memory_engine import MemoryEngine
from steer.store.redis_engine import RedisEngine
from steer.store.redis_link import RedisLink, RedisPlace
from tests.kit.redis import RedisServer, needs_redis
from tests.store.replication.pair import Pair, pair_of


@pytest.fixture(scope="package")
def two_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RedisServer, RedisServer]]:
    folder = tmp_path_factory.mktemp("two")
    with RedisServer(folder / "one") as one, RedisServer(folder / "two") as two:
        yield one, two


@pytest.fixture
def servers(two_servers: tuple[RedisServer, RedisServer]) -> tuple[RedisServer, RedisServer]:
    """Empty, and answering."""
    for server in two_servers:
        server.ask("FLUSHALL")
    return two_servers


@pytest.fixture(params=["memory", pytest.param("redis", marks=needs_redis)])
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    one: Engine
    two: Engine
    one, two = MemoryEngine(), MemoryEngine()
    if request.param == "redis":
        servers: tuple[RedisServer, RedisServer] = request.getfixturevalue("servers")
        one, two = (RedisEngine(RedisLink(RedisPlace(each.url))) for each in servers)
    yield pair_of(one, two)
    await one.close()
    await two.close()
