"""Which sockets this process accepts from: asyncio servers on the sockets of slots, made and closed by order."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from socket import socket

from steer.runtime.sockets import BACKLOG

GOODBYE = 2.0
"""Seconds for a client's close_notify. Many never send one (a phone that went to sleep), and nothing depends on it."""


@dataclass(frozen=True, slots=True)
class Door:
    """What happens with a connection to one listener. `handshake` is the limit of a TLS handshake, in seconds."""

    protocol: Callable[[], asyncio.BaseProtocol]
    tls: ssl.SSLContext | None = None
    handshake: float | None = None


class Accepting:
    """`sockets` and `doors` by listener name. Nothing is accepted before the first `accept`."""

    def __init__(self, sockets: Mapping[str, Sequence[socket]], doors: Mapping[str, Door]) -> None:
        self._sockets = sockets
        self._doors = doors
        self._servers: dict[int, list[asyncio.Server]] = {}

    @property
    def slots(self) -> tuple[int, ...]:
        return tuple(sorted(self._servers))

    async def accept(self, slot: int) -> None:
        """Take connections from this slot of every listener, those that wait already first. Twice is once."""
        if slot in self._servers:
            return
        servers = self._servers[slot] = []
        for name, door in self._doors.items():
            servers.append(await self._serve(self._sockets[name][slot], door))

    async def release(self, slot: int) -> None:
        """Stop to take connections from this slot; those taken go on, and the socket stays with its other holders."""
        for server in self._servers.pop(slot, []):
            server.close()

    async def close(self) -> None:
        """Release all."""
        for slot in self.slots:
            await self.release(slot)

    async def _serve(self, listening: socket, door: Door) -> asyncio.Server:
        # A duplicate: closing a server closes its descriptor, and this slot may be accepted from again.
        return await asyncio.get_running_loop().create_server(
            door.protocol,
            sock=listening.dup(),
            backlog=BACKLOG,
            ssl=door.tls,
            ssl_handshake_timeout=door.handshake if door.tls is not None else None,
            ssl_shutdown_timeout=GOODBYE if door.tls is not None else None,
        )
