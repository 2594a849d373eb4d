"""Large bodies, byte for byte, at the pace of the slower side, in little memory."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import aiohttp
import pytest
from aiohttp import web

from tests.kit.processes import memory
from tests.kit.waiting import until
from tests.scenarios.app import Lone, browser, lone_edge, serving
from tests.scenarios.town import Edge
from tests.scenarios.traffic import Connection

MiB = 1024 * 1024
DOWNLOAD, UPLOAD = 64 * MiB, 8 * MiB
PIECE = os.urandom(MiB)
LEAST_GROWTH_THAT_IS_TOO_MUCH = 20 * MiB
STALLED = 0.5
"""Seconds without progress after which nothing more is on its way."""


def pieces(size: int) -> list[bytes]:
    """Each different, so that none can be lost, doubled or exchanged unseen."""
    return [number.to_bytes(4, "big") + PIECE[4:] for number in range(size // MiB)]


def digest(size: int) -> str:
    return hashlib.sha256(b"".join(pieces(size))).hexdigest()


class Server:
    """`written` and `read` are the bytes that it got rid of and took. It reads an upload when `may_read` is set."""

    def __init__(self) -> None:
        self.written = self.read = 0
        self.may_read = asyncio.Event()
        self.may_read.set()

    async def download(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        if "chunked" not in request.query:
            response.content_length = DOWNLOAD
        await response.prepare(request)
        for piece in pieces(DOWNLOAD):
            await response.write(piece)
            self.written += len(piece)
        return response

    async def upload(self, request: web.Request) -> web.Response:
        total = hashlib.sha256()
        await self.may_read.wait()
        async for data in request.content.iter_any():
            self.read += len(data)
            total.update(data)
        return web.Response(text=total.hexdigest())


@dataclass(frozen=True)
class Place:
    edge: Edge
    server: Server
    session: aiohttp.ClientSession
    tls: ssl.SSLContext | None

    async def connect(self) -> Connection:
        return await Connection.open(self.edge.port(), tls=self.tls)

    async def until_stalled(self, progress: list[int]) -> None:
        """Until no byte has moved for a while. `progress` grows by the test's own side, `server` by the other."""
        loop = asyncio.get_running_loop()
        seen, since = -1, loop.time()

        def is_stalled() -> bool:
            nonlocal seen, since
            now = self.server.written + self.server.read + sum(progress)
            if now != seen:
                seen, since = now, loop.time()
            return loop.time() - since > STALLED

        await until(is_stalled, "nothing moves any more", within=30)


@pytest.fixture(scope="module", params=["http", "https"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lone]:
    with lone_edge(tmp_path_factory.mktemp("town"), request.param, workers=1) as lone:
        yield lone


@pytest.fixture
async def place(shared: Lone) -> AsyncIterator[Place]:
    server = Server()
    app = web.Application(client_max_size=0)
    app.router.add_get("/download", server.download)
    app.router.add_put("/upload", server.upload)
    async with serving(app, shared.node), browser(shared.edge.port(), shared.tls) as session:
        yield Place(shared.edge, server, session, shared.tls)


async def parts(size: int, sent: list[int]) -> AsyncIterator[bytes]:
    for piece in pieces(size):
        yield piece
        sent.append(len(piece))


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_an_upload_of_8_mib_arrives_byte_for_byte(place: Place, framing: str) -> None:
    body = io.BytesIO(b"".join(pieces(UPLOAD))) if framing == "length" else parts(UPLOAD, [])
    async with place.session.put("/upload", data=body) as response:
        assert (response.status, await response.text()) == (200, digest(UPLOAD))


async def test_a_download_of_64_mib_arrives_byte_for_byte(place: Place) -> None:
    total = hashlib.sha256()
    async with place.session.get("/download?chunked") as response:
        async for data in response.content.iter_any():
            total.update(data)
    assert total.hexdigest() == digest(DOWNLOAD)


async def test_a_download_that_nobody_reads_takes_no_memory_and_is_whole_in_the_end(place: Place) -> None:
    (worker,) = place.edge.workers
    async with await place.connect() as connection:
        assert (await connection.ask("/.steer/health")).status == 200
        before = memory(worker)
        connection.send("/download")
        status, fields = await connection.receive_head()
        assert (status, fields["content-length"]) == (200, str(DOWNLOAD))
        await place.until_stalled([])
        assert place.server.written < DOWNLOAD
        assert memory(worker) - before < LEAST_GROWTH_THAT_IS_TOO_MUCH
        total, left = hashlib.sha256(), DOWNLOAD
        while left:
            data = await connection.reader.read(min(left, 100_000))
            total.update(data)
            left -= len(data)
        assert total.hexdigest() == digest(DOWNLOAD)
        assert memory(worker) - before < LEAST_GROWTH_THAT_IS_TOO_MUCH


async def test_an_upload_that_the_node_does_not_read_takes_no_memory_and_is_whole_in_the_end(place: Place) -> None:
    (worker,) = place.edge.workers
    place.server.may_read.clear()
    sent: list[int] = []
    before = memory(worker)
    uploading = asyncio.create_task(_upload(place, sent))
    await until(lambda: sent, "the upload has begun")
    await place.until_stalled(sent)
    assert sum(sent) < DOWNLOAD
    assert memory(worker) - before < LEAST_GROWTH_THAT_IS_TOO_MUCH
    place.server.may_read.set()
    assert await uploading == digest(DOWNLOAD)


async def _upload(place: Place, sent: list[int]) -> str:
    async with place.session.put("/upload", data=parts(DOWNLOAD, sent)) as response:
        return await response.text()
