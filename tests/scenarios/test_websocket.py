"""WebSockets through the edge, over HTTP and HTTPS: a browser's library on one side, a server's on the other."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import WSMsgType, web

from tests.kit.waiting import until
from tests.scenarios.app import Lone, browser, lone_edge, serving
from tests.scenarios.town import Edge

SIZES = (0, 1, 125, 126, 65_535, 65_536, 3 * 1024 * 1024)


CLOSES = web.AppKey("closes", list[int | None])
"""How each WebSocket ended for the server."""


async def echo(request: web.Request) -> web.WebSocketResponse:
    """Says everything again. The text `bye` ends it well, `die` badly."""
    socket = web.WebSocketResponse(max_msg_size=0, protocols=("echo",))
    await socket.prepare(request)
    async for message in socket:
        if message.data == "bye":
            await socket.close(code=4001, message=b"as you wish")
        elif message.data == "die":
            assert request.transport is not None
            request.transport.abort()
        elif message.type is WSMsgType.TEXT:
            await socket.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await socket.send_bytes(message.data)
    request.app[CLOSES].append(socket.close_code)
    return socket


class Place:
    def __init__(self, edge: Edge, session: aiohttp.ClientSession, closes: list[int | None]) -> None:
        self.edge = edge
        self.session = session
        self.closes = closes

    async def connect(self) -> aiohttp.ClientWebSocketResponse:
        return await self.session.ws_connect("/socket", max_msg_size=0, autoping=False, protocols=("echo",))


@asynccontextmanager
async def visiting(lone: Lone) -> AsyncIterator[Place]:
    app = web.Application()
    app[CLOSES] = []
    app.router.add_get("/socket", echo)
    async with serving(app, lone.node), browser(lone.edge.port(), lone.tls) as session:
        yield Place(lone.edge, session, app[CLOSES])


@pytest.fixture(scope="module", params=["http", "https"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lone]:
    with lone_edge(tmp_path_factory.mktemp("town"), request.param, workers=2) as lone:
        yield lone


@pytest.fixture
async def place(shared: Lone) -> AsyncIterator[Place]:
    async with visiting(shared) as place:
        yield place


async def test_frames_of_every_size_come_back_as_they_were(place: Place) -> None:
    async with await place.connect() as socket:
        assert socket.protocol == "echo"
        for size in SIZES:
            data = os.urandom(size)
            await socket.send_bytes(data)
            assert await socket.receive_bytes() == data
        await socket.send_str("kia ora ✓")
        assert await socket.receive_str() == "kia ora ✓"


async def test_many_frames_stay_in_order_both_ways_at_once(place: Place) -> None:
    async with await place.connect() as socket:
        sending = asyncio.create_task(_send_all(socket))
        assert [await socket.receive_str() for _ in range(2000)] == [str(number) for number in range(2000)]
        await sending


async def _send_all(socket: aiohttp.ClientWebSocketResponse) -> None:
    for number in range(2000):
        await socket.send_str(str(number))


async def test_a_ping_is_answered_by_the_node(place: Place) -> None:
    async with await place.connect() as socket:
        await socket.ping(b"are you there")
        answer = await socket.receive()
        assert (answer.type, answer.data) == (WSMsgType.PONG, b"are you there")


async def test_it_closes_with_the_code_of_the_side_that_closes_it(place: Place) -> None:
    async with await place.connect() as socket:
        await socket.send_str("bye")
        last = await socket.receive()
        assert (last.type, last.data, last.extra) == (WSMsgType.CLOSE, 4001, "as you wish")
    socket = await place.connect()
    await socket.close(code=4002, message=b"enough")
    await until(lambda: len(place.closes) == 2, "the server has seen both end")
    assert place.closes[1] == 4002


async def test_a_node_that_breaks_off_is_seen_as_broken_off(place: Place) -> None:
    async with await place.connect() as socket:
        await socket.send_str("die")
        last = await socket.receive()
        assert last.type in (WSMsgType.CLOSED, WSMsgType.ERROR)
        assert socket.close_code == 1006


async def test_a_drain_lets_it_go_on_and_ends_with_it(tmp_path: Path) -> None:
    with lone_edge(tmp_path, "https", workers=2) as lone:
        async with visiting(lone) as place, await place.connect() as socket:
            await socket.send_str("before")
            assert await socket.receive_str() == "before"
            place.edge.terminate()
            await socket.send_str("while it drains")
            assert await socket.receive_str() == "while it drains"
            await socket.send_str("bye")
            assert (await socket.receive()).data == 4001
        assert await asyncio.to_thread(lone.edge.process.wait, 10) == 0
