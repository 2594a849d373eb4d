"""A TCP relay whose way can be taken: between a store process and an engine.

open      bytes pass
cut       connections are reset, new ones too: a firewall that refuses
held      nothing is read any more; what was sent arrives when it opens again: a network that comes back and
          retransmits. So a write may reach an engine long after its client gave up
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from enum import Enum

CHUNK = 1 << 16
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of 0 s: closing sends RST."""


class Way(Enum):
    OPEN = "open"
    CUT = "cut"
    HELD = "held"


class Relay:
    """From a port of its own to `target`, on loopback."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self._way = Way.OPEN
        self._opened = asyncio.Event()
        self._opened.set()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def take(self, way: Way) -> None:
        """From now on."""
        self._way = way
        if way is Way.HELD:
            self._opened.clear()
        else:
            self._opened.set()
        if way is Way.CUT:
            for writer in list(self._writers):
                abort(writer)

    async def close(self) -> None:
        if self._server:
            self._server.close()
        while self._tasks:
            self.take(Way.CUT)
            await asyncio.wait(self._tasks, timeout=0.05)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._way is Way.CUT:
            abort(writer)
            return
        with contextlib.suppress(OSError):
            await self._opened.wait()
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
            self._writers |= {writer, far_writer}
            try:
                await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))
            finally:
                self._writers -= {writer, far_writer}
                abort(far_writer)
        abort(writer)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Either end's end is the end of both."""
        while data := await reader.read(CHUNK):
            await self._opened.wait()
            if self._way is Way.CUT:
                return
            writer.write(data)
            await writer.drain()
        await self._opened.wait()
        raise ConnectionResetError


def abort(writer: asyncio.StreamWriter) -> None:
    """With RST."""
    raw = writer.get_extra_info("socket")
    with contextlib.suppress(OSError, AttributeError):
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()
