"""The connections of one worker to one node that speaks HTTP/2: few, each shared by many exchanges.

`take` gives a stream of the first connection that has room. Where none has, one is opened, and the exchanges that wait
go on it together, as far as it has room.
"""

from __future__ import annotations

import asyncio
import ssl
from time import monotonic

from steer.errors import NODE_REFUSED
from steer.proxy.settings import NodeAddress, PoolSettings
from steer.proxy.upstream.connection import UpstreamConnection
from steer.proxy.upstream.h2 import H2NodeConnection
from steer.proxy.upstream.h2_stream import NodeStream
from steer.proxy.upstream.pool import NodePool, translate
from steer.steering.model import Outcome


class H2Pool(NodePool):
    """See the module."""

    def __init__(self, name: str, address: NodeAddress, settings: PoolSettings) -> None:
        super().__init__(name, address, settings)
        self._links: set[H2NodeConnection] = set()

    def __repr__(self) -> str:
        streams = sum(len(link.streams) for link in self._links)
        return f"<H2Pool {self.name} [{len(self._links)} connections, {streams} streams | {len(self._queue)} waiting]>"

    # The exchange's side.

    def take(self, replayable: bool = True) -> UpstreamConnection | None:
        link = next((link for link in self._links if link.has_room), None)
        return NodeStream(link) if link is not None else None

    @property
    def _can_open(self) -> bool:
        return len(self._links) + len(self._connecting) < self.settings.max_connections

    # The connections' side.

    def freed(self) -> None:
        """There may be room again."""
        while self._queue and (stream := self.take()) is not None:
            self._queue.popleft().on_connection(stream)
        self._open_as_needed()

    def lost_link(self, link: H2NodeConnection) -> None:
        self._links.discard(link)
        self._open_as_needed()

    def sweep(self, now: float) -> None:
        limit = now - self.settings.keepalive.idle
        for link in tuple(self._links):
            if not link.streams and link.idle_since < limit:
                link.leave()

    def close_idle(self) -> None:
        """One connection turned out to be dead, or the node is not ours any more: begin nothing new on the old ones."""
        for link in tuple(self._links):
            link.leave()

    def close(self) -> None:
        super().close()
        for link in tuple(self._links):
            link.close()

    # Opening connections...

    def _open_as_needed(self) -> None:
        if self._queue and not self._connecting and self._can_open:
            task = asyncio.get_running_loop().create_task(self._connect(), name=f"connect {self.name}")
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    async def _connect(self) -> None:
        link = H2NodeConnection(self)
        try:
            async with asyncio.timeout(self.settings.timeouts.connect):
                await asyncio.get_running_loop().create_connection(lambda: link, self.address.host, self.address.port)
        except (OSError, ssl.SSLError, TimeoutError) as error:
            self._fail_first(*translate(error))
            return
        if link.lost or link.transport.is_closing():
            self._fail_first(NODE_REFUSED.because("the connection ended at once"), Outcome.RESET)
            return
        self._forget_this_task()
        link.idle_since = monotonic()
        self._links.add(link)
        self.freed()
