"""The way to another site's edges: broken, cut, too slow, dead, and there again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest

from steer.store.engine import Batch, Outcome, Put, Reading
from steer.store.errors import EngineDown, Indeterminate
from steer.store.layout import Space
from steer.store.memory_engine import MemoryEngine
from steer.store.remote.engine import RemoteEngine
from steer.store.remote.line import PROBE_EVERY
from steer.store.remote.link import RemoteLink
from steer.store.remote.server import AT_ONCE
from steer.store.stamp import stamp_of
from steer.store.state import PLAIN, Base, Deadline, State
from tests.kit.clock import ManualClock
from tests.kit.redis import free_port
from tests.kit.relay import Relay
from tests.kit.serving import EdgeTls, place, served
from tests.kit.uv import on_uvloop
from tests.store.asking import put, terms, value
from tests.store.remote.conftest import SPACE, Served

BEGIN = 1_795_000_000_000
LARGE = State(Base(stamp_of(BEGIN, 0, 1), PLAIN, bytes(1 << 20)), deadline=Deadline(stamp_of(BEGIN, 0, 1), 2 * BEGIN))


@asynccontextmanager
async def over_a_relay(it: Served, tls: EdgeTls, patience: float = 0.2) -> AsyncIterator[tuple[Relay, RemoteEngine]]:
    async with Relay(it.port) as line:
        remote = RemoteEngine(RemoteLink(place(line.port, tls.client, patience)))
        yield line, remote
        await remote.close()


async def test_a_connection_that_is_cut_is_made_anew(it: Served, edge_tls: EdgeTls) -> None:
    async with over_a_relay(it, edge_tls) as (line, remote):
        await put(remote, b"k", b"v", space=SPACE)
        line.cut()
        line.mend()
        assert await value(remote, b"k", space=SPACE) == b"v"


async def test_a_write_whose_line_is_cut_in_the_middle_happens_once(it: Served, edge_tls: EdgeTls) -> None:
    async with over_a_relay(it, edge_tls, 5.0) as (line, remote):
        asked = await terms(remote, request=b"8 bytes!", left=10_000)
        line.hold()
        writing = asyncio.ensure_future(remote.write(SPACE, b"k", Put(b"v", None), asked))
        await asyncio.sleep(0)  # it is on its way
        line.cut()
        line.mend()
        answer = await writing
        assert answer.outcome is Outcome.OK
        assert (await it.memory.position(SPACE, SPACE.bucket_of(b"k"))).sequence == 1


async def test_an_edge_that_says_nothing_is_indeterminate_and_then_nobody_waits(it: Served, edge_tls: EdgeTls) -> None:
    async with over_a_relay(it, edge_tls) as (line, remote):
        assert await remote.time_ms() > 0
        line.hold()
        with pytest.raises(Indeterminate, match="did not answer in time"):
            await remote.time_ms()
        with pytest.raises(EngineDown, match="does not answer"):
            await remote.time_ms()
        line.mend()
        await until_it_answers(remote)


async def until_it_answers(remote: RemoteEngine) -> None:
    for _ in range(200):
        with suppress(EngineDown, Indeterminate):
            assert await remote.time_ms() > 0
            return
        await asyncio.sleep(PROBE_EVERY / 10)
    pytest.fail("it does not answer again")


async def test_an_edge_that_is_not_there_is_down(edge_tls: EdgeTls) -> None:
    remote = RemoteEngine(RemoteLink(place(free_port(), edge_tls.client)))
    with pytest.raises(EngineDown, match="cannot be reached"):
        await remote.time_ms()
    await remote.close()


async def test_of_two_edges_the_other_one_is_asked_when_one_is_gone(it: Served, edge_tls: EdgeTls) -> None:
    good = place(it.port, edge_tls.client)
    both = replace(good, doors=(good.doors[0]._replace(port=free_port()), *good.doors))
    remote = RemoteEngine(RemoteLink(both))
    assert await remote.time_ms() > 0
    await remote.close()


async def test_what_was_sent_to_one_edge_and_cannot_be_asked_again_is_indeterminate(edge_tls: EdgeTls) -> None:
    engine = Hanging()
    async with served(engine, {SPACE.name: SPACE}, edge_tls.server) as (server, port):
        remote = RemoteEngine(RemoteLink(place(port, edge_tls.client, 5.0)))
        asking = asyncio.ensure_future(remote.read(SPACE, b"k"))
        await engine.asked.wait()
        (conversation,) = server.conversations
        closing = asyncio.ensure_future(server.close())
        conversation.transport.abort()
        with pytest.raises(Indeterminate, match="cannot be reached"):
            await asking
        engine.may_answer.set()
        await closing
        await remote.close()


class Hanging(MemoryEngine):
    def __init__(self) -> None:
        super().__init__()
        self.asked, self.may_answer = asyncio.Event(), asyncio.Event()

    async def read(self, space: Space, key: bytes) -> Reading:
        self.asked.set()
        await self.may_answer.wait()
        return await super().read(space, key)


async def test_an_edge_that_hangs_is_tried_once_in_half_a_second(edge_tls: EdgeTls) -> None:
    clock = ManualClock()
    remote = RemoteEngine(RemoteLink(place(free_port(), edge_tls.client), clock))
    with pytest.raises(EngineDown, match="cannot be reached"):
        await remote.time_ms()
    with pytest.raises(EngineDown, match="does not answer"):
        await remote.time_ms()
    clock.advance(PROBE_EVERY)
    with pytest.raises(EngineDown, match="cannot be reached"):
        await remote.time_ms()
    await remote.close()


async def test_an_engine_that_breaks_says_that_nobody_knows(edge_tls: EdgeTls) -> None:
    class Crashing(MemoryEngine):
        async def read(self, space: Space, key: bytes) -> Reading:
            raise ZeroDivisionError

    async with served(Crashing(), {SPACE.name: SPACE}, edge_tls.server) as (_, port):
        remote = RemoteEngine(RemoteLink(place(port, edge_tls.client)))
        with pytest.raises(Indeterminate, match="failed to answer"):
            await remote.read(SPACE, b"k")
        await remote.close()


async def test_a_record_that_somebody_waits_for_passes_a_back_fill_that_is_stuck(it: Served, edge_tls: EdgeTls) -> None:
    await put(it.memory, b"k", b"v", space=SPACE)
    async with Relay(it.port) as line:
        line.delay = 0.02
        remote = RemoteEngine(RemoteLink(place(line.port, edge_tls.client, 10.0)))
        await remote.digest(SPACE, 0, 0, 1, 0, 0)
        batches = [Batch(0, [(b"%d" % number, LARGE)]) for number in range(4)]
        bulk = asyncio.ensure_future(remote.apply_all(SPACE, batches))
        assert await value(remote, b"k", space=SPACE) == b"v"
        assert not bulk.done()
        assert len(await bulk) == 4
        await remote.close()


@on_uvloop
async def test_on_the_loop_of_the_store_process_a_connection_that_was_reset_is_made_anew(edge_tls: EdgeTls) -> None:
    memory = MemoryEngine()
    async with served(memory, {SPACE.name: SPACE}, edge_tls.server) as (_, port), Relay(port) as line:
        remote = RemoteEngine(RemoteLink(place(line.port, edge_tls.client, 5.0)))
        for _ in range(20):
            await put(remote, b"k", b"v", space=SPACE)
            line.cut()
            line.mend()
        many = asyncio.gather(*(value(remote, b"k", space=SPACE) for _ in range(50)))
        line.cut()
        line.mend()
        assert await many == [b"v"] * 50
        await remote.close()


@on_uvloop
async def test_on_that_loop_too_each_of_many_questions_is_answered(edge_tls: EdgeTls) -> None:
    memory = MemoryEngine()
    async with served(memory, {SPACE.name: SPACE}, edge_tls.server) as (_, port):
        remote = RemoteEngine(RemoteLink(place(port, edge_tls.client, 10.0)))
        await remote.apply_all(SPACE, [Batch(SPACE.bucket_of(b"large"), [(b"large", LARGE)])])
        records = await asyncio.gather(*(remote.states(SPACE, [b"large"]) for _ in range(2 * AT_ONCE)))
        assert all(found == [LARGE] for found in records)
        await remote.close()
