"""A memory engine of site 2, served to its peers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest

from steer.store.layout import Space
from steer.store.memory_engine import MemoryEngine
from steer.store.remote.engine import RemoteEngine
from steer.store.remote.link import RemoteLink
from steer.store.remote.server import EngineServer
from tests.kit.serving import EdgeTls, place, served

SPACE = Space("web", site=2, peers=(1,), buckets=4, max_lifetime=3600.0)


class Served(NamedTuple):
    memory: MemoryEngine
    server: EngineServer
    port: int
    remote: RemoteEngine


@pytest.fixture
async def it(edge_tls: EdgeTls) -> AsyncIterator[Served]:
    memory = MemoryEngine()
    async with served(memory, {SPACE.name: SPACE}, edge_tls.server) as (server, port):
        remote = RemoteEngine(RemoteLink(place(port, edge_tls.client)))
        yield Served(memory, server, port, remote)
        await remote.close()
