"""Which sockets this process accepts from: asyncio servers on the sockets of slots, made and closed by order."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from socket import SHUT_RD, socket
from typing import Protocol

from steer.errors import Failure
from steer.runtime.announced import Announced, Server, read_header
from steer.runtime.sockets import BACKLOG

GOODBYE = 2.0
"""Seconds for a client's close_notify. Many never send one (a phone that went to sleep), and nothing depends on it."""


@dataclass(frozen=True, slots=True)
class Door:
    """What happens with a connection to one listener. `handshake` is the limit of a TLS handshake, in seconds."""

    protocol: Callable[[], asyncio.BaseProtocol]
    tls: ssl.SSLContext | None = None
    handshake: float | None = None
    announced: Announced | None = None
    """Each connection begins with a PROXY header, before TLS."""


class Closing(Protocol):
    def close(self) -> None: ...


class Accepting:
    """`sockets` and `doors` by listener name. Nothing is accepted before the first `accept`."""

    def __init__(self, sockets: Mapping[str, Sequence[socket]], doors: Mapping[str, Door]) -> None:
        self._sockets = sockets
        self._doors = dict(doors)
        self._servers: dict[int, list[Closing]] = {}

    @property
    def slots(self) -> tuple[int, ...]:
        return tuple(sorted(self._servers))

    async def accept(self, slot: int) -> None:
        """Take connections from this slot of every listener, those that wait already first. Twice is once."""
        if slot in self._servers:
            return
        servers = self._servers[slot] = []
        for name in self._doors:
            server = await self._serve(name, self._sockets[name][slot])
            servers.append(server)

    def replace(self, doors: Mapping[str, Door]) -> None:
        """Other protocols for connections from now on. Names, TLS contexts, the time for a handshake and whether
        connections are announced stay as they were."""
        self._doors.update(doors)

    async def release(self, slot: int) -> None:
        """Stop to take connections from this slot; those taken go on, and the socket stays with its other holders."""
        for server in self._servers.pop(slot, []):
            server.close()

    async def shut(self) -> None:
        """Nobody may listen on the slots accepted from any more: who waits there is taken, who comes later is refused.

        A listening socket that is merely closed resets those that wait, and while another process holds it, it goes on
        to gather connections that nobody will take.
        """
        for slot in self.slots:
            await self.release(slot)
            for name, door in self._doors.items():
                await _take_rest(self._sockets[name][slot], door)
        await asyncio.sleep(0)  # what a server accepted a moment ago begins in the loop's next turn

    async def close(self) -> None:
        """Release all."""
        for slot in self.slots:
            await self.release(slot)

    async def _serve(self, name: str, listening: socket) -> Closing:
        door = self._doors[name]
        # A duplicate: closing a server closes its descriptor, and this slot may be accepted from again.
        if door.announced is not None:
            return Server(listening.dup(), lambda connection: _begin(connection, self._doors[name]))
        return await asyncio.get_running_loop().create_server(
            lambda: self._doors[name].protocol(),
            sock=listening.dup(),
            backlog=BACKLOG,
            ssl=door.tls,
            ssl_handshake_timeout=door.handshake if door.tls is not None else None,
            ssl_shutdown_timeout=GOODBYE if door.tls is not None else None,
        )


async def _take_rest(listening: socket, door: Door) -> None:
    waiting = []
    with suppress(BlockingIOError):
        while True:
            waiting.append(listening.accept()[0])
    listening.shutdown(SHUT_RD)
    await asyncio.gather(*(_begin(connection, door) for connection in waiting))


async def _begin(connection: socket, door: Door) -> None:
    """An accepted socket becomes a connection of this door."""
    protocol = door.protocol
    if door.announced is not None:
        found = await read_header(connection, door.announced.trusted)
        if isinstance(found, Failure):
            door.announced.refuse(_peer(connection), found)
            connection.close()
            return
        if found is not None:
            protocol = partial(door.announced.protocol, found)
    with suppress(OSError):  # the handshake failed, and that has ended the connection
        await asyncio.get_running_loop().connect_accepted_socket(
            protocol,
            connection,
            ssl=door.tls,
            ssl_handshake_timeout=door.handshake if door.tls is not None else None,
            ssl_shutdown_timeout=GOODBYE if door.tls is not None else None,
        )


def _peer(connection: socket) -> str:
    """Its address; empty where it has gone already."""
    with suppress(OSError):
        return str(connection.getpeername()[0])
    return ""
