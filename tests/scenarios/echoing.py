"""WebSockets by the hundred: a node that gives back what it gets, and clients that hold theirs open."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.scenarios.traffic import LOCAL, Connection

KEY = base64.b64encode(b"sixteen bytes it").decode()
ACCEPT = base64.b64encode(hashlib.sha1(f"{KEY}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()).decode()
UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": KEY}
ANSWER = (
    f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {ACCEPT}"
)


@asynccontextmanager
async def echoing(port: int) -> AsyncIterator[None]:
    """A node that takes every upgrade, and from then on gives each byte back. The edge does not look into frames."""
    under_way: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        under_way.add(writer)
        with suppress(OSError, EOFError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(f"{ANSWER}\r\n\r\n".encode())
            while data := await reader.read(1024):
                writer.write(data)
        writer.close()
        under_way.discard(writer)

    server = await asyncio.start_server(serve, LOCAL, port)
    try:
        yield
    finally:
        server.close()
        for writer in under_way:
            writer.transport.abort()
        await asyncio.sleep(0)


class WebSockets:
    """So many, open."""

    def __init__(self, connections: list[Connection]) -> None:
        self._connections = connections

    async def broken(self) -> list[str]:
        """Says something on each and waits for it to come back: what was wrong with those that did not do it."""
        found = await asyncio.gather(*(self._echo(*each) for each in enumerate(self._connections)))
        return [problem for problem in found if problem]

    async def _echo(self, number: int, connection: Connection) -> str:
        said = f"this is {number:6}".encode()
        try:
            connection.writer.write(said)
            async with asyncio.timeout(10):
                heard = await connection.reader.readexactly(len(said))
        except (OSError, EOFError, TimeoutError) as error:
            return f"{number}: {error!r}"
        return "" if heard == said else f"{number}: heard {heard!r}"


@asynccontextmanager
async def websockets(port: int, number: int, path: str = "/socket") -> AsyncIterator[WebSockets]:
    """Through the edge on this port."""
    connections = []
    for _ in range(number):
        connection = await Connection.open(port)
        connections.append(connection)
        connection.send(path, fields=UPGRADE)
        status, _ = await connection.receive_head()
        assert status == 101
    try:
        yield WebSockets(connections)
    finally:
        for connection in connections:
            await connection.close()
