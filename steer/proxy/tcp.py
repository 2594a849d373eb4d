"""A connection of a TCP service: choose -> connect -> relay -> settle, as for a request, but for the whole connection.

It is steered by the same groups and tables. Nothing can be answered in a protocol that the edge does not know, so where
there is no node the client is reset. Only what happens while connecting is evidence for or against a node: how a
session ends is between the client and its node.
"""

from __future__ import annotations

import asyncio
from math import inf
from time import monotonic
from typing import TYPE_CHECKING

from steer.errors import BUSY, CLIENT_GONE, DRAINING, NO_NODE, NODE_REFUSED, NODE_RESET, Failure
from steer.proxy.exchange import AVOID_S
from steer.proxy.proxy_protocol import Endpoints, encode
from steer.proxy.relay import End, join
from steer.proxy.served import endpoints_of, reset
from steer.proxy.settings import ListenerSettings
from steer.proxy.upstream.pool import translate
from steer.steering.choose import choose, choose_next
from steer.steering.hosts import HostEntry
from steer.steering.model import Bound, Node, Outcome, Place, Refusal, Verdict
from steer.steering.retries import is_retry_allowed

if TYPE_CHECKING:
    from steer.proxy.plane import DataPlane

REFUSALS = {failure.name: failure for failure in (NO_NODE, BUSY)}
IDLE = Failure("idle", 408, CLIENT_GONE.origin, closes=True)
"""Neither side has said anything for `timeouts.idle`. The status is counted and never sent, as all of them here."""


class TcpConnection(End):
    """A client's connection to a TCP listener, and the session that it is. Also the `Facts` that steering decides by.

    `announced` is what a PROXY header said; None: the connection's own addresses count.
    """

    # For the life of the connection.
    address = ""
    path = ""
    deadline = inf
    watched = inf
    retriable = True
    """It may carry a trial: nothing is sent before a node has taken the connection."""
    idempotent = False
    """Nobody knows what it will say."""
    bound: Bound | None = None
    key = ""

    # Of the session.
    node: End | None = None
    tried: tuple[Node, ...] = ()
    reason = ""
    failure: Failure | None = None
    status = 200
    try_at = 0.0
    connect_s = 0.0
    _settled = False

    def __init__(self, plane: DataPlane, listener: ListenerSettings, announced: Endpoints | None = None) -> None:
        super().__init__(self._touch, self._on_end_lost)
        self.plane = plane
        self.listener = listener
        self.entry: HostEntry = plane.tables.services[listener.tcp]
        self.pool = self.entry.routes[0].pool
        self.settings = plane.pools[self.pool]
        self._endpoints = announced
        self.started = monotonic()
        self._connecting: asyncio.Task[None] | None = None

    @property
    def client(self) -> str:
        return self.address

    @property
    def place(self) -> Place:
        return self.plane.locate(self.address)

    def field(self, name: str) -> str | None:
        """It has none, and no cookies."""
        return None

    cookie = field

    @property
    def retries(self) -> int:
        return max(0, len(self.tried) - 1)

    # The transport's side...

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self._endpoints is None:
            self._endpoints = endpoints_of(transport)
        self.address = self._endpoints.source
        has_room = self.plane.admit(self, None)
        if self.plane.draining:
            # It could not live for long, and whoever stands in front has another edge.
            self._refuse(DRAINING)
        elif not has_room:
            self._refuse(BUSY)
        else:
            self._connecting = asyncio.get_running_loop().create_task(self._connect(), name=f"tcp {self.entry.service}")

    def _touch(self) -> None:
        """Something moved."""
        deadline = self.deadline = self.plane.now + self.settings.timeouts.idle
        if deadline < self.watched:
            self.plane.deadlines.watch(self)

    def expire(self, now: float) -> None:
        self._break(IDLE)

    def make_room(self, now: float) -> bool:
        """Who is silent in a protocol that the edge does not know may be busy all the same."""
        return False

    def drain(self) -> None:
        """It lives on until the drain's time is over: where it could be interrupted only its two ends know."""

    def abort(self) -> None:
        self._break(DRAINING)

    # choose, connect...

    async def _connect(self) -> None:
        """Until a node takes the connection, or none is left to try."""
        plane = self.plane
        verdict = choose(plane.tables, self, plane.load, self.started, plane.dice)
        plane.sampling.pass_by(plane.tables, self)
        while isinstance(verdict, Verdict):
            self.reason = verdict.reason
            failure, outcome = await self._try(verdict)
            if failure is None:
                return
            if not is_retry_allowed(failure, True, False, True, len(self.tried), self.settings.retries):
                self._refuse(failure)
                return
            verdict = choose_next(plane.tables, self, self.tried, plane.load, monotonic(), plane.dice)
            if isinstance(verdict, Refusal):
                self._refuse(failure)
                return
            plane.counters.retries[outcome.value] += 1
        self.reason = verdict.name
        self._refuse(REFUSALS[verdict.name])

    async def _try(self, verdict: Verdict) -> tuple[Failure | None, Outcome]:
        """Connect to this node and relay. With a failure nothing was sent."""
        node, plane = verdict.node, self.plane
        self.tried = (*self.tried, node)
        self.try_at = monotonic()
        plane.load.in_flight[node.index] += 1
        try:
            end = await self._open(node)
        except (OSError, TimeoutError) as error:
            failure, outcome = translate(error)
        else:
            if not end.lost:
                self._relay(end, verdict)
                return None, Outcome.SUCCESS
            failure, outcome = NODE_REFUSED.because("the connection ended at once"), Outcome.RESET
        finally:
            if self.node is None:
                plane.load.in_flight[node.index] -= 1
        if outcome is Outcome.REFUSED:
            plane.load.avoid_until[node.index] = monotonic() + AVOID_S
        plane.observe(self, verdict, outcome, 0)
        return failure, outcome

    async def _open(self, node: Node) -> End:
        address = self.plane.settings.addresses[node.index]
        end = End(self._touch, self._on_end_lost)
        async with asyncio.timeout(self.settings.timeouts.connect):
            await asyncio.get_running_loop().create_connection(lambda: end, address.host, address.port)
        return end

    def _relay(self, end: End, verdict: Verdict) -> None:
        plane, index = self.plane, verdict.node.index
        self.node = end
        self.connect_s = monotonic() - self.try_at
        plane.counters.connect.observe(self.connect_s)
        if verdict.trial:
            plane.observe(self, verdict, Outcome.SUCCESS, 0)
        else:
            plane.counters.successes[index] += 1
            plane.counters.succeeded_at[index] = monotonic()
        self._touch()
        if self.settings.proxy_protocol is not None:
            end.transport.write(encode(self.settings.proxy_protocol, self._endpoints))
        join(self, end)

    # settle...

    def _refuse(self, failure: Failure) -> None:
        """There is no node for it."""
        self.failure = failure
        reset(self.transport)

    def _break(self, failure: Failure) -> None:
        """End it, whatever is under way."""
        self.failure = failure
        for end in (self, self.node):
            if end is not None and not end.lost:
                reset(end.transport)

    def _on_end_lost(self, end: End) -> None:
        if end is not self and end is not self.node:
            return  # of a node that took the connection and dropped it at once: `_try` sees it
        if self._connecting is not None and self.node is None:
            self._connecting.cancel()
        if self.failure is None and not (self.ended and self.node is not None and self.node.ended):
            self.failure = CLIENT_GONE if end is self else NODE_RESET
        if self.lost and (self.node is None or self.node.lost) and not self._settled:
            self._settle()

    def _settle(self) -> None:
        self._settled = True
        plane = self.plane
        if self.node is not None:
            plane.load.in_flight[self.tried[-1].index] -= 1
        elif self.failure is not None:
            self.status = self.failure.status
        plane.recorder.record_connection(self, monotonic())
        plane.dismiss(self)
