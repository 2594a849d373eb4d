"""A client of an edge's HTTP door that knows what it sent: none that sends a request a second time by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from chaos.door import Unanswered, Unreachable

Talk = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Response:
    """`fields` by their names in small letters."""

    status: int
    fields: Mapping[str, str]
    body: bytes


class HttpClient:
    """One request at a time on each of its connections, which are kept. `patience`: seconds for an answer."""

    def __init__(self, port: int, patience: float) -> None:
        self._port = port
        self._patience = patience
        self._idle: list[Talk] = []

    async def ask(self, method: str, path: str, fields: Mapping[str, str], body: bytes = b"") -> Response:
        """Raises Unreachable and Unanswered."""
        talk = self._kept() or await self._connect()
        try:
            async with asyncio.timeout(self._patience):
                talk[1].write(request(method, path, fields, body))
                response = await answer(talk[0])
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            talk[1].transport.abort()
            raise Unanswered(f"{method}: {type(error).__name__}") from error
        if response.fields.get("connection") == "close":
            talk[1].close()
        else:
            self._idle.append(talk)
        return response

    def _kept(self) -> Talk | None:
        """A connection that its other end has not ended."""
        while self._idle:
            reader, writer = self._idle.pop()
            if not (reader.at_eof() or reader.exception() or writer.is_closing()):
                return reader, writer
            writer.transport.abort()
        return None

    async def _connect(self) -> Talk:
        try:
            return await asyncio.open_connection("127.0.0.1", self._port)
        except OSError as error:
            raise Unreachable(str(error)) from error

    async def close(self) -> None:
        for _, writer in self._idle:
            writer.transport.abort()
        self._idle.clear()


def request(method: str, path: str, fields: Mapping[str, str], body: bytes) -> bytes:
    told = {"Host": "localhost", "Content-Length": str(len(body)), **fields}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in told.items()), "", ""]
    return "\r\n".join(lines).encode() + body


async def answer(reader: asyncio.StreamReader) -> Response:
    """The next one. The door says how long each is, but for those that have no body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in head[1:] if line)
    fields = {name.lower(): value.strip() for name, _, value in pairs}
    status = int(head[0].split()[1])
    return Response(status, fields, await reader.readexactly(int(fields.get("content-length", "0"))))
