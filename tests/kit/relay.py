"""A line between two that can be cut, held, or made long.

async with Relay(redis.port) as line:
    line.url; line.cut(); line.hold(); line.mend(); line.delay = 0.02
"""

from __future__ import annotations

import asyncio
from typing import Self


class Relay:
    """Passes bytes on, both ways. `delay` is one way, in seconds."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._server: asyncio.Server | None = None
        self._passes = asyncio.Event()
        self._passes.set()
        self._is_cut = False
        self._connections: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.delay = 0.0
        self.port = 0

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Connections are reset, and new ones too."""
        self._is_cut = True
        for writer in self._connections:
            writer.transport.abort()

    def hold(self) -> None:
        """Nothing passes, and nobody is told: as when packets are dropped."""
        self._passes.clear()

    def mend(self) -> None:
        self._is_cut = False
        self._passes.set()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        try:
            further, onward = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        self._connections |= {writer, onward}
        for source, target in ((reader, onward), (further, writer)):
            task = asyncio.get_running_loop().create_task(self._pass(source, target), name="relay")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                await asyncio.sleep(self.delay)
                await self._passes.wait()
                target.write(data)
                await target.drain()
        except OSError:
            pass
        finally:
            self._connections.discard(target)
            target.transport.abort()
