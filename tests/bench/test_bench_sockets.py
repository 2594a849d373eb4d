"""The WebSocket load and its echo, which real clients understand as well."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bench.certificate import make_certificate
from bench.loads import LoadFailed
from bench.loads.echo import Echo
from bench.loads.sockets import Talk, run


async def listening(protocol: type[asyncio.Protocol], tls: ssl.SSLContext | None) -> AsyncIterator[int]:
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLContext:
    make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    return context


class Stubborn(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")


class Garbling(Echo):
    def _answer(self) -> None:
        self._transport.write(b"\x82\x01?")


async def test_every_message_comes_back_and_is_counted(tls: ssl.SSLContext) -> None:
    async for port in listening(Echo, tls):
        seen = await run(Talk(port, sockets=4, size=125, seconds=0.1))
        assert seen.operations >= 4
        assert 0 < seen.p50_ms <= seen.p99_ms < seen.seconds * 1e3


async def test_a_refused_handshake_is_no_sample(tls: ssl.SSLContext) -> None:
    async for port in listening(Stubborn, tls):
        with pytest.raises(LoadFailed, match="503 Busy"):
            await run(Talk(port, sockets=1, size=5, seconds=0.1))


async def test_another_message_than_was_sent_is_no_sample(tls: ssl.SSLContext) -> None:
    async for port in listening(Garbling, tls):
        with pytest.raises(LoadFailed, match="another message"):
            await run(Talk(port, sockets=1, size=5, seconds=0.1))


async def test_messages_are_as_long_as_one_byte_can_tell() -> None:
    with pytest.raises(ValueError, match="125 bytes at most"):
        await run(Talk(1, sockets=1, size=126, seconds=0.1))


async def test_who_asks_the_echo_without_a_handshake_is_told_so() -> None:
    async for port in listening(Echo, None):
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/ws") as answer:
            assert answer.status == 426
