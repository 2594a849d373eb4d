from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from steer.errors import Failure
from steer.proxy.proxy_protocol import Endpoints, HeaderReader
from steer.proxy.settings import Keepalive, NodeAddress, PoolSettings, Timeouts
from steer.proxy.upstream.announcing import AnnouncingPool, new_pool
from steer.proxy.upstream.connection import UpstreamConnection
from steer.proxy.upstream.pool import NodePool
from steer.steering.model import Outcome
from tests.kit.uv import on_uvloop

PATIENCE = 10.0
ANN, BOB = "192.0.2.1", "192.0.2.2"
SETTINGS = PoolSettings("web", proxy_protocol="v2", timeouts=Timeouts(connect=2.0))


class Request:
    """What waits for a connection."""

    def __init__(self, client: str, retriable: bool = True) -> None:
        self.client = client
        self.retriable = retriable
        self.endpoints = Endpoints(client, 4711, "198.51.100.1", 443)
        self.connection: UpstreamConnection | None = None
        self.failure: tuple[Failure, Outcome] | None = None

    def on_connection(self, connection: UpstreamConnection) -> None:
        self.connection = connection

    def on_connect_failure(self, failure: Failure, outcome: Outcome) -> None:
        self.failure = (failure, outcome)

    async def served(self) -> UpstreamConnection:
        await until(lambda: self.connection is not None)
        assert self.connection is not None
        return self.connection


class Node:
    """Accepts, and notes for whom."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self._writers: list[asyncio.StreamWriter] = []

    async def visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        header = HeaderReader()
        while not header.done:
            data = await reader.read(1)
            if not data:
                return
            header.take(data)
        assert header.endpoints is not None
        self.told.append(header.endpoints.source)

    def close(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


@asynccontextmanager
async def pool_of(most: int = 10, idle: int = 10) -> AsyncIterator[tuple[NodePool, Node]]:
    node = Node()
    server = await asyncio.start_server(node.visit, "127.0.0.1", 0)
    settings = replace(SETTINGS, max_connections=most, keepalive=Keepalive(most=idle))
    pool = new_pool("web-1", NodeAddress("127.0.0.1", server.sockets[0].getsockname()[1]), settings)
    try:
        yield pool, node
    finally:
        pool.close()
        node.close()
        server.close()


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not is_so():  # noqa: ASYNC110  # the pool has no events to wait for
            await asyncio.sleep(0.002)


def ask(pool: NodePool, client: str, retriable: bool = True) -> Request:
    assert pool.take(retriable) is None
    request = Request(client, retriable)
    pool.queue(request)
    return request


def test_only_nodes_that_expect_a_header_have_such_a_pool() -> None:
    address = NodeAddress("127.0.0.1", 80)
    assert type(new_pool("web-1", address, PoolSettings("web"))) is NodePool
    assert type(new_pool("web-1", address, SETTINGS)) is AnnouncingPool


@on_uvloop
async def test_a_connection_is_used_again_for_its_own_client_only() -> None:
    async with pool_of() as (pool, node):
        first = await ask(pool, ANN).served()
        pool.put(first)
        other = await ask(pool, BOB).served()
        again = ask(pool, ANN)
        assert again.connection is first is not other
        await until(lambda: node.told == [ANN, BOB])


@on_uvloop
async def test_a_request_that_cannot_be_sent_twice_gets_none_that_was_idle_for_long() -> None:
    async with pool_of() as (pool, _):
        first = await ask(pool, ANN).served()
        pool.put(first)
        first.idle_since -= 2
        assert await ask(pool, ANN, retriable=False).served() is not first
        assert ask(pool, ANN).connection is first


@on_uvloop
async def test_where_there_are_as_many_as_may_be_an_idle_one_of_another_client_makes_room() -> None:
    async with pool_of(most=1) as (pool, node):
        first = await ask(pool, ANN).served()
        pool.put(first)
        await ask(pool, BOB).served()
        assert first.lost
        await until(lambda: node.told == [ANN, BOB])


@on_uvloop
async def test_where_all_are_busy_the_first_that_is_free_serves_its_client_or_makes_room() -> None:
    async with pool_of(most=1) as (pool, _):
        first = await ask(pool, ANN).served()
        bob, ann = ask(pool, BOB), ask(pool, ANN)
        pool.put(first)
        assert ann.connection is first
        assert bob.connection is None
        pool.put(first)
        assert (await bob.served()) is not first
        assert first.lost


@on_uvloop
async def test_the_longest_idle_one_goes_when_there_are_too_many() -> None:
    async with pool_of(idle=1) as (pool, _):
        first, second = await ask(pool, ANN).served(), await ask(pool, BOB).served()
        pool.put(first)
        pool.put(second)
        await until(lambda: first.lost)
        assert ask(pool, BOB).connection is second


@on_uvloop
async def test_a_connection_for_a_client_that_has_left_waits_for_its_next_request() -> None:
    async with pool_of() as (pool, node):
        gone = ask(pool, ANN)
        pool.leave(gone)
        await until(lambda: node.told == [ANN])
        assert gone.connection is None
        assert (await ask(pool, ANN).served()) is not None
        assert node.told == [ANN]


@on_uvloop
async def test_a_failure_is_told_to_the_one_for_whom_it_was_tried() -> None:
    async with pool_of() as (pool, _):
        pass
    request = Request(ANN)
    pool.queue(request)
    await until(lambda: request.failure is not None)
    assert request.failure is not None
    assert request.failure[1] is Outcome.REFUSED
