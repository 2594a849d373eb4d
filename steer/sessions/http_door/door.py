"""The HTTP door's address, its connections, and how many there may be."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from aiohttp import web
from aiohttp.typedefs import Handler

from steer.clock import Clock, SystemClock
from steer.errors import SteerError
from steer.sessions.access import Access
from steer.sessions.http_door.api import Api
from steer.sessions.http_door.problems import RETRY, Problem
from steer.store.model import Namespace

FULL = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

SWEEP = 1.0
"""Seconds between two looks for connections that wait for nothing."""

CLOSING_TIME = 2.0
"""Seconds that requests under way get when the door closes. All are short."""

LINGERING_TIME = 1.0
"""Seconds for which a body that nobody wants is read on, so that its sender sees the answer."""

HANDSHAKE_TIME = 10.0
"""Seconds for TLS. Until then a connection has no transport, after that one without has ended."""


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """`idle` seconds without a request in full end a connection: what is kept alive, and what sends its head slowly.
    `requests` bounds the bodies in memory: 256 KiB each. `patience` is as the RESP door's."""

    connections: int = 1_000
    requests: int = 500
    idle: float = 75.0
    patience: float = 1.0


class HttpDoor:
    """Serves namespaces, by name, as resources. Raises `SteerError`."""

    def __init__(
        self,
        namespaces: Mapping[str, Namespace],
        access: Access,
        limits: HttpLimits | None = None,
        *,
        clock: Clock | None = None,
    ) -> None:
        if not namespaces:
            raise SteerError("sessions.doors.http: needs a namespace to serve", "sessions.namespaces")
        # For the life of the door.
        self.limits = limits or HttpLimits()
        self._loop = asyncio.get_running_loop()
        self._api = Api(namespaces, access, clock or SystemClock(), self.limits.patience)
        self._runner = web.AppRunner(
            self._api.application(self._admit),
            access_log=None,
            shutdown_timeout=CLOSING_TIME,
            lingering_time=LINGERING_TIME,
        )
        self._server: asyncio.Server | None = None
        # Now.
        self._requests = 0
        self._idle_since: dict[web.RequestHandler, float] = {}
        self._sweeping: asyncio.TimerHandle | None = None

    async def serve(self, sock: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        """On a socket that is bound already."""
        await self._runner.setup()
        handshake_time = HANDSHAKE_TIME if tls else None
        self._server = await self._loop.create_server(
            self._connect, sock=sock, ssl=tls, ssl_handshake_timeout=handshake_time
        )

    async def close(self) -> None:
        """No new connections; requests under way get `CLOSING_TIME`."""
        if self._server is not None:
            self._server.close()
        if self._sweeping is not None:
            self._sweeping.cancel()
        await self._runner.cleanup()

    def _connect(self) -> asyncio.Protocol:
        server = self._runner.server
        assert server is not None, "serve() has set it up"
        if len(server.connections) >= self.limits.connections:
            return _Refused()
        handler = server()
        self._rests(handler)
        return handler

    def _rests(self, handler: web.RequestHandler) -> None:
        self._idle_since[handler] = self._loop.time()
        if self._sweeping is None:
            self._sweeping = self._loop.call_later(SWEEP, self._sweep)

    def _sweep(self) -> None:
        """End what has rested for too long, and forget what has ended."""
        now = self._loop.time()
        for handler, since in tuple(self._idle_since.items()):
            most = self.limits.idle if handler.transport else HANDSHAKE_TIME
            if now - since >= most:
                del self._idle_since[handler]
                handler.force_close()
        self._sweeping = self._loop.call_later(SWEEP, self._sweep) if self._idle_since else None

    @web.middleware
    async def _admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self._requests >= self.limits.requests:
            raise Problem("busy", "try again", RETRY)
        self._idle_since.pop(request.protocol, None)
        self._requests += 1
        try:
            return await handler(request)
        finally:
            self._requests -= 1
            self._rests(request.protocol)


class _Refused(asyncio.Protocol):
    """A connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.WriteTransport", transport).write(FULL)  # uvloop's are no subclasses
        transport.close()
