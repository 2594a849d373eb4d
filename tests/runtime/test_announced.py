"""PROXY headers in front of real connections, on uvloop: what is behind a header is still there for who reads next."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

import pytest

from steer.errors import Failure
from steer.proxy.proxy_protocol import Endpoints, Version, encode
from steer.runtime import announced
from steer.runtime.accepting import Accepting
from steer.runtime.announced import Announced
from steer.runtime.door import Door
from steer.runtime.sockets import bind_listeners, close_all
from tests.kit.certificates import Authority
from tests.kit.uv import on_uvloop

PATIENCE = 10.0
CLIENT = Endpoints("192.0.2.7", 4711, "198.51.100.1", 443)
HELLO = b"hello " * 1000


class Echo(asyncio.Protocol):
    """Says first for whom it takes the connection."""

    def __init__(self, endpoints: Endpoints | None = None) -> None:
        self._endpoints = endpoints

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._transport = transport
        self._transport.write(b"%b\n" % (self._endpoints.source if self._endpoints else "peer").encode())

    def data_received(self, data: bytes) -> None:
        assert hasattr(self._transport, "write")
        self._transport.write(data)


@dataclass
class Place:
    port: int
    accepting: Accepting
    refused: list[tuple[str, Failure]]

    async def connect(self, source: str = "127.0.0.1") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, local_addr=(source, 0))

    async def answer(self, *pieces: bytes) -> bytes:
        """What a client gets that sends these, each in a segment of its own, and says that this was all."""
        reader, writer = await self.connect()
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        writer.write_eof()
        try:
            return await asyncio.wait_for(reader.read(), PATIENCE)
        except ConnectionResetError:
            return b""
        finally:
            writer.close()


@asynccontextmanager
async def door(tls: ssl.SSLContext | None = None) -> AsyncIterator[Place]:
    sockets = bind_listeners({"door": "127.0.0.1:0"}, slots=1)
    refused: list[tuple[str, Failure]] = []
    trusted = (ip_network("127.0.0.1/32"),)
    announcing = Announced(trusted, Echo, lambda peer, failure: refused.append((peer, failure)))
    accepting = Accepting(sockets, {"door": Door(Echo, tls, 5.0 if tls else None, announcing)})
    await accepting.accept(0)
    try:
        yield Place(sockets["door"][0].getsockname()[1], accepting, refused)
    finally:
        await accepting.close()
        close_all(sockets)


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("size", [1, 7, 16, 10_000])
@on_uvloop
async def test_what_follows_a_header_arrives_whole_however_both_are_cut(version: Version, size: int) -> None:
    data = encode(version, CLIENT) + HELLO
    cut = min(len(data), 200)
    pieces = [data[at : at + size] for at in range(0, cut, size)] + [data[-(-cut // size) * size :]]
    async with door() as place:
        assert await place.answer(*pieces) == b"192.0.2.7\n" + HELLO
        assert place.refused == []


@pytest.mark.parametrize("version", ["v1", "v2"])
@on_uvloop
async def test_who_speaks_for_itself_is_known_by_its_own_address(version: Version) -> None:
    async with door() as place:
        assert await place.answer(encode(version, None), HELLO) == b"peer\n" + HELLO


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("version", ["v1", "v2"])
@on_uvloop
async def test_tls_begins_behind_the_header_also_where_both_come_in_one_segment(
    tmp_path_factory: pytest.TempPathFactory, version: Version, together: bool
) -> None:
    folder: Path = tmp_path_factory.mktemp("tls")
    authority = Authority(folder)
    files = authority.issue("www.agency.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    async with door(context) as place:
        reader, writer = await place.connect()
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = authority.trust().wrap_bio(incoming, outgoing, server_hostname="www.agency.example")
        header = encode(version, CLIENT)
        if not together:
            writer.write(header)
            await writer.drain()
            header = b""
        plain = b""
        while not plain.endswith(b"\n"):
            try:
                plain += client.read()
            except ssl.SSLWantReadError:
                writer.write(header + outgoing.read())
                header = b""
                incoming.write(await asyncio.wait_for(reader.read(65536), PATIENCE))
        writer.close()
    assert plain == b"192.0.2.7\n"


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00", b"PROXY TCP4 nonsense\r\n", b"PROXY "]
)
@on_uvloop
async def test_a_connection_that_does_not_begin_with_a_header_is_closed_and_it_is_told(data: bytes) -> None:
    async with door() as place:
        assert await place.answer(data) == b""
        ((peer, failure),) = place.refused
    assert (peer, failure.name) == ("127.0.0.1", "malformed")


@on_uvloop
async def test_a_header_counts_from_trusted_proxies_only() -> None:
    async with door() as place:
        reader, writer = await place.connect("127.0.0.2")
        writer.write(encode("v2", CLIENT))
        assert await asyncio.wait_for(reader.read(), PATIENCE) == b""
        writer.close()
        ((peer, failure),) = place.refused
    assert (peer, failure.name) == ("127.0.0.2", "not_allowed")


@pytest.mark.parametrize("beginning", [b"", b"PROXY TCP4 192.0.2.7 "])
def test_a_header_that_does_not_come_is_not_waited_for_long(beginning: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announced, "HEADER_S", 0.1)

    @on_uvloop
    async def wait() -> None:
        async with door() as place:
            reader, writer = await place.connect()
            writer.write(beginning)
            assert await asyncio.wait_for(reader.read(), PATIENCE) == b""
            writer.close()
            ((_, failure),) = place.refused
        assert failure.name == "head_too_slow"

    wait()


@on_uvloop
async def test_a_slot_that_was_released_can_be_accepted_from_again() -> None:
    async with door() as place:
        await place.accepting.release(0)
        await place.accepting.accept(0)
        assert await place.answer(encode("v1", CLIENT)) == b"192.0.2.7\n"


@on_uvloop
async def test_who_waits_at_a_door_that_is_shut_is_still_taken() -> None:
    async with door() as place:
        reader, writer = await place.connect()
        writer.write(encode("v1", CLIENT) + b"hello")
        writer.write_eof()
        await writer.drain()
        await place.accepting.shut()
        assert await asyncio.wait_for(reader.read(), PATIENCE) == b"192.0.2.7\nhello"
        writer.close()
