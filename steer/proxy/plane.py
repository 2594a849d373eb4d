"""The data plane of one worker: what all its connections share, and its tick.

For the life of the worker: deadlines, counters, log.
For the life of a configuration: settings, one pool of connections for each node. `reconfigure` carries over what stays.
For the life of a snapshot: the tables that steering chooses by. `apply` swaps them whole.
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from time import monotonic
from typing import Protocol

from steer.clock import SystemClock
from steer.errors import Failure
from steer.proxy.access_log import AccessLog
from steer.proxy.admission import ENDLESS, Admission
from steer.proxy.arrivals import Arrivals
from steer.proxy.binding import Binder
from steer.proxy.client import ClientConnection
from steer.proxy.counters import Counters
from steer.proxy.deadlines import Deadlines
from steer.proxy.evidence import Doubt
from steer.proxy.exchange import Exchange
from steer.proxy.exchange_state import NO_HOST, ExchangeState
from steer.proxy.h2_stream import H2Stream
from steer.proxy.http.forwarding import pseudonym
from steer.proxy.leaving import Leaving
from steer.proxy.memory import allowed, resident
from steer.proxy.places import Placing, place
from steer.proxy.readers import Readers
from steer.proxy.records import Recorder
from steer.proxy.sampling import Sampling
from steer.proxy.served import Served
from steer.proxy.settings import PlaneSettings, PoolSettings
from steer.proxy.tunnel import Tunnel
from steer.proxy.uploads import Uploads
from steer.proxy.upstream.announcing import new_pool
from steer.proxy.upstream.budget import Budget
from steer.proxy.upstream.connection import UpstreamConnection
from steer.steering.choose import Load
from steer.steering.model import Dice, Node, Observation, Outcome, Topology, Verdict
from steer.steering.snapshot import Snapshot
from steer.steering.tables import Tables

logger = logging.getLogger("steer.proxy")

IDS_AT_ONCE = 256
"""Request ids made with one call for randomness: 4 KiB."""


class Witness(Protocol):
    """What one try on a node was for, and when it began (monotonic)."""

    @property
    def client(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def try_at(self) -> float: ...


def _no_binders(topology: Topology) -> Mapping[str, Binder]:
    """Where no service has affinity."""
    return {}


class DataPlane:
    """`report` is called with each failure that says something of a node, and each trial's outcome.

    `binders` makes, for each topology, one binder for each service that has affinity.
    """

    def __init__(
        self,
        settings: PlaneSettings,
        topology: Topology,
        dice: Dice,
        report: Callable[[Observation], None],
        binders: Callable[[Topology], Mapping[str, Binder]] = _no_binders,
    ) -> None:
        self.settings = settings
        self._make_binders = binders
        self.binders = binders(topology)
        self.leaving = Leaving(SystemClock())
        self.sampling = Sampling()
        self.arrivals: Arrivals | None = None
        """None: no session is known by its cookie, and nobody is waited for."""
        self.pools = settings.pools
        self.dice = dice
        self.draining = False
        self.handed_over = False
        """Draining, but the edge goes on in other processes: it is still healthy."""
        self.reveal = settings.reveal
        self.via = pseudonym(settings.edge)
        self.health_path = settings.health_path.encode()
        self.locate = settings.locate
        self.now = monotonic()
        self.deadlines = Deadlines(self.now)
        self.load = Load(len(topology.nodes))
        self.tables = Tables(topology, Snapshot(), self.now, settings.worker)
        self.counters = Counters(tuple(node.name for node in topology.nodes))
        self.recorder = Recorder(self.counters, AccessLog(settings.access_log), NO_HOST)
        self.upstreams = [
            new_pool(node.name, settings.addresses[node.index], settings.pools[node.pool]) for node in topology.nodes
        ]
        self.budgets = {
            name: Budget(pool.retries, tuple(node.index for node in pool.nodes), self.load.in_flight)
            for name, pool in topology.pools.items()
        }
        self.admission = Admission(self.counters)
        self.connections = self.admission.connections
        self.uploads = Uploads()
        self.readers = Readers()
        self.memory = allowed(1)
        """Bytes that this process may have."""
        self.behind = 0
        """Connections of HTTP/2 that have sent more frames than the loop's turn had time for."""
        self._awaited: set[Served] = set()
        self._ended = asyncio.Event()
        self.report = report
        self.doubts: dict[ExchangeState, Doubt] = {}
        self._ids: list[bytes] = []

    def __repr__(self) -> str:
        return f"<DataPlane [{len(self.connections)} connections, {sum(self.load.in_flight)} in flight]>"

    # Steering's side...

    def apply(self, snapshot: Snapshot) -> None:
        """Steer by this snapshot from now on. An older one than the present is passed over."""
        if snapshot.number > self.tables.snapshot.number:
            self.tables = self.tables.with_snapshot(snapshot, monotonic())
            self.leaving.follow(snapshot)

    def reconfigure(self, settings: PlaneSettings, topology: Topology, snapshot: Snapshot) -> None:
        """Serve by these from now on. Requests in flight end by what they began with; connections go on.

        A snapshot that is older than the present one is passed over. Must not fail half way: whatever can be wrong
        with the configuration was found while its settings were made.
        """
        if snapshot.number < self.tables.snapshot.number:
            snapshot = self.tables.snapshot
        placing = place(self.tables.topology, self.settings, topology, settings, self._is_unused)
        self._place_nodes(placing)
        self.recorder.begin_configuration()
        self.sampling.forget()
        self.settings = settings = placing.settings
        self.pools = settings.pools
        self.reveal = settings.reveal
        self.health_path = settings.health_path.encode()
        self.locate = settings.locate
        self.tables = Tables(placing.topology, snapshot, monotonic(), settings.worker)
        self.binders = self._make_binders(placing.topology)
        self.leaving.follow(snapshot)
        listeners = {listener.name: listener for listener in settings.listeners}
        for connection in self.connections:
            connection.listener = listeners.get(connection.listener.name, connection.listener)

    def _is_unused(self, index: int) -> bool:
        """Nothing of the node that had this place is under way, or waits to be told."""
        return not self.load.in_flight[index] and not self.doubts and self.counters.is_clear(index)

    def _place_nodes(self, placing: Placing) -> None:
        topology, settings = placing.topology, placing.settings
        for index in placing.fresh:
            node = topology.nodes[index]
            self.load.begin(index)
            self.counters.begin(index, node.name)
            pool = new_pool(node.name, settings.addresses[index], settings.pools[node.pool])
            self.upstreams[index : index + 1] = [pool]
        for index in placing.gone:
            self.upstreams[index].retire()
        for name, steered in topology.pools.items():
            members = tuple(node.index for node in steered.nodes)
            for index in members:
                self.upstreams[index].settings = settings.pools[name]
            fresh = Budget(steered.retries, members, self.load.in_flight)
            self.budgets.setdefault(name, fresh).follow(steered.retries, members)

    def observe(self, witness: Witness, verdict: Verdict, outcome: Outcome, status: int) -> None:
        """Something counts as evidence: tell control at once."""
        self.report(self.observation(witness, verdict, outcome, status))

    def observation(self, witness: Witness, verdict: Verdict, outcome: Outcome, status: int) -> Observation:
        """What a try showed of its node, with the successes that came before it: for `report`, now or later."""
        index = verdict.node.index
        now = monotonic()
        return Observation(
            node=verdict.node.name,
            outcome=outcome,
            at=now,
            worker=self.settings.worker,
            status=status,
            client=witness.client,
            path=witness.path,
            latency=now - witness.try_at,
            successes=self.counters.take_successes(index),
            succeeded_at=self.counters.succeeded_at[index],
            trial=verdict.trial,
        )

    # The connections' side...

    def admit(self, connection: Served, tls: ssl.SSLObject | None) -> bool:
        """A connection has begun; False: it is one too many."""
        if tls is not None:
            self.counters.handshakes[tls.version() or "unknown", bool(tls.session_reused)] += 1
        return self.admission.enter(connection)

    def dismiss(self, connection: Served) -> None:
        """It has ended."""
        self.admission.leave(connection)
        if connection in self._awaited:
            self._awaited.discard(connection)
            if not self._awaited:
                self._ended.set()
        self.deadlines.forget(connection)

    def free(self, pool: str) -> int:
        """Places for requests in this pool, at all of its nodes; without end in one that a reload took away."""
        if pool not in self.pools:
            return ENDLESS
        settings, nodes = self.pools[pool], self.tables.topology.pools[pool].nodes
        return sum(settings.max_connections - self.load.in_flight[node.index] for node in nodes)

    def new_id(self) -> bytes:
        """A request id: 32 hexadecimal digits, unpredictable, and fit to be a trace id."""
        if not self._ids:
            digits = os.urandom(16 * IDS_AT_ONCE).hex().encode()
            self._ids = [digits[at : at + 32] for at in range(0, len(digits), 32)]
        return self._ids.pop()

    def host_for(self, pool: PoolSettings, node: Node) -> bytes:
        """The Host that the node sees, where it is not the client's."""
        if pool.host == "node":
            return self.settings.addresses[node.index].authority
        return pool.host.encode()

    def revealing(self, exchange: Exchange) -> bytes:
        """Who answered and why, as fields: always on pinned hostnames, elsewhere with `edge.reveal`."""
        node = exchange.verdict.node
        taken = (exchange.head_at - exchange.started) * 1000
        return (
            f"X-Steer-Datacentre: {node.datacentre}\r\nX-Steer-Node: {node.name}\r\n"
            f"X-Steer-Reason: {exchange.reason}\r\nServer-Timing: steer;dur={taken:.1f}\r\n"
        ).encode()

    def open_tunnel(self, exchange: Exchange, node: UpstreamConnection, payload: bytes) -> None:
        """The exchange has become a WebSocket."""
        client = exchange.stream
        assert isinstance(client, ClientConnection | H2Stream)
        tunnel = Tunnel(exchange, client, node, client.listener.limits.websocket_idle)
        tunnel.open(client.take_buffer(), payload)

    def log_refusal(self, client: str, failure: Failure, request_id: bytes) -> None:
        """A head that could not be read, or a connection that did not say whose it is."""
        self.recorder.record_refusal(client, failure, request_id)

    # Time...

    def tick(self, lag: float = 0.0) -> None:
        """Ten times a second: deadlines, ramps, overload, the log. `lag`: seconds by which this tick is late."""
        now = self.now = monotonic()
        self.deadlines.sweep(now)
        for _ in range(self.readers.make_room(self.free, now)):
            self.admission.refused("slow_reader")
        self._judge_overload(now, lag)
        self.tables.refresh(now)
        for doubt in tuple(self.doubts.values()):
            doubt.expire(now)
        for pool in self.upstreams:
            pool.sweep(now)
        self.recorder.flush()

    def _judge_overload(self, now: float, lag: float) -> None:
        overload = self.admission.overload
        overload.note_lag(lag)
        if self.admission.judge(now):
            logger.warning("%s (%s)", overload.name, " ".join(f"{k} {v:.2f}" for k, v in overload.values.items()))

    def look_around(self) -> None:
        """Once a second: what is too dear for each tick."""
        self.admission.overload.note_memory(resident() / self.memory)
        self.admission.penalties.sweep(self.now)
        self.sampling.adapt(self.now)

    async def drain(self, within: float, shut: Callable[[], Awaitable[None]]) -> None:
        """Finish what has begun, for at most `within` seconds; idle connections end at once. Break off the rest.

        Who comes while something is under way is answered too, so that a health check hears of the drain; but for
        half of the time at most, or a busy edge would never end. Then `shut` lets nobody in any more.
        """
        self.draining = True
        for connection in tuple(self.connections):
            connection.drain()
        begun = monotonic()
        await self._wait_for_end(within / 2)
        await shut()
        await self._wait_for_end(within - (monotonic() - begun))
        self.close()

    async def hand_over(self, within: float) -> None:
        """As `drain`, when others accept from the same sockets: no client is sent away that does not ask for anything.

        Each response tells its client to connect again. Who asks nothing for half of the time is closed then; what has
        begun (WebSockets) has all of it.
        """
        self.draining = self.handed_over = True
        begun = monotonic()
        await self._wait_for_end(within / 2)
        for connection in tuple(self.connections):
            connection.drain()
        await self._wait_for_end(within - (monotonic() - begun))
        self.close()

    async def _wait_for_end(self, within: float) -> None:
        """Of the connections that there are now."""
        self._awaited = set(self.connections)
        self._ended.clear()
        if self._awaited:
            with suppress(TimeoutError):
                async with asyncio.timeout(within):
                    await self._ended.wait()

    def close(self) -> None:
        """End every connection now."""
        for connection in tuple(self.connections):
            connection.abort()
        for pool in self.upstreams:
            pool.close()
        self.recorder.flush()
