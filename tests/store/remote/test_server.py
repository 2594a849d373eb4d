"""Who may come in, and what may not be taken: strangers, other edges' certificates, nonsense, too much at once."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest

from steer.proxy.door_tls import peer_context
from steer.store.engine import Reading
from steer.store.errors import EngineDown, StoreError
from steer.store.layout import Space
from steer.store.memory_engine import MemoryEngine
from steer.store.remote.calls import named
from steer.store.remote.engine import RemoteEngine
from steer.store.remote.link import RemoteLink
from steer.store.remote.server import AT_ONCE, MOST_CONVERSATIONS, MOST_GREETINGS
from steer.store.remote.shapes import MOST_BYTES, packed, unpacker
from tests.kit.certificates import Authority
from tests.kit.serving import EDGE, HOST, EdgeTls, place, served
from tests.kit.waiting import until
from tests.store.asking import put
from tests.store.remote.conftest import SPACE, Served

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connected(port: int, tls: ssl.SSLContext) -> Streams:
    return await asyncio.open_connection(HOST, port, ssl=tls, server_hostname=EDGE)


async def ended(reader: asyncio.StreamReader) -> bool:
    """Without a word."""
    try:
        async with asyncio.timeout(10):
            return await reader.read(1) == b""
    except OSError:
        return True


async def answers(reader: asyncio.StreamReader, count: int) -> list[Any]:
    found: list[Any] = []
    arriving = unpacker()
    async with asyncio.timeout(30):
        while len(found) < count:
            arriving.feed(await reader.read(65536))
            found += list(arriving)
    return found


def strangers(folder: Path) -> dict[str, ssl.SSLContext]:
    """Of no certificate, one of another CA, and one of the right CA for the wrong name."""
    ours, theirs = folder / "authority.pem", Authority(folder / "other")
    nameless = ssl.create_default_context(cafile=ours)
    return {"nobody": nameless, "another CA": peer_context(theirs.issue(EDGE), ours)}


@pytest.mark.parametrize("who", ["nobody", "another CA"])
async def test_who_has_no_certificate_of_the_edges_is_refused(tmp_path: Path, who: str) -> None:
    (tmp_path / "other").mkdir()
    tls = EdgeTls(tmp_path)
    async with served(MemoryEngine(), {SPACE.name: SPACE}, tls.server) as (server, port):
        # With TLS 1.3 a client learns of it when it reads.
        reader, writer = await connected(port, strangers(tmp_path)[who])
        assert await ended(reader)
        writer.transport.abort()
        await until(lambda: server.refused == 1, "it is counted")
        assert not server.conversations


async def test_an_edge_that_is_none_of_the_other_sites_is_refused(edge_tls: EdgeTls) -> None:
    async with served(MemoryEngine(), {SPACE.name: SPACE}, edge_tls.server, ["edge-three"]) as (server, port):
        remote = RemoteEngine(RemoteLink(place(port, edge_tls.client)))
        with pytest.raises(StoreError):
            await remote.time_ms()
        assert server.refused
        await remote.close()


async def test_a_server_with_the_certificate_of_another_edge_is_told_nothing(tmp_path: Path) -> None:
    tls = EdgeTls(tmp_path, "edge-three")
    async with served(MemoryEngine(), {SPACE.name: SPACE}, tls.server, ["edge-three"]) as (_, port):
        remote = RemoteEngine(RemoteLink(place(port, tls.client)))
        with pytest.raises(EngineDown, match="cannot be reached"):
            await remote.time_ms()
        await remote.close()


async def test_only_namespaces_that_are_kept_here_can_be_asked_for(it: Served) -> None:
    await it.memory.open(SPACE)
    await put(it.memory, b"k", b"v", space=SPACE)
    other = Space("other", site=2, peers=(1,), buckets=4)
    with pytest.raises(EngineDown, match="namespace other is not kept here"):
        await it.remote.read(other, b"k")
    with pytest.raises(StoreError, match="has 4 buckets here, at site 2: not 8, at 2"):
        await it.remote.open(Space("web", site=2, peers=(1,), buckets=8))
    with pytest.raises(EngineDown, match="not 4, at 3"):
        await it.remote.read(Space("web", site=3, peers=(1,), buckets=4), b"k")
    assert (await it.remote.read(SPACE, b"k")).state is not None


@pytest.mark.parametrize(
    "question",
    [
        ["close", None, []],
        ["__class__", None, []],
        ["read", None, [b"k"]],
        ["read", named(SPACE), []],
        ["read", named(SPACE), ["k"]],
        ["read", named(SPACE), 7],
        ["write", named(SPACE), [b"k", ["put", 1, None, False], [1, 2, "", b""]]],
        [["read"], named(SPACE), [b"k"]],
        [None, None, None],
    ],
)
async def test_a_question_that_is_none_is_answered_so_and_the_next_one_as_ever(
    it: Served, edge_tls: EdgeTls, question: list[Any]
) -> None:
    reader, writer = await connected(it.port, edge_tls.client)
    writer.write(packed([1, *question]))
    ((number, outcome, value),) = await answers(reader, 1)
    assert (number, outcome) == (1, "down")
    assert "question" in value
    writer.write(packed([2, "time_ms", None, []]))
    ((number, outcome, _),) = await answers(reader, 1)
    assert (number, outcome) == (2, "ok")
    writer.transport.abort()


@pytest.mark.parametrize("nonsense", [b"\xc1", b"GET / HTTP/1.1\r\n\r\n", packed(7), packed([1, 2]), packed({1: 2})])
async def test_who_speaks_another_language_is_cut_off(it: Served, edge_tls: EdgeTls, nonsense: bytes) -> None:
    reader, writer = await connected(it.port, edge_tls.client)
    writer.write(nonsense)
    assert await ended(reader)
    writer.transport.abort()
    assert await it.remote.time_ms() > 0


async def test_a_message_that_never_ends_is_cut_off(it: Served, edge_tls: EdgeTls) -> None:
    reader, writer = await connected(it.port, edge_tls.client)
    writer.write(b"\xc6" + (1 << 31).to_bytes(4, "big"))
    taken = await pieces_taken(writer, 2 * MOST_BYTES >> 20)
    assert MOST_BYTES >> 20 <= taken <= (MOST_BYTES >> 20) + 8
    assert await ended(reader)
    writer.transport.abort()


async def pieces_taken(writer: asyncio.StreamWriter, most: int) -> int:
    """MiB that went out before the connection ended."""
    for number in range(most):
        try:
            writer.write(bytes(1 << 20))
            await writer.drain()
        except OSError:
            return number
    return most


async def test_of_more_questions_than_may_be_at_work_each_is_answered(it: Served, edge_tls: EdgeTls) -> None:
    reader, writer = await connected(it.port, edge_tls.client)
    count = 5 * AT_ONCE
    writer.write(b"".join(packed([number, "time_ms", None, []]) for number in range(count)))
    assert sorted(number for number, _, _ in await answers(reader, count)) == list(range(count))
    writer.transport.abort()


class Slow(MemoryEngine):
    """Answers when it is let; counts how many wait."""

    def __init__(self) -> None:
        super().__init__()
        self.may_answer = asyncio.Event()
        self.waiting = 0

    async def read(self, space: Space, key: bytes) -> Reading:
        self.waiting += 1
        await self.may_answer.wait()
        return await super().read(space, key)


async def test_no_more_are_at_work_than_may_be_however_many_are_sent(edge_tls: EdgeTls) -> None:
    engine = Slow()
    async with served(engine, {SPACE.name: SPACE}, edge_tls.server) as (server, port):
        reader, writer = await connected(port, edge_tls.client)
        count = 3 * AT_ONCE
        writer.write(b"".join(packed([number, "read", named(SPACE), [b"k"]]) for number in range(count)))
        await until(lambda: engine.waiting == AT_ONCE, "as many as may be are at work")
        assert [len(each.at_work) for each in server.conversations] == [AT_ONCE]
        engine.may_answer.set()
        assert len(await answers(reader, count)) == count
        writer.transport.abort()


async def test_a_peer_that_does_not_take_its_answers_is_asked_for_no_more(it: Served, edge_tls: EdgeTls) -> None:
    await put(it.memory, b"large", bytes(1 << 18), space=SPACE)
    reader, writer = await connected(it.port, edge_tls.client)
    writer.transport.pause_reading()  # type: ignore[attr-defined]  # its stub is the base's
    count = 3 * AT_ONCE
    writer.write(b"".join(packed([number, "states", named(SPACE), [[b"large"]]]) for number in range(count)))
    await until(lambda: it.server.conversations, "it has come in")
    (conversation,) = it.server.conversations

    def is_stopped() -> bool:
        return not conversation.at_work and conversation.transport.get_write_buffer_size() > 0

    await until(is_stopped, "nothing is at work for it")
    assert conversation.transport.get_write_buffer_size() < (AT_ONCE + 16) << 18
    writer.transport.resume_reading()  # type: ignore[attr-defined]
    assert len(await answers(reader, count)) == count
    writer.transport.abort()


async def test_strangers_who_say_nothing_do_not_keep_edges_out_for_long(it: Served) -> None:
    silent = [await asyncio.open_connection(HOST, it.port) for _ in range(MOST_GREETINGS)]
    reader, more = await asyncio.open_connection(HOST, it.port)
    assert await ended(reader)
    for _, each in silent:
        each.transport.abort()
    await until(lambda: it.server.refused == MOST_GREETINGS + 1, "all of them are gone")
    assert await it.remote.time_ms() > 0
    more.transport.abort()


async def test_there_is_an_end_to_how_many_may_come_in(it: Served, edge_tls: EdgeTls) -> None:
    kept = [await connected(it.port, edge_tls.client) for _ in range(MOST_CONVERSATIONS)]
    reader, writer = await connected(it.port, edge_tls.client)
    assert await ended(reader)
    for _, each in (*kept, (reader, writer)):
        each.transport.abort()
    await until(lambda: not it.server.conversations, "all have gone")
    assert await it.remote.time_ms() > 0
