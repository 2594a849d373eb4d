"""The relay's ways: open, cut, held."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from chaos.relay import Relay, Way

PATIENCE = 5.0
Talk = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(100):
            writer.write(data)
    writer.transport.abort()


@asynccontextmanager
async def relayed() -> AsyncIterator[Relay]:
    """In front of something that answers what it hears."""
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    relay = Relay(server.sockets[0].getsockname()[1])
    await relay.start()
    try:
        yield relay
    finally:
        await relay.close()
        server.close()


async def talk(relay: Relay) -> Talk:
    return await asyncio.open_connection("127.0.0.1", relay.port)


async def say(it: Talk, what: bytes) -> bytes:
    """What comes back."""
    it[1].write(what)
    async with asyncio.timeout(PATIENCE):
        return await it[0].readexactly(len(what))


async def test_an_open_way_passes_bytes() -> None:
    async with relayed() as relay:
        it = await talk(relay)
        assert await say(it, b"hello") == b"hello"
        it[1].close()


async def test_a_way_that_is_cut_resets_connections_and_refuses_new_ones() -> None:
    async with relayed() as relay:
        old = await talk(relay)
        await say(old, b"hello")
        relay.take(Way.CUT)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await say(old, b"still there?")
        new = await talk(relay)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await say(new, b"and now?")
        relay.take(Way.OPEN)
        again = await talk(relay)
        assert await say(again, b"back") == b"back"
        for each in (old, new, again):
            each[1].close()


async def test_a_way_that_is_held_delivers_later_what_was_sent_meanwhile() -> None:
    async with relayed() as relay:
        it = await talk(relay)
        await say(it, b"hello")
        relay.take(Way.HELD)
        it[1].write(b"late")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await it[0].read(1)
        relay.take(Way.OPEN)
        async with asyncio.timeout(PATIENCE):
            assert await it[0].readexactly(4) == b"late"
        it[1].close()
