"""The door itself: its address, its connections, what they may hold together, the sweep that ends what is too slow."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import steer
from steer.clock import Clock, SystemClock
from steer.errors import SteerError
from steer.sessions.access import Access
from steer.sessions.resp.connection import Connection
from steer.sessions.resp.greeting import REDIS_VERSION
from steer.sessions.resp.replies import error
from steer.sessions.resp.session import Facts, Session
from steer.sessions.space import Space

logger = logging.getLogger("steer.sessions.resp")

SWEEP = 0.05
"""Seconds between two looks at the connections that are waited for. None is waiting: no sweep."""

FULL = error("ERR max number of clients reached")
"""In the words of Redis: libraries know them."""

BACKLOG = 512
"""Connections that wait for `accept`: as many as Redis has."""


@dataclass(frozen=True, slots=True)
class RespLimits:
    """`patience` is how long a command may wait for the store, in seconds: an engine that hangs costs its first clients
    0.3 s and the way to the other site, at most 1 s (the time that a namespace with `acknowledge: all` waits comes on
    top). `held` bytes of half commands and unread replies are for all connections together; each may have 64 KiB of
    them whatever the others have."""

    connections: int = 10_000
    held: int = 256 * 1024 * 1024
    patience: float = 1.0


@dataclass(slots=True)
class Counts:
    """Since the door opened."""

    connections: int = 0
    refused: int = 0
    failures: Counter[str] = field(default_factory=Counter)


class RespDoor:
    """Serves namespaces to clients that speak Redis' protocol. `spaces` by name, the first is that of a door without
    users. `status` says more for the `# sessions` section of INFO. One event loop; raises `SteerError`."""

    def __init__(
        self,
        spaces: Mapping[str, Space],
        access: Access,
        limits: RespLimits | None = None,
        *,
        clock: Clock | None = None,
        status: Callable[[], Facts] | None = None,
    ) -> None:
        if not spaces:
            raise SteerError("sessions.doors.resp: needs a namespace to serve", "sessions.namespaces")
        # For the life of the door.
        self.access = access
        self.clock: Clock = clock or SystemClock()
        self.limits = limits or RespLimits()
        self.patience = self.limits.patience
        self.counts = Counts()
        self.learned_scripts: dict[str, str] = {}
        self._spaces = dict(spaces)
        self._status = status
        self._loop = asyncio.get_running_loop()
        self.time = self._loop.time
        self._server: asyncio.Server | None = None
        # Now.
        self.held = 0
        self._connections: set[Connection] = set()
        self._watched: set[Connection] = set()
        self._sweeping: asyncio.TimerHandle | None = None
        self._empty = asyncio.Event()

    # Opening and closing.

    async def serve(self, sock: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        """On a socket that is bound already."""
        self._server = await self._loop.create_server(self._connect, sock=sock, ssl=tls, backlog=BACKLOG)

    async def close(self, grace: float = 2.0) -> None:
        """No new connections; those at work get `grace` seconds to end what they have begun."""
        if self._server is not None:
            self._server.close()
        self._empty.clear()
        for connection in tuple(self._connections):
            connection.drain()
        try:
            async with asyncio.timeout(grace):
                while self._connections:
                    await self._empty.wait()
        except TimeoutError:
            for connection in tuple(self._connections):
                connection.transport.abort()
        if self._sweeping is not None:
            self._sweeping.cancel()

    def _connect(self) -> Connection:
        self.counts.connections += 1
        return Connection(self, Session(self, self.counts.connections))

    # What connections ask.

    def admit(self, connection: Connection) -> bool:
        """Is there room for it? If not it is told, and gone."""
        self._connections.add(connection)
        if len(self._connections) <= self.limits.connections:
            return True
        self.counts.refused += 1
        connection.refuse(FULL)
        return False

    def dismiss(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._watched.discard(connection)
        self.held -= connection.held
        connection.held = 0
        if not self._connections:
            self._empty.set()

    def account(self, more: int) -> bool:
        """So many bytes more (or fewer) are held. Is it within the budget?"""
        self.held += more
        return more <= 0 or self.held <= self.limits.held

    def watch(self, connection: Connection) -> None:
        self._watched.add(connection)
        if self._sweeping is None:
            self._sweeping = self._loop.call_later(SWEEP, self._sweep)

    def unwatch(self, connection: Connection) -> None:
        self._watched.discard(connection)

    def _sweep(self) -> None:
        now = self._loop.time()
        for connection in [each for each in self._watched if each.deadline <= now]:
            connection.expire()
        self._sweeping = self._loop.call_later(SWEEP, self._sweep) if self._watched else None

    def count(self, failure: Exception) -> None:
        self.counts.failures[type(failure).__name__] += 1

    # What commands ask (`DoorFace`).

    def space(self, name: str | None) -> Space | None:
        if name is not None:
            return self._spaces.get(name)
        return next(iter(self._spaces.values())) if self.access.is_open else None

    def facts(self) -> Mapping[str, Facts]:
        failures = self.counts.failures
        return {
            "server": {"redis_version": REDIS_VERSION, "redis_mode": "standalone", "steer_version": steer.__version__},
            "clients": {"connected_clients": len(self._connections), "maxclients": self.limits.connections},
            "persistence": {"loading": 0},
            "stats": {
                "total_connections_received": self.counts.connections,
                "rejected_connections": self.counts.refused,
            },
            "replication": {"role": "master", "connected_slaves": 0},
            "sessions": {
                "bytes_held_for_clients": self.held,
                "unavailable_answers": failures["EngineDown"] + failures["Indeterminate"] + failures["Late"],
                **(self._status() if self._status else {}),
            },
        }
