"""The connections of one worker to one node that is told by a PROXY header whose connection each is.

The header stands once at the beginning of a connection, before TLS, so a connection is one client's for all its life:
no request of another client's may go over it. An exchange takes an idle connection of its own client or waits for a
new one; where there are as many as there may be, idle ones of others make room.
"""

from __future__ import annotations

import asyncio
import ssl
from time import monotonic

from steer.errors import NODE_REFUSED, Failure
from steer.proxy.proxy_protocol import encode
from steer.proxy.settings import NodeAddress, PoolSettings
from steer.proxy.upstream.connection import UpstreamConnection
from steer.proxy.upstream.h2_pool import H2Pool
from steer.proxy.upstream.pool import FRESH_S, NodePool, Waiting, translate
from steer.steering.model import Outcome


def new_pool(name: str, address: NodeAddress, settings: PoolSettings) -> NodePool:
    """The pool that fits a node's settings."""
    if settings.protocol == "h2c":
        return H2Pool(name, address, settings)
    return (NodePool if settings.proxy_protocol is None else AnnouncingPool)(name, address, settings)


class AnnouncingPool(NodePool):
    """See the module. `_whose` has the client of every connection, `_asked` those for whom one is being opened."""

    def __init__(self, name: str, address: NodeAddress, settings: PoolSettings) -> None:
        super().__init__(name, address, settings)
        self._whose: dict[UpstreamConnection, str] = {}
        self._asked: set[Waiting] = set()

    # The exchange's side.

    def take(self, replayable: bool = True) -> UpstreamConnection | None:
        """Never one: `queue` sees whose request it is, and has the idle one of that client at once."""
        return None

    def queue(self, exchange: Waiting) -> None:
        connection = self._find_idle(exchange)
        if connection is not None:
            exchange.on_connection(connection)
            return
        self._queue.append(exchange)
        if not self._can_open and self._idle:
            self._idle.pop(0).close()
        self._open_as_needed()

    def _find_idle(self, exchange: Waiting) -> UpstreamConnection | None:
        youngest = monotonic() - FRESH_S
        for connection in reversed(self._idle):
            if self._whose[connection] == exchange.client and not connection.transport.is_closing():
                if not exchange.retriable and connection.idle_since < youngest:
                    return None
                self._idle.remove(connection)
                return connection
        return None

    # The connection's side.

    def put(self, connection: UpstreamConnection) -> None:
        """A connection is free: for the first of its client in the queue, else idle, else gone to make room."""
        client = self._whose[connection]
        waiting = next((exchange for exchange in self._queue if exchange.client == client), None)
        if waiting is not None:
            self._queue.remove(waiting)
            waiting.on_connection(connection)
        elif (self._queue and not self._can_open) or not self.settings.keepalive.most:
            connection.close()
        else:
            if len(self._idle) >= self.settings.keepalive.most:
                self._idle.pop(0).close()
            connection.idle_since = monotonic()
            self._idle.append(connection)

    def lost(self, connection: UpstreamConnection) -> None:
        self._whose.pop(connection, None)
        super().lost(connection)

    # Opening connections...

    def _open_as_needed(self) -> None:
        for exchange in tuple(self._queue):
            if exchange not in self._asked and self._can_open:
                self._asked.add(exchange)
                task = asyncio.get_running_loop().create_task(self._connect_for(exchange), name=f"connect {self.name}")
                self._connecting.add(task)
                task.add_done_callback(self._connecting.discard)

    async def _connect_for(self, exchange: Waiting) -> None:
        connection = UpstreamConnection(self)
        self._whose[connection] = exchange.client
        try:
            async with asyncio.timeout(self.settings.timeouts.connect):
                await self._announce(connection, exchange)
        except (OSError, ssl.SSLError, TimeoutError) as error:
            self._whose.pop(connection, None)
            self._fail(exchange, *translate(error))
            return
        if connection.lost or connection.transport.is_closing():
            self._fail(exchange, NODE_REFUSED.because("the connection ended at once"), Outcome.RESET)
            return
        self._asked.discard(exchange)
        self._open.add(connection)
        self._forget_this_task()
        self.put(connection)

    async def _announce(self, connection: UpstreamConnection, exchange: Waiting) -> None:
        """Connect, say whose the connection is, and only then begin with TLS."""
        address, settings = self.address, self.settings
        assert settings.proxy_protocol is not None
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(
            asyncio.Protocol if address.tls else lambda: connection, address.host, address.port
        )
        transport.write(encode(settings.proxy_protocol, exchange.endpoints))
        if address.tls:
            assert settings.tls is not None
            name = settings.tls_name or address.host
            secure = await loop.start_tls(transport, connection, settings.tls, server_hostname=name)
            if secure is None:
                raise ConnectionResetError("the connection ended during the handshake")
            connection.connection_made(secure)

    def _fail(self, exchange: Waiting, failure: Failure, outcome: Outcome) -> None:
        self._asked.discard(exchange)
        self._forget_this_task()
        if exchange in self._queue:
            self._queue.remove(exchange)
            exchange.on_connect_failure(failure, outcome)
        self._open_as_needed()
