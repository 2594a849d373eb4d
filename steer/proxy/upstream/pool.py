"""The connections of one worker to one node.

The mutable state is: the idle connections (last in, first out, so that few are kept busy and the rest time out), the
number of open ones, and the queue of exchanges that wait for one. An exchange that finds no idle connection waits,
and a connection is opened for it; whichever is free first, an old connection or the new one, serves the first in the
queue. No task runs unless a connection must be opened.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from dataclasses import replace
from time import monotonic
from typing import Protocol

from steer.errors import NODE_REFUSED, NODE_TLS, NODE_UNREACHABLE, Failure
from steer.proxy.proxy_protocol import Endpoints
from steer.proxy.settings import NodeAddress, PoolSettings
from steer.proxy.upstream.connection import UpstreamConnection
from steer.steering.model import Outcome

FRESH_S = 1.0
"""Shorter than any keep-alive time-out that servers have by default (Gunicorn's, at 2 s, is the shortest known)."""


class Waiting(Protocol):
    """An exchange in the queue."""

    @property
    def client(self) -> str:
        """The client's address."""

    @property
    def retriable(self) -> bool:
        """It may be sent twice."""

    @property
    def endpoints(self) -> Endpoints:
        """Of the client's connection; `source` is `client`."""

    def on_connection(self, connection: UpstreamConnection) -> None: ...
    def on_connect_failure(self, failure: Failure, outcome: Outcome) -> None: ...


class NodePool:
    """Connections to one node, for one worker."""

    def __init__(self, name: str, address: NodeAddress, settings: PoolSettings) -> None:
        self.name = name
        self.address = address
        self.settings = settings
        self.heard = 0
        """How often anything came from the node: one for which this stands still answers nobody."""
        self._idle: list[UpstreamConnection] = []
        self._open: set[UpstreamConnection] = set()
        self._queue: deque[Waiting] = deque()
        self._connecting: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        busy = len(self._open) - len(self._idle)
        return f"<NodePool {self.name} [{busy} busy, {len(self._idle)} idle | {len(self._queue)} waiting]>"

    # The exchange's side.

    def take(self, replayable: bool = True) -> UpstreamConnection | None:
        """An idle connection, if there is one.

        A request that cannot be sent twice gets one that was busy a moment ago: an older one may be closing at the
        node's end just now, and then nobody could tell whether the request was seen.
        """
        idle = self._idle
        while idle:
            if not replayable and idle[-1].idle_since < monotonic() - FRESH_S:
                return None
            connection = idle.pop()
            if not connection.lost and not connection.transport.is_closing():
                return connection
        return None

    @property
    def _can_open(self) -> bool:
        return len(self._open) + len(self._connecting) < self.settings.max_connections

    def queue(self, exchange: Waiting) -> None:
        """Wait for a connection: until `on_connection`, `on_connect_failure` or `leave`. Steering bounds the queue."""
        self._queue.append(exchange)
        self._open_as_needed()

    def leave(self, exchange: Waiting) -> None:
        """The exchange waits no longer (its client has gone, its time is over)."""
        if exchange in self._queue:
            self._queue.remove(exchange)

    # The connection's side.

    def put(self, connection: UpstreamConnection) -> None:
        """A connection is free: for the first in the queue, else idle."""
        if self._queue:
            self._queue.popleft().on_connection(connection)
        elif len(self._idle) < self.settings.keepalive.most:
            connection.idle_since = monotonic()
            self._idle.append(connection)
        else:
            connection.close()

    def hand_on(self, connection: UpstreamConnection) -> None:
        """Who was to have it goes elsewhere. In the next turn, since the next in the queue may do the same."""
        asyncio.get_running_loop().call_soon(self._hand_on, connection)

    def _hand_on(self, connection: UpstreamConnection) -> None:
        if not connection.lost and not connection.transport.is_closing():
            self.put(connection)

    def discard(self, connection: UpstreamConnection) -> None:
        """It is no longer to be used, though it is still open."""
        if connection in self._idle:
            self._idle.remove(connection)

    def lost(self, connection: UpstreamConnection) -> None:
        """It has ended."""
        self._open.discard(connection)
        self.discard(connection)
        self._open_as_needed()

    def sweep(self, now: float) -> None:
        """Close what has been idle for too long; the oldest is first. Called about once a second."""
        limit = now - self.settings.keepalive.idle
        while self._idle and self._idle[0].idle_since < limit:
            self._idle.pop(0).close()

    def close_idle(self) -> None:
        """One kept connection turned out to be dead: so may be the others."""
        for connection in tuple(self._idle):
            connection.close()
        self._idle.clear()

    def retire(self) -> None:
        """The node is not ours any more: connections end with what they are doing."""
        self.settings = replace(self.settings, keepalive=replace(self.settings.keepalive, most=0))
        self.close_idle()

    def close(self) -> None:
        """Close everything; exchanges hear of it through their connections."""
        for task in self._connecting:
            task.cancel()
        for connection in tuple(self._open):
            connection.close()

    # Opening connections...

    def _open_as_needed(self) -> None:
        while len(self._connecting) < len(self._queue) and self._can_open:
            task = asyncio.get_running_loop().create_task(self._connect(), name=f"connect {self.name}")
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    async def _connect(self) -> None:
        connection = UpstreamConnection(self)
        try:
            async with asyncio.timeout(self.settings.timeouts.connect):
                await self._open_connection(connection)
        except (OSError, ssl.SSLError, TimeoutError) as error:
            self._fail_first(*translate(error))
        else:
            self._open.add(connection)
            self._forget_this_task()
            if connection.lost or connection.transport.is_closing():
                self._open.discard(connection)
                self._fail_first(NODE_REFUSED.because("the connection ended at once"), Outcome.RESET)
            else:
                self.put(connection)

    async def _open_connection(self, connection: UpstreamConnection) -> None:
        address, settings = self.address, self.settings
        await asyncio.get_running_loop().create_connection(
            lambda: connection,
            address.host,
            address.port,
            ssl=settings.tls if address.tls else None,
            server_hostname=(settings.tls_name or address.host) if address.tls else None,
        )

    def _fail_first(self, failure: Failure, outcome: Outcome) -> None:
        self._forget_this_task()
        if self._queue:
            self._queue.popleft().on_connect_failure(failure, outcome)
        self._open_as_needed()

    def _forget_this_task(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connecting.discard(task)


def translate(error: Exception) -> tuple[Failure, Outcome]:
    """Foreign errors end here. Order matters: SSLError and TimeoutError are OSErrors."""
    if isinstance(error, ssl.SSLError):
        return NODE_TLS.because(f"TLS with the node failed: {error.reason or error}"), Outcome.TLS_FAILURE
    if isinstance(error, TimeoutError):
        return NODE_UNREACHABLE.because("connecting took too long"), Outcome.CONNECT_TIMEOUT
    return NODE_REFUSED.because(
        f"connecting failed: {error.strerror or error}" if isinstance(error, OSError) else ""
    ), Outcome.REFUSED
