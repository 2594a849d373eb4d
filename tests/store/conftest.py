"""Both engines, so that each test of the battery is asked of both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from steer.store.engine import Engine
from steer.store.memory_engine import MemoryEngine
from steer.store.memory_log import Log
from steer.store.redis_engine import RedisEngine
from steer.store.redis_link import RedisLink, RedisPlace
from tests.kit.redis import RedisServer, needs_redis


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=["memory", pytest.param("redis", marks=needs_redis)])
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Engine]:
    """Empty."""
    if request.param == "memory":
        made: Engine = MemoryEngine(Log(tmp_path / "store.log"))
    else:
        server: RedisServer = request.getfixturevalue("redis_server")
        server.ask("FLUSHALL")
        made = RedisEngine(RedisLink(RedisPlace(server.url)))
    yield made
    await made.close()
