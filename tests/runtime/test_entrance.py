"""Real sockets on uvloop: who comes in, in which order, and who does not."""

from __future__ import annotations

import asyncio
import resource
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import cast

import pytest

from steer.proxy.certificates import CertificateFiles
from steer.runtime import entrance, listening, silent
from steer.runtime.accepting import Accepting
from steer.runtime.door import Door
from steer.runtime.sockets import bind_listeners, close_all
from tests.kit.certificates import Authority
from tests.kit.uv import on_uvloop

BURST = 5000
FLOODER, GOOD = "127.0.0.2", "127.0.0.3"


class Greeter(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        greeting = cast("asyncio.Transport", transport)
        greeting.write(b"hello")
        greeting.close()


class Place:
    """One door, whose connections say hello."""

    def __init__(self, door: Door) -> None:
        self.sockets = bind_listeners({"door": "127.0.0.1:0"}, slots=1)
        self.address = self.sockets["door"][0].getsockname()
        self.accepting = Accepting(self.sockets, {"door": door})

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        """Not yet accepted."""
        connection = socket.create_connection(self.address, 10, (source, 0))
        connection.setblocking(False)
        return connection

    def accept_all(self) -> None:
        """All that wait in the kernel's queue, within one turn of the loop."""
        listening = self.accepting._listen("door", self.sockets["door"][0])
        listening.accept_all()
        listening.close()


@asynccontextmanager
async def place(door: Door) -> AsyncIterator[Place]:
    found = Place(door)
    try:
        yield found
    finally:
        await found.accepting.close()
        found.accepting.abandon()
        close_all(found.sockets)


async def answer(connection: socket.socket) -> bytes:
    """Everything that comes; b"reset" for a reset."""
    heard = b""
    with connection:
        try:
            async with asyncio.timeout(10):
                while data := await asyncio.get_running_loop().sock_recv(connection, 4096):
                    heard += data
        except ConnectionResetError:
            return b"reset"
    return heard


def _server(files: CertificateFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    return context


@contextmanager
def descriptors(most: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@on_uvloop
async def test_a_burst_of_thousands_is_taken_whole() -> None:
    """As many as wait in the kernel's queue, and as many more while those are taken."""
    async with place(Door(Greeter)) as found:
        await found.accepting.accept(0)
        answers = Counter[bytes]()

        async def come(number: int) -> None:
            loop = asyncio.get_running_loop()
            connection = socket.socket()
            connection.setblocking(False)
            connection.bind((f"127.0.1.{number % 200 + 1}", 0))
            await loop.sock_connect(connection, found.address)
            answers[await answer(connection)] += 1

        await asyncio.gather(*(come(number) for number in range(BURST)))
        assert answers == {b"hello": BURST}


@on_uvloop
async def test_newcomers_have_their_turns_by_address() -> None:
    order: list[str] = []

    class Noting(Greeter):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            order.append(transport.get_extra_info("peername")[0])
            super().connection_made(transport)

    async with place(Door(Noting)) as found:
        flood = [found.connect(FLOODER) for _ in range(100)]
        good = [found.connect(GOOD) for _ in range(3)]
        found.accept_all()
        assert [await answer(each) for each in good] == [b"hello"] * 3
        assert (order.index(GOOD) < 6, order.count(FLOODER) < 20) == (True, True)
        assert {await answer(each) for each in flood} == {b"hello"}


@on_uvloop
async def test_an_address_of_which_too_many_wait_keeps_no_other_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entrance, "WAITING", 40)
    refused = Counter[str]()
    async with place(Door(Greeter, refused=lambda why: refused.update([why]))) as found:
        flood = [found.connect(FLOODER) for _ in range(60)]
        good = found.connect(GOOD)
        found.accept_all()
        assert await answer(good) == b"hello"
        answers = Counter([await answer(each) for each in flood])
        assert answers[b"reset"] == refused[entrance.CROWDED] > 30
        assert answers[b"hello"] + answers[b"reset"] == 60


@on_uvloop
async def test_who_is_refused_is_reset_before_a_handshake(tmp_path: Path) -> None:
    refused: list[str] = []
    files = Authority(tmp_path).issue("www.agency.example")

    def refusal(address: str) -> str:
        return "penalty" if address == FLOODER else ""

    async with place(Door(Greeter, _server(files), 5.0, refusal=refusal, refused=refused.append)) as found:
        await found.accepting.accept(0)
        assert await answer(found.connect(FLOODER)) == b"reset"
        assert refused == ["penalty"]


@on_uvloop
async def test_where_it_can_be_said_one_that_is_refused_is_told() -> None:
    async with place(Door(Greeter, refusal=lambda _: "connections", sorry=lambda: b"busy")) as found:
        asking = found.connect()
        asking.send(b"GET / HTTP/1.1\r\n\r\n")
        await found.accepting.accept(0)
        assert await answer(asking) == b"busy"


def hello(authority: Authority) -> bytes:
    """What a client says first."""
    said = ssl.MemoryBIO()
    handshake = authority.trust().wrap_bio(ssl.MemoryBIO(), said, server_hostname="www.agency.example")
    with suppress(ssl.SSLWantReadError):
        handshake.do_handshake()
    return said.read()


async def is_served(found: Place, authority: Authority) -> bool:
    reader, writer = await asyncio.open_connection(
        *found.address, ssl=authority.trust(), server_hostname="www.agency.example", local_addr=(GOOD, 0)
    )
    heard = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return heard == b"hello"


@on_uvloop
async def test_handshakes_that_stall_make_room_for_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entrance, "BEGINNING", 10)
    monkeypatch.setattr(entrance, "MAKES_ROOM_S", 0.1)
    monkeypatch.setattr(entrance, "PAUSE_S", 0.05)
    authority, refused = Authority(tmp_path), Counter[str]()
    files = authority.issue("www.agency.example")
    async with place(Door(Greeter, _server(files), 5.0, refused=lambda why: refused.update([why]))) as found:
        await found.accepting.accept(0)
        stalled = [found.connect(f"127.0.2.{number}") for number in range(1, 31)]
        for each in stalled:
            each.send(hello(authority)[:20])
        assert await is_served(found, authority)
        assert refused[entrance.STALLED] > 0
        for each in stalled:
            each.close()


@on_uvloop
async def test_hellos_that_come_at_once_are_looked_at_a_few_in_each_turn_and_a_few_of_one_address(
    tmp_path: Path,
) -> None:
    authority = Authority(tmp_path)
    files = authority.issue("www.agency.example")
    async with place(Door(Greeter, _server(files), 5.0)) as found:
        inside = found.accepting._entrance
        flood = [found.connect(FLOODER) for _ in range(2 * entrance.OF_ONE)]
        found.accept_all()
        assert (len(inside._silent), len(inside._beginning)) == (len(flood), 0)
        for each in flood:
            each.send(hello(authority))
        under_way = [0]
        while under_way[-1] < entrance.OF_ONE:
            await asyncio.sleep(0)
            under_way.append(len(inside._beginning))
        assert max(after - before for before, after in pairwise(under_way)) <= 2 * entrance.BEGUN_AT_ONCE
        await found.accepting.accept(0)
        assert await is_served(found, authority)
        assert len(inside._beginning) == entrance.OF_ONE
        for each in flood:
            each.close()


@on_uvloop
async def test_one_that_says_nothing_is_closed_in_time_without_a_handshake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silent, "SWEEP_S", 0.05)
    files = Authority(tmp_path).issue("www.agency.example")
    async with place(Door(Greeter, _server(files), 0.1)) as found:
        await found.accepting.accept(0)
        assert await answer(found.connect()) == b""
        assert len(found.accepting._entrance._silent) == 0


@on_uvloop
async def test_who_says_nothing_keeps_no_other_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silent, "ROOM", 10)
    authority, refused = Authority(tmp_path), Counter[str]()
    files = authority.issue("www.agency.example")
    async with place(Door(Greeter, _server(files), 5.0, refused=lambda why: refused.update([why]))) as found:
        flood = [found.connect(FLOODER) for _ in range(20)]
        found.accept_all()
        await found.accepting.accept(0)
        assert await is_served(found, authority)
        assert refused == {entrance.CROWDED: 15}
        monkeypatch.setattr(silent, "MAKES_ROOM_S", 0.0)
        late = found.connect(FLOODER)
        late.send(hello(authority)[:1])
        while not refused[entrance.STALLED]:
            await asyncio.sleep(0.01)
            flood.append(found.connect(FLOODER))
        for each in (late, *flood):
            each.close()


@on_uvloop
async def test_who_has_said_nothing_when_a_slot_is_shut_is_still_served(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    files = authority.issue("www.agency.example")
    async with place(Door(Greeter, _server(files), 5.0)) as found:
        await found.accepting.accept(0)
        raw = found.connect(GOOD)
        found.accept_all()
        assert len(found.accepting._entrance._silent) == 1
        shutting = asyncio.create_task(found.accepting.shut())
        await asyncio.sleep(0)
        reader, writer = await asyncio.open_connection(
            sock=raw, ssl=authority.trust(), server_hostname="www.agency.example"
        )
        assert await asyncio.wait_for(reader.read(), 10) == b"hello"
        writer.close()
        await asyncio.wait_for(shutting, 10)


@on_uvloop
async def test_without_descriptors_it_pauses_and_goes_on_when_there_are_some(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listening, "PAUSE_S", 0.05)
    refused, exhausted = Counter[str](), asyncio.Event()

    def count(why: str) -> None:
        refused[why] += 1
        exhausted.set()

    async with place(Door(Greeter, refused=count)) as found:
        waiting = [found.connect() for _ in range(5)]
        await found.accepting.accept(0)
        held = []
        with descriptors(200), suppress(OSError):
            while True:
                held.append(socket.socket())
        with descriptors(200):
            async with asyncio.timeout(10):
                await exhausted.wait()
            seen = refused[listening.EXHAUSTION]
            for _ in range(50):
                await asyncio.sleep(0)
            assert refused[listening.EXHAUSTION] - seen <= 1
            for each in held:
                each.close()
            assert [await answer(each) for each in waiting] == [b"hello"] * 5


@on_uvloop
async def test_a_socket_that_another_process_has_shut_wakes_nobody_any_more() -> None:
    async with place(Door(Greeter)) as found:
        await found.accepting.accept(0)
        listening = found.sockets["door"][0]
        listening.shutdown(socket.SHUT_RD)
        for _ in range(50):  # turns of the loop, each of which would see it
            await asyncio.sleep(0)
        assert not asyncio.get_running_loop().remove_reader(found.accepting._listening[0][0]._listening)
