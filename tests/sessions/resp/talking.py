"""A RESP door on a port of its own, and a client that writes and reads bytes."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from steer.sessions.access import Access, Holder
from steer.sessions.resp import RespDoor, RespLimits
from steer.sessions.space import Space
from steer.store.model import Namespace
from tests.kit.clock import ManualClock
from tests.sessions.memory import MemoryNamespace

WITHIN = 5.0
"""Seconds that a test waits for what must come."""

LOCAL_KEYS = ("*_LOCK",)


def listening() -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", 0))
    return sock


@dataclass
class Served:
    """An open door: where it is, and what is behind it."""

    door: RespDoor
    port: int
    clock: ManualClock
    namespaces: Mapping[str, Namespace]
    clients: list[Talk] = field(default_factory=list)

    async def client(self, tls: ssl.SSLContext | None = None) -> Talk:
        name = "localhost" if tls else None
        self.clients.append(Talk(*await asyncio.open_connection("127.0.0.1", self.port, ssl=tls, server_hostname=name)))
        return self.clients[-1]


@asynccontextmanager
async def serving(
    namespaces: Mapping[str, Namespace] | None = None,
    holders: Mapping[str, Holder] | None = None,
    limits: RespLimits | None = None,
    tls: ssl.SSLContext | None = None,
    clock: ManualClock | None = None,
) -> AsyncIterator[Served]:
    clock = clock or ManualClock()
    namespaces = namespaces or {"web": MemoryNamespace(clock)}
    spaces = {name: Space(name, each, 28_800.0, clock, LOCAL_KEYS) for name, each in namespaces.items()}
    door = RespDoor(spaces, Access(holders or {}, "users"), limits, clock=clock)
    sock = listening()
    await door.serve(sock, tls)
    served = Served(door, sock.getsockname()[1], clock, namespaces)
    try:
        yield served
    finally:
        for client in served.clients:
            await client.close()
        await door.close(grace=0.1)


class Talk:
    """One connection. `ask` takes a line of words and gives the reply, as the bytes that came."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, line: str | bytes) -> bytes:
        self.send(line)
        return await self.reply()

    def send(self, line: str | bytes) -> None:
        self.writer.write(encoded(*(line if isinstance(line, bytes) else line.encode()).split()))

    async def reply(self) -> bytes:
        async with asyncio.timeout(WITHIN):
            return await self._reply()

    async def _reply(self) -> bytes:
        line = await self.reader.readuntil(b"\r\n")
        kind, number = line[:1], line[1:-2]
        if kind == b"$" and number != b"-1":
            return line + await self.reader.readexactly(int(number) + 2)
        if kind in b"*~%" and number != b"-1":
            count = int(number) * (2 if kind == b"%" else 1)
            return line + b"".join([await self._reply() for _ in range(count)])
        return line

    async def rest(self) -> bytes:
        """What comes until the door hangs up."""
        async with asyncio.timeout(WITHIN):
            return await self.reader.read()

    async def close(self) -> None:
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()


def encoded(*words: bytes) -> bytes:
    """A command as clients send it."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)
