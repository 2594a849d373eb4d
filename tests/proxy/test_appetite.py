"""How much a client that does not take its responses makes the edge keep, and how fast one that does gets them."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hpack import Encoder
from hyperframe.frame import DataFrame, Frame, HeadersFrame, SettingsFrame, WindowUpdateFrame

from steer.proxy.appetite import LARGE, SLOW_S, SMALL, TRUSTED_WITH, Appetite
from steer.proxy.h2_client import H2ClientConnection
from steer.proxy.plane import DataPlane
from steer.proxy.settings import ListenerSettings, NodeAddress, PlaneSettings, PoolSettings
from steer.steering.model import Group, Node, Pool, Route, Service, Topology
from tests.kit.client import Client
from tests.kit.edge import HOST, configuration, running_edge
from tests.kit.h2_client import PREFACE
from tests.kit.origin import Origin
from tests.kit.uv import on_uvloop

STREAMS = 100
BODY = 400_000


def fed(appetite: Appetite, size: int) -> memoryview:
    for _ in range(0, size, len(appetite.room)):
        appetite.take(len(appetite.room))
    return appetite.room


def test_a_client_gets_large_pieces_when_it_has_taken_small_ones() -> None:
    appetite = Appetite()
    assert appetite.room is SMALL
    assert fed(appetite, TRUSTED_WITH - len(SMALL)) is SMALL
    assert fed(appetite, len(SMALL)) is LARGE


def test_short_pauses_change_nothing() -> None:
    appetite = Appetite()
    for pause in range(8):
        appetite.hold(True, float(pause + 1))
        appetite.hold(False, pause + 1 + SLOW_S / 2)
        fed(appetite, TRUSTED_WITH // 8)
    assert appetite.room is LARGE


def test_after_a_long_pause_it_begins_again() -> None:
    appetite = Appetite()
    fed(appetite, TRUSTED_WITH)
    appetite.hold(True, 1.0)
    appetite.hold(True, 1.0 + SLOW_S)  # said again, it began when it was said first
    appetite.hold(False, 1.0 + 2 * SLOW_S)
    assert appetite.room is SMALL
    assert fed(appetite, TRUSTED_WITH - len(SMALL)) is SMALL


# Whole connections...


def unsent(edge: int, client: int) -> int:
    """Bytes that the kernel keeps for this client of the edge (proc(5): tx_queue)."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, here, there, _, queues = line.split()[:5]
        if (here[-4:], there[-4:]) == (f"{edge:04X}", f"{client:04X}"):
            return int(queues.split(":")[0], 16)
    return 0


def test_the_kernel_keeps_little_for_who_reads_nothing(tmp_path: Path) -> None:
    size = 16 * 1024 * 1024
    with Origin() as origin, running_edge(tmp_path, configuration({"one": origin.port})) as edge:
        origin.on("/big", b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(size))
        with Client(edge.port()) as client:
            client.send(f"GET /big HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
            port, kept = client.socket.getsockname()[1], [-1, 0]
            while not kept[-1] or kept[-1] != kept[-2]:
                assert not threading.Event().wait(0.2)
                kept.append(unsent(edge.port(), port))
            assert kept[-1] < 1024 * 1024
            assert len(client.read().body) == size


class Wire(asyncio.Transport):
    """The client's end: keeps what was written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1)})
        self.written = bytearray()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def close(self) -> None: ...

    def payload(self) -> int:
        """Bytes of DATA."""
        left, size = memoryview(bytes(self.written)), 0
        while left:
            frame, length = Frame.parse_frame_header(left[:9])
            size += length if isinstance(frame, DataFrame) else 0
            left = left[9 + length :]
        return size


def plane(port: int) -> DataPlane:
    node = Node(0, "one-1", "web", "one")
    topology = Topology(
        ("one",),
        (node,),
        {"web": Pool("web", (node,))},
        {"website": Group("website", {"one": 1.0}, ("web",), ("web",))},
        {"www": Service("www", "website", (HOST,), (Route("/", "web"),), {})},
    )
    settings = PlaneSettings(
        "a", (ListenerSettings("h"),), {"web": PoolSettings("web")}, (NodeAddress("127.0.0.1", port),)
    )
    return DataPlane(settings, topology, random.Random(1), lambda observation: None)


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(EOFError, OSError):
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BODY + bytes(BODY))
    writer.transport.abort()


def asked() -> bytes:
    """All streams at once, with windows of nothing."""
    encoder, data = Encoder(), PREFACE + SettingsFrame(0, settings={4: 0}).serialize()
    fields = [(":method", "GET"), (":scheme", "http"), (":authority", HOST), (":path", "/")]
    for stream in range(1, 2 * STREAMS, 2):
        data += HeadersFrame(stream, data=encoder.encode(fields), flags=["END_HEADERS", "END_STREAM"]).serialize()
    return data


def opened() -> bytes:
    windows = [WindowUpdateFrame(0, window_increment=2**30)]
    windows += [WindowUpdateFrame(stream, window_increment=2**30) for stream in range(1, 2 * STREAMS, 2)]
    return b"".join(frame.serialize() for frame in windows)


async def until(is_so: Callable[[], bool]) -> None:
    """What sockets bring has no event of ours."""
    for _ in range(1000):
        if is_so():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("not within 10 s")


@on_uvloop
async def test_a_hundred_responses_that_nobody_takes_have_a_budget_together_and_all_arrive_when_taken() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    data_plane, wire = plane(server.sockets[0].getsockname()[1]), Wire()
    connection = H2ClientConnection(data_plane, data_plane.settings.listeners[0])
    connection.connection_made(wire)
    try:
        connection.data_received(asked())
        streams = connection.streams
        await until(lambda: len(streams) == STREAMS and all(each.is_blocked for each in streams.values()))
        assert connection.waiting < 4 * 1024 * 1024
        connection.data_received(opened())
        await until(lambda: not streams)
        assert wire.payload() == STREAMS * BODY
    finally:
        connection.connection_lost(None)
        data_plane.close()
        server.close()
        await server.wait_closed()
