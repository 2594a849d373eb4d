"""The door of a store process of the rig: requests and answers as lines of JSON, many at a time over one connection.

The product's own doors stand on the same `Namespace`. This one shows the stamps, and the moves that no door has.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

from chaos.door import Message, Unanswered, Unreachable

LIMIT = 1 << 20
PATIENCE = 3.0
"""Seconds that a client waits: longer than any promise of the store."""


class LineDoor:
    """A client's end, a `chaos.door.Door`."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._waiting: dict[int, asyncio.Future[Message]] = {}
        self._number = 0
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._connecting = asyncio.Lock()

    async def ask(self, f: str, **arguments: Any) -> Message:
        """The answer. Raises Unreachable and Unanswered."""
        writer = await self._connected()
        self._number += 1
        number, answer = self._number, asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            writer.write(json.dumps({"n": number, "f": f, **arguments}).encode() + b"\n")
            async with asyncio.timeout(arguments.get("patience", PATIENCE)):
                found: Message = await answer
                return found
        except TimeoutError:
            raise Unanswered(f"no answer in {PATIENCE:g} s") from None
        finally:
            self._waiting.pop(number, None)

    async def _connected(self) -> asyncio.StreamWriter:
        async with self._connecting:
            if self._writer is None:
                try:
                    reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=LIMIT)
                except OSError as error:
                    raise Unreachable(str(error)) from error
                self._reading = asyncio.create_task(self._read(reader), name="read a door")
            return self._writer

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError):
            while line := await reader.readline():
                message = json.loads(line)
                if (answer := self._waiting.get(message["n"])) and not answer.done():
                    answer.set_result(message)
        self._broken()

    def _broken(self) -> None:
        if self._writer:
            self._writer.transport.abort()
            self._writer = None
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(Unanswered("the connection ended"))

    async def close(self) -> None:
        self._broken()
        if self._reading:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)


async def serve(port: int, answer: Callable[[Message], Awaitable[Message]]) -> asyncio.Server:
    """The other end: each request is a task of its own."""
    tasks: set[asyncio.Task[None]] = set()

    async def one(request: Message, writer: asyncio.StreamWriter) -> None:
        told = await answer(request)
        if not writer.is_closing():
            writer.write(json.dumps({"n": request["n"], **told}).encode() + b"\n")

    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while line := await reader.readline():
                task = asyncio.create_task(one(json.loads(line), writer), name="answer")
                tasks.add(task)
                task.add_done_callback(tasks.discard)
        writer.close()

    return await asyncio.start_server(conversation, "127.0.0.1", port, limit=LIMIT)
