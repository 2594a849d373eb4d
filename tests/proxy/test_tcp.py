"""TCP services through a data plane in this process: clients and nodes are real sockets, time is the plane's own."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from steer.proxy.deadlines import TICK
from steer.proxy.plane import DataPlane
from steer.proxy.proxy_protocol import Version
from steer.proxy.settings import Limits, ListenerSettings, NodeAddress, PlaneSettings, PoolSettings, Timeouts
from steer.proxy.tcp import TcpConnection
from steer.steering.model import Group, Node, Observation, Outcome, Pool, Route, Service, Topology
from steer.steering.snapshot import NodeState, NodeStatus, Snapshot
from tests.kit.uv import on_uvloop

PATIENCE = 10.0
MANY = 8 * 1024 * 1024
"""More than all buffers on the way hold."""
PATIENT = Timeouts(connect=1.0, idle=30.0)
Serve = Callable[["Peer"], Awaitable[None]]


class Peer:
    """One side of a connection, without an event loop's mercy: what came, and how it ended."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @property
    def name(self) -> Any:
        return self.writer.get_extra_info("sockname")

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def line(self) -> bytes:
        return await asyncio.wait_for(self.reader.readline(), PATIENCE)

    async def rest(self) -> bytes:
        """Until its end, which must not be a reset."""
        return await asyncio.wait_for(self.reader.read(), PATIENCE)

    async def is_reset(self) -> bool:
        try:
            await self.rest()
        except ConnectionResetError:
            return True
        return False

    def reset(self) -> None:
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def close(self) -> None:
        self.writer.close()


async def talk(peer: Peer) -> None:
    """A line protocol, as SFTP's underlying one is: the server speaks first, then each line is answered."""
    await peer.send(b"220 ready\n")
    while line := await peer.line():
        await peer.send(b"got " + line)
        if line == b"QUIT\n":
            break
    peer.close()


class NodeServer:
    """What stands behind a node's address. `visits` are the connections that have come, the newest last."""

    def __init__(self, serve: Serve) -> None:
        self.visits: list[Peer] = []
        self._serve = serve

    async def start(self) -> NodeServer:
        self._server = await asyncio.start_server(self._visit, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        self.visits.append(peer)
        with suppress(ConnectionError):
            await self._serve(peer)

    def stop(self) -> None:
        self._server.close()
        for peer in self.visits:
            peer.writer.transport.abort()


@dataclass
class Edge:
    plane: DataPlane
    port: int
    nodes: list[NodeServer]
    seen: list[Observation]
    log: Path

    async def connect(self) -> Peer:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        return Peer(reader, writer)

    async def ended(self, count: int = 1) -> list[dict[str, Any]]:
        """The lines of the log, once so many sessions are over."""
        await until(lambda: len(self._lines()) >= count)
        assert not self.plane.connections
        return [json.loads(line) for line in self._lines()]

    def _lines(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    @property
    def in_flight(self) -> list[int]:
        return self.plane.load.in_flight

    def counted(self) -> dict[str, Any]:
        return self.plane.recorder.drain()


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not is_so():  # noqa: ASYNC110  # asks the kernel and the edge, which know no events
            await asyncio.sleep(0.005)


def topology(count: int, max_connections: int, others: float) -> Topology:
    nodes = tuple(Node(index, f"node-{index}", "sftp", f"dc-{index}", 10) for index in range(count))
    pool = Pool("sftp", nodes, max_connections=max_connections, max_pending=0)
    weights = {f"dc-{index}": 50.0 if index == 0 else others for index in range(count)}
    return Topology(
        datacentres=tuple(weights),
        nodes=nodes,
        pools={"sftp": pool},
        groups={"transfer": Group("transfer", weights, ("sftp",), ("sftp",))},
        services={"files": Service("files", "transfer", (), (Route("/", "sftp"),))},
    )


@asynccontextmanager
async def edge(
    folder: Path,
    *nodes: Serve | int,
    timeouts: Timeouts = PATIENT,
    connections: int = 100,
    max_connections: int = 100,
    others: float = 0.0,
    proxy_protocol: Version | None = None,
) -> AsyncIterator[Edge]:
    """What each node does, or the port where none is. All goes to the first while it can, if `others` weigh nothing."""
    servers = [await NodeServer(node).start() for node in nodes if callable(node)]
    started = iter(servers)
    ports = [next(started).port if callable(node) else node for node in nodes]
    log = folder / "access.log"
    listener = ListenerSettings("sftp", limits=Limits(connections=connections), tcp="files")
    settings = PlaneSettings(
        edge="edge-a",
        listeners=(listener,),
        pools={"sftp": PoolSettings("sftp", timeouts=timeouts, proxy_protocol=proxy_protocol)},
        addresses=tuple(NodeAddress("127.0.0.1", port) for port in ports),
        access_log=str(log),
    )
    seen: list[Observation] = []
    plane = DataPlane(settings, topology(len(ports), max_connections, others), random.Random(1), seen.append)
    server = await asyncio.get_running_loop().create_server(lambda: TcpConnection(plane, listener), "127.0.0.1", 0)
    ticks = asyncio.create_task(tick(plane))
    try:
        yield Edge(plane, server.sockets[0].getsockname()[1], servers, seen, log)
    finally:
        server.close()
        plane.close()
        ticks.cancel()
        for each in servers:
            each.stop()


async def tick(plane: DataPlane) -> None:
    while True:
        plane.tick()
        await asyncio.sleep(TICK / 10)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port: int = held.getsockname()[1]
    return port


@on_uvloop
async def test_what_each_side_says_reaches_the_other_and_the_log_knows_how_much(tmp_path: Path) -> None:
    async with edge(tmp_path, talk) as place:
        client = await place.connect()
        assert await client.line() == b"220 ready\n"
        await client.send(b"PUT a\n")
        assert await client.line() == b"got PUT a\n"
        assert place.in_flight == [1]
        await client.send(b"QUIT\n")
        assert await client.rest() == b"got QUIT\n"
        client.close()
        (entry,) = await place.ended()
        assert place.in_flight == [0]
        counted = place.counted()
    assert entry["duration_us"] > entry["connect_us"] > 0
    del entry["duration_us"], entry["connect_us"], entry["time"]
    assert entry == {
        "client": "127.0.0.1",
        "protocol": "tcp",
        "listener": "sftp",
        "bytes": len(b"220 ready\ngot PUT a\ngot QUIT\n"),
        "bytes_from_client": len(b"PUT a\nQUIT\n"),
        "service": "files",
        "group": "transfer",
        "datacentre": "dc-0",
        "node": "node-0",
        "reason": "weights",
        "retries": 0,
        "error": "",
    }
    assert counted["requests"] == [["files", "transfer", "dc-0", "2xx", 1]]
    assert counted["successes"] == {"node-0": 1}
    assert list(counted["seconds"]) == ["connect"]
    assert place.seen == []


@on_uvloop
async def test_a_client_may_speak_first_before_its_node_is_there(tmp_path: Path) -> None:
    async def echo(peer: Peer) -> None:
        await peer.send(await peer.rest())
        peer.close()

    async with edge(tmp_path, echo) as place:
        client = await place.connect()
        client.writer.write(b"at once")
        client.writer.write_eof()
        assert await client.rest() == b"at once"
        client.close()
        (entry,) = await place.ended()
    assert (entry["bytes"], entry["bytes_from_client"], entry["error"]) == (7, 7, "")


@on_uvloop
async def test_one_side_may_end_and_the_other_go_on(tmp_path: Path) -> None:
    async def end_first(peer: Peer) -> None:
        await peer.send(b"all that I say\n")
        peer.writer.write_eof()
        heard.set_result(await peer.rest())
        peer.close()

    heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    async with edge(tmp_path, end_first) as place:
        client = await place.connect()
        assert await client.rest() == b"all that I say\n"
        await client.send(b"still ")
        await client.send(b"here")
        client.close()
        assert await asyncio.wait_for(heard, PATIENCE) == b"still here"
        (entry,) = await place.ended()
    assert entry["error"] == ""


@pytest.mark.parametrize("direction", ["to the node", "to the client"])
@on_uvloop
async def test_who_does_not_read_holds_the_other_back_and_loses_nothing(tmp_path: Path, direction: str) -> None:
    go = asyncio.Event()
    got: list[int] = []

    async def read_late(peer: Peer) -> None:
        await go.wait()
        got.append(len(await peer.rest()))
        peer.close()

    async def write_much(peer: Peer) -> None:
        await peer.send(bytes(MANY))
        peer.close()

    to_node = direction == "to the node"
    serve = read_late if to_node else write_much
    async with edge(tmp_path, serve) as place:
        client = await place.connect()
        sending = asyncio.create_task(write_much(client) if to_node else read_late(client))
        await until(lambda: place.plane.connections)
        (session,) = place.plane.connections
        assert isinstance(session, TcpConnection)
        await until(lambda: session.node is not None)
        assert session.node is not None
        writer, reader = (session, session.node) if to_node else (session.node, session)
        await until(lambda: reader.is_blocked)
        assert writer.received < MANY
        go.set()
        await sending
        (entry,) = await place.ended()
    assert entry["bytes_from_client" if to_node else "bytes"] == MANY
    assert got == [MANY]
    assert entry["error"] == ""


@on_uvloop
async def test_a_reset_of_one_side_is_a_reset_of_the_other(tmp_path: Path) -> None:
    async with edge(tmp_path, talk) as place:
        first, second = await place.connect(), await place.connect()
        await first.line()
        await second.line()
        first.reset()
        await until(lambda: place.in_flight == [1])
        (left,) = [
            peer for peer in place.nodes[0].visits if not peer.reader.at_eof() and peer.reader.exception() is None
        ]
        left.reset()
        assert await second.is_reset()
        entries = await place.ended(2)
    assert [entry["error"] for entry in entries] == ["client_gone", "node_reset"]
    assert place.seen == []


@on_uvloop
async def test_a_node_that_refuses_is_left_for_the_next_and_it_is_evidence(tmp_path: Path) -> None:
    async with edge(tmp_path, free_port(), talk) as place:
        client = await place.connect()
        assert await client.line() == b"220 ready\n"
        client.close()
        (entry,) = await place.ended()
        assert place.in_flight == [0, 0]
        counted = place.counted()
    assert (entry["node"], entry["reason"], entry["retries"]) == ("node-1", "retry_other_datacentre", 1)
    assert [(seen.node, seen.outcome, seen.client) for seen in place.seen] == [("node-0", Outcome.REFUSED, "127.0.0.1")]
    assert counted["retries"] == {"refused": 1}


@on_uvloop
async def test_a_worker_that_was_refused_avoids_the_node_for_a_moment(tmp_path: Path) -> None:
    async with edge(tmp_path, free_port(), talk, others=50.0) as place:
        for _ in range(20):
            client = await place.connect()
            await client.line()
            client.close()
        await place.ended(20)
    assert [seen.node for seen in place.seen] == ["node-0"]


@on_uvloop
async def test_where_no_node_takes_it_the_client_is_reset(tmp_path: Path) -> None:
    async with edge(tmp_path, free_port(), free_port()) as place:
        client = await place.connect()
        assert await client.is_reset()
        (entry,) = await place.ended()
        counted = place.counted()
    assert (entry["error"], entry["retries"], entry["bytes"]) == ("node_refused", 1, 0)
    assert counted["requests"] == [["files", "transfer", "dc-1", "5xx", 1]]
    assert {seen.node for seen in place.seen} == {"node-0", "node-1"}


@on_uvloop
async def test_a_node_that_does_not_answer_in_time_is_left_for_the_next(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        fillers = []
        for _ in range(4):  # a full queue lets no connection be completed
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(silent.getsockname())
            fillers.append(filler)
        timeouts = Timeouts(connect=0.2, idle=30.0)
        async with edge(tmp_path, silent.getsockname()[1], talk, timeouts=timeouts) as place:
            client = await place.connect()
            assert await client.line() == b"220 ready\n"
            client.close()
            await place.ended()
        for filler in fillers:
            filler.close()
    assert [seen.outcome for seen in place.seen] == [Outcome.CONNECT_TIMEOUT]


@on_uvloop
async def test_a_client_that_leaves_while_its_node_is_being_asked_is_no_evidence(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(silent.getsockname())
        timeouts = Timeouts(connect=5.0, idle=30.0)
        async with edge(tmp_path, silent.getsockname()[1], timeouts=timeouts) as place:
            client = await place.connect()
            await until(lambda: place.in_flight == [1])
            client.reset()
            (entry,) = await place.ended()
            await until(lambda: place.in_flight == [0])
        for filler in fillers:
            filler.close()
    assert entry["error"] == "client_gone"
    assert place.seen == []


@on_uvloop
async def test_a_session_in_which_nothing_moves_is_reset(tmp_path: Path) -> None:
    async with edge(tmp_path, talk, timeouts=Timeouts(idle=0.5)) as place:
        client = await place.connect()
        await client.line()
        (session,) = place.plane.connections
        before, now = session.deadline, place.plane.now
        await until(lambda: place.plane.now > now)
        await client.send(b"NOOP\n")
        assert await client.line() == b"got NOOP\n"
        assert session.deadline > before
        assert await client.is_reset()
        (entry,) = await place.ended()
    assert entry["error"] == "idle"


@on_uvloop
async def test_a_full_node_takes_no_more_and_the_next_one_does(tmp_path: Path) -> None:
    async with edge(tmp_path, talk, talk, max_connections=2) as place:
        clients = [await place.connect() for _ in range(2)]
        for client in clients:
            await client.line()
        assert place.in_flight == [2, 0]
        one_too_many = await place.connect()
        assert await one_too_many.is_reset()
        for client in [*clients, one_too_many]:
            client.close()
        entries = await place.ended(3)
    assert sorted(entry["error"] for entry in entries) == ["", "", "busy"]


@on_uvloop
async def test_a_listener_takes_so_many_connections_and_no_more(tmp_path: Path) -> None:
    async with edge(tmp_path, talk, connections=1) as place:
        client = await place.connect()
        await client.line()
        assert await (await place.connect()).is_reset()
        await client.send(b"QUIT\n")
        assert await client.rest() == b"got QUIT\n"
        client.close()
        entries = await place.ended(2)
    assert [entry["error"] for entry in entries] == ["busy", ""]


@on_uvloop
async def test_a_drain_waits_for_sessions_and_takes_no_new_ones(tmp_path: Path) -> None:
    async with edge(tmp_path, talk) as place:
        client = await place.connect()
        await client.line()

        async def shut() -> None:
            return None

        draining = asyncio.create_task(place.plane.drain(PATIENCE, shut))
        await until(lambda: place.plane.draining)
        assert await (await place.connect()).is_reset()
        await client.send(b"QUIT\n")
        assert await client.rest() == b"got QUIT\n"
        assert not draining.done()
        client.close()
        await asyncio.wait_for(draining, PATIENCE)
        entries = await place.ended(2)
    assert [entry["error"] for entry in entries] == ["draining", ""]


@on_uvloop
async def test_when_the_drain_is_over_what_is_left_is_reset(tmp_path: Path) -> None:
    async with edge(tmp_path, talk) as place:
        client = await place.connect()
        await client.line()

        async def shut() -> None:
            return None

        await place.plane.drain(0.3, shut)
        assert await client.is_reset()
        (entry,) = await place.ended()
    assert entry["error"] == "draining"


@on_uvloop
async def test_a_trial_is_a_connection_that_a_probing_node_takes(tmp_path: Path) -> None:
    probing = NodeStatus(state=NodeState.PROBING, trial=7, trial_worker=0)
    async with edge(tmp_path, talk) as place:
        place.plane.apply(Snapshot(1, {"node-0": probing}))
        client = await place.connect()
        await client.line()
        client.close()
        (entry,) = await place.ended()
    assert [(seen.trial, seen.outcome) for seen in place.seen] == [(7, Outcome.SUCCESS)]
    assert entry["reason"] == "trial"


@pytest.mark.parametrize("version", ["v1", "v2"])
@on_uvloop
async def test_a_node_hears_first_whose_connection_it_is(tmp_path: Path, version: Version) -> None:
    async def keep(peer: Peer) -> None:
        heard.set_result(await peer.rest())
        peer.close()

    heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    async with edge(tmp_path, keep, proxy_protocol=version) as place:
        client = await place.connect()
        port = client.name[1]
        client.writer.write(b"hello")
        client.writer.write_eof()
        await client.rest()
        client.close()
        await place.ended()
    line = f"PROXY TCP4 127.0.0.1 127.0.0.1 {port} {place.port}\r\n".encode()
    binary = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes([127, 0, 0, 1] * 2) + struct.pack("!HH", port, place.port)
    assert await heard == {"v1": line, "v2": binary}[version] + b"hello"
