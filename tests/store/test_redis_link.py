"""What goes wrong with a real Redis: it forgets scripts, hangs, dies, loads, may not be written to."""

from __future__ import annotations

import asyncio
import secrets
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from threading import Thread
from time import monotonic

import pytest
import uvloop

from steer.store.engine import Answer, Change, Delete, Finding, Outcome, Put
from steer.store.errors import EngineDown, Indeterminate, StoreError
from steer.store.layout import Space
from steer.store.namespace import EngineNamespace
from steer.store.redis_engine import RedisEngine
from steer.store.redis_link import CONNECTIONS, PROBE_EVERY, QUEUED, RedisLink, RedisPlace
from tests.kit.certificates import Authority
from tests.kit.clock import ManualClock
from tests.kit.processes import connections_to
from tests.kit.redis import RedisServer, free_port, needs_redis
from tests.kit.waiting import until
from tests.store.asking import ALONE, MINUTE, PAIRED, delete, put, terms, value

pytestmark = needs_redis
KEY = b"key"
PATIENCE = 5.0
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of 0 s: closing sends RST."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def real(server: RedisServer, clock: ManualClock) -> AsyncIterator[RedisEngine]:
    made = RedisEngine(RedisLink(RedisPlace(server.url), clock))
    yield made
    await made.close()


async def test_an_engine_that_forgot_the_scripts_gets_them_again(real: RedisEngine, server: RedisServer) -> None:
    await put(real, KEY, b"x")
    assert server.ask("SCRIPT FLUSH") == "+OK"
    await put(real, KEY, b"y")
    assert server.ask("SCRIPT FLUSH") == "+OK"
    assert await value(real, KEY) == b"y"


async def test_an_engine_that_forgot_the_scripts_in_the_middle_does_each_write_of_several_once(
    real: RedisEngine, server: RedisServer
) -> None:
    writes = [(b"%d" % n, Put(b"x", MINUTE), await terms(real)) for n in range(5)]
    assert server.ask("SCRIPT FLUSH") == "+OK"
    answers = await real.write_all(ALONE, writes)
    assert [isinstance(each, Answer) and each.outcome for each in answers] == [Outcome.OK] * 5
    assert [await value(real, key) for key, *_ in writes] == [b"x"] * 5


async def test_of_several_writes_those_that_the_engine_has_no_memory_for_are_refused(
    real: RedisEngine, server: RedisServer
) -> None:
    await put(real, KEY, b"x")
    assert server.ask("CONFIG SET maxmemory 1") == "+OK"
    changes: list[tuple[bytes, Change]] = [(KEY, Delete()), (b"other", Put(b"y", MINUTE))]
    writes = [(key, change, await terms(real)) for key, change in changes]
    await delete(real, b"to load the script")
    done, refused = await real.write_all(ALONE, writes)
    assert isinstance(done, Answer)
    assert isinstance(refused, EngineDown)
    assert await value(real, KEY) is None
    assert await value(real, b"other") is None


async def test_a_process_that_is_killed_loses_nothing_that_was_acknowledged(
    real: RedisEngine, server: RedisServer
) -> None:
    for n in range(200):
        await put(real, b"%d" % n, b"%d" % n)
    server.kill()
    with pytest.raises(StoreError):
        await value(real, KEY)
    server.start()
    fresh = RedisEngine(RedisLink(RedisPlace(server.url)))
    assert [await value(fresh, b"%d" % n) for n in range(200)] == [b"%d" % n for n in range(200)]
    await fresh.close()


async def test_a_connection_that_the_engine_ended_is_made_anew(real: RedisEngine, server: RedisServer) -> None:
    await put(real, KEY, b"x")
    server.ask("CLIENT KILL TYPE normal SKIPME yes")
    assert await value(real, KEY) == b"x"


def test_a_connection_that_was_reset_is_made_anew_on_an_edges_loop_too() -> None:
    """It is uvloop, which calls this no OSError. Who asked waited for ever then, and so did replication."""
    writers: list[asyncio.StreamWriter] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with suppress(ConnectionError):
            while heard := await reader.read(1000):
                writer.write(b"$5\r\nvalue\r\n" if b"GET" in heard else b"+OK\r\n" * heard.count(b"*"))
        writer.close()

    async def ask_twice() -> None:
        async with await asyncio.start_server(talk, "127.0.0.1", 0) as engine:
            port = engine.sockets[0].getsockname()[1]
            link = RedisLink(RedisPlace(f"redis://127.0.0.1:{port}/0"))
            assert await link.call("GET", KEY) == b"value"
            reset(writers[0])
            await until(lambda: not connections_to(port), "the reset has come")
            async with asyncio.timeout(PATIENCE):
                assert await link.call("GET", KEY) == b"value"
            await link.close()
            await until(lambda: not connections_to(port), "the engine has seen the end")

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(ask_twice())
    assert len(writers) == 2


def test_an_engine_that_resets_whoever_connects_is_down_on_an_edges_loop_too(clock: ManualClock) -> None:
    """Often between two of the first words to it, which is when uvloop has its own error."""

    async def ask_often(port: int) -> None:
        link = RedisLink(RedisPlace(f"redis://127.0.0.1:{port}/0"), clock)
        for _ in range(200):
            clock.advance(PROBE_EVERY)
            async with asyncio.timeout(PATIENCE):
                with pytest.raises(StoreError):
                    await link.call("GET", KEY)
        await link.close()

    with socket.create_server(("127.0.0.1", 0)) as engine:
        resetting = Thread(target=reset_all, args=[engine])
        resetting.start()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(ask_often(engine.getsockname()[1]))
        engine.shutdown(socket.SHUT_RDWR)
        resetting.join()


def reset_all(engine: socket.socket) -> None:
    """Until it is shut down."""
    with suppress(OSError):
        while True:
            connection, _ = engine.accept()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            connection.recv(1)
            connection.close()


def reset(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()


async def test_a_write_that_an_engine_took_before_it_went_away_is_not_called_refused() -> None:
    async def take_it_and_go(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while b"SET\r\n" not in (heard := await reader.read(1000)):
            writer.write(b"+OK\r\n" * heard.count(b"*"))
        engine.close()
        writer.close()

    engine = await asyncio.start_server(take_it_and_go, "127.0.0.1", 0)
    link = RedisLink(RedisPlace(f"redis://127.0.0.1:{engine.sockets[0].getsockname()[1]}/0"))
    with pytest.raises(Indeterminate, match=r"broke.*cannot be reached"):
        await link.call("SET", KEY, b"x")
    await link.close()


async def test_an_engine_that_hangs_costs_the_first_300_ms_and_the_next_nothing(
    real: RedisEngine, server: RedisServer, clock: ManualClock
) -> None:
    await put(real, KEY, b"x")
    server.pause()
    begin = monotonic()
    with pytest.raises(Indeterminate, match="did not answer in time"):
        await value(real, KEY)
    assert 0.2 < monotonic() - begin < 1.0
    begin = monotonic()
    for _ in range(20):
        with pytest.raises(EngineDown, match="does not answer"):
            await value(real, KEY)
    assert monotonic() - begin < 0.1
    server.go_on()
    clock.advance(PROBE_EVERY)
    assert await value(real, KEY) == b"x"


async def test_a_write_that_timed_out_does_not_happen_later(server: RedisServer) -> None:
    engine = RedisEngine(RedisLink(RedisPlace(server.url)))
    web = EngineNamespace(engine, ALONE)
    await web.put(KEY, b"old", 60.0)
    server.pause()
    with pytest.raises(Indeterminate):
        await web.put(KEY, b"new", 60.0)
    with pytest.raises(EngineDown):
        await web.get(KEY)
    await asyncio.sleep(0.3)  # The write's time is over by now, and it still lies in the engine's socket.
    server.go_on()
    server.wait_until_it_answers()
    assert server.ask(f"HGET {ALONE.record(KEY).decode()} v") == "$3"
    fresh = RedisEngine(RedisLink(RedisPlace(server.url)))
    assert await value(fresh, KEY) == b"old"
    await engine.close()
    await fresh.close()


async def test_an_engine_that_is_a_replica_refuses_writes_at_once(real: RedisEngine, server: RedisServer) -> None:
    await put(real, KEY, b"x")
    server.ask(f"REPLICAOF 127.0.0.1 {free_port()}")
    with pytest.raises(EngineDown, match="refuses: "):
        await put(real, KEY, b"y")
    server.ask("REPLICAOF NO ONE")
    assert await value(real, KEY) == b"x"
    await put(real, KEY, b"y")


async def test_an_engine_that_is_still_loading_is_down(tmp_path: Path) -> None:
    with RedisServer(tmp_path, "--appendonly", "no") as server:
        for n in range(100):
            server.ask(f"SET key{n} {secrets.token_hex(2000)}")
        server.ask("SAVE")
        server.kill()
        slowly = ("--key-load-delay", "50000", "--loading-process-events-interval-bytes", "1024")
        server.start(*slowly, until="-LOADING")
        engine = RedisEngine(RedisLink(RedisPlace(server.url)))
        with pytest.raises(EngineDown, match=r"refuses: .*loading"):
            await value(engine, KEY)
        await engine.close()


async def test_an_engine_without_memory_refuses_records_and_takes_ends_of_sessions(
    real: RedisEngine, server: RedisServer
) -> None:
    web = EngineNamespace(real, ALONE)
    await web.put(KEY, b"x", 60.0)
    assert server.ask("CONFIG SET maxmemory 1") == "+OK"
    with pytest.raises(EngineDown, match=r"refuses: .*memory"):
        await web.put(KEY, b"y", 60.0)
    assert await value(real, KEY) == b"x"
    assert await web.delete(KEY)
    assert await web.get(KEY) is None


async def test_nobody_there_is_down(clock: ManualClock) -> None:
    nobody = RedisEngine(RedisLink(RedisPlace(f"redis://user:secret@127.0.0.1:{free_port()}/0"), clock))
    with pytest.raises(EngineDown, match="cannot be reached") as raised:
        await value(nobody, KEY)
    assert "secret" not in str(raised.value)
    await nobody.close()


async def test_a_password_that_cannot_be_sent_is_told_and_nobody_waits_for_ever(
    clock: ManualClock, server: RedisServer
) -> None:
    """Bytes of the environment that are no UTF-8. The library's error for it is no error of the network."""
    engine = RedisEngine(RedisLink(RedisPlace(server.url, options=(("password", "\udcff"),)), clock))
    async with asyncio.timeout(10):
        with pytest.raises(EngineDown, match="cannot be reached"):
            await engine.time_ms()
    await engine.close()


async def test_many_at_once_share_a_bounded_number_of_connections(real: RedisEngine, server: RedisServer) -> None:
    await put(real, KEY, b"x")
    values = await asyncio.gather(*(value(real, KEY) for _ in range(500)))
    assert values == [b"x"] * 500
    assert int(server.ask_all("INFO clients").split("connected_clients:")[1].split()[0]) <= CONNECTIONS + 1


async def test_more_than_can_be_answered_in_time_is_refused_at_once(real: RedisEngine) -> None:
    await put(real, KEY, b"x")
    asked = await asyncio.gather(*(value(real, KEY) for _ in range(QUEUED + 10)), return_exceptions=True)
    assert sum(isinstance(each, EngineDown) for each in asked) == 10
    assert asked[0] == b"x"


async def test_a_caller_that_gives_up_leaves_no_answer_for_the_next(real: RedisEngine) -> None:
    await put(real, b"one", b"1")
    await put(real, b"two", b"2")
    for _ in range(20):
        abandoned = asyncio.ensure_future(value(real, b"one"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        abandoned.cancel()
        assert await value(real, b"two") == b"2"


async def test_a_value_that_is_none_of_ours_is_no_record_and_no_crash(real: RedisEngine, server: RedisServer) -> None:
    server.ask(f"HSET {ALONE.record(KEY).decode()} m {'S' + '0' * 40 + '9' * 13} f:a short")
    with pytest.raises(EngineDown, match="a record that is none"):
        await value(real, KEY)


async def test_a_promoted_engine_with_a_clock_behind_still_gives_later_stamps(real: RedisEngine) -> None:
    """The clock is in the bucket, so it went with the data; stamps do not ask the engine's time alone."""
    ahead = f"{await real.time_ms() + 4000:013d}0000002"
    await real.witness(PAIRED, PAIRED.bucket_of(KEY), ahead)
    stamps = [await put(real, KEY, b"x", space=PAIRED) for _ in range(3)]
    assert stamps == sorted(stamps)
    assert stamps[0] > ahead


async def test_a_lock_expires_by_itself(real: RedisEngine) -> None:
    await real.local_set(ALONE, b"L", b"me", MINUTE, False, await terms(real))
    found = await real.local_get(ALONE, b"L")
    assert found
    assert 0 < found[1] <= MINUTE


async def test_the_set_up_that_keeps_the_promises_has_nothing_wrong(real: RedisEngine) -> None:
    assert await real.check() == []


async def test_a_set_up_that_breaks_promises_is_told_with_what_would_be_right(
    real: RedisEngine, server: RedisServer
) -> None:
    server.ask("CONFIG SET maxmemory-policy allkeys-lru")
    server.ask("CONFIG SET appendonly no")
    server.ask(f"REPLICAOF 127.0.0.1 {free_port()}")
    replica, evicting, forgetful = await real.check()
    assert replica == Finding(True, "the engine is a replica", "name the master, or the Sentinels that know it")
    assert evicting.message == "the engine may evict records (maxmemory-policy allkeys-lru)"
    assert "set maxmemory-policy noeviction" in evicting.hint
    assert not forgetful.is_fatal
    assert "set appendonly yes" in forgetful.hint


async def test_two_namespaces_of_one_engine_do_not_see_each_other(real: RedisEngine) -> None:
    other = Space("other", site=1)
    await put(real, KEY, b"x")
    assert await value(real, KEY, space=other) is None


async def test_an_engine_behind_tls_and_a_password_is_asked_as_any_other(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair, trusted = authority.issue("localhost"), str(authority.certificate)
    files = ("--tls-cert-file", str(pair.certificate), "--tls-key-file", str(pair.key))
    tls = ("--tls-port", str(free_port()), *files, "--tls-ca-cert-file", trusted, "--tls-auth-clients", "no")
    with RedisServer(tmp_path / "redis", *tls) as server:
        server.ask("ACL SETUSER steer on >secret allkeys allcommands")
        url = f"rediss://steer:secret@localhost:{tls[1]}/3"
        link = RedisLink(RedisPlace(url, options=(("ssl_ca_certs", trusted),)))
        large = secrets.token_bytes(300_000)
        await asyncio.gather(*(link.call("SET", b"%d" % n, large) for n in range(8)))
        assert await link.call("GET", b"7") == large
        assert await link.call("ACL", "WHOAMI") == b"steer"
        assert "db=3" in (await link.call("CLIENT", "INFO")).decode()
        await link.close()


Speak = Callable[[asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def answering(speak: Speak) -> AsyncIterator[RedisLink]:
    """A link to an engine that greets as a Redis does, and answers each question as it is told."""
    ended: list[asyncio.Event] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended.append(end := asyncio.Event())
        with suppress(ConnectionError):
            while heard := await reader.read(10_000):
                if b"GET" in heard:
                    await speak(writer)
                else:
                    writer.write(b"+OK\r\n" * heard.count(b"*"))
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        end.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    link = RedisLink(RedisPlace(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"))
    yield link
    await link.close()
    server.close()
    await asyncio.gather(*(each.wait() for each in ended))


async def test_what_is_no_redis_is_found_out_and_never_believed() -> None:
    async def speak(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with answering(speak) as link:
        with pytest.raises(Indeterminate, match="answers as no Redis does"):
            await link.call("GET", KEY)


async def test_a_reply_that_nobody_asked_for_is_not_given_to_who_asks_next() -> None:
    async def speak(writer: asyncio.StreamWriter) -> None:
        writer.write(b"$1\r\na\r\n$1\r\nb\r\n")

    async with answering(speak) as link:
        assert await link.call("GET", b"one") == b"a"
        assert await link.call("GET", b"two") == b"a"


async def test_an_engine_that_dribbles_a_reply_is_too_slow_all_the_same() -> None:
    async def speak(writer: asyncio.StreamWriter) -> None:
        writer.write(b"$100000\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.005)

    async with answering(speak) as link:
        begin = monotonic()
        with pytest.raises(Indeterminate, match="did not answer in time"):
            await link.call("GET", KEY)
        assert monotonic() - begin < 1.0


async def test_connections_that_end_under_many_writes_lose_none_and_invent_none(server: RedisServer) -> None:
    """What was answered is there, what was refused is not; only what is indeterminate may be either."""
    web = EngineNamespace(RedisEngine(link := RedisLink(RedisPlace(server.url))), ALONE)
    await web.put(KEY, b"x", 60.0)
    large = secrets.token_bytes(200_000)
    asked = [asyncio.ensure_future(web.put(b"%d" % n, large, 60.0)) for n in range(40)]
    await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
    server.ask("CLIENT KILL TYPE normal SKIPME yes")
    said = await asyncio.gather(*asked, return_exceptions=True)
    fresh = EngineNamespace(RedisEngine(other := RedisLink(RedisPlace(server.url))), ALONE)
    for n, each in enumerate(said):
        found = await fresh.get(b"%d" % n)
        if isinstance(each, EngineDown):
            assert found is None
        elif not isinstance(each, BaseException):
            assert found
            assert (found.value, found.stamp) == (large, each.stamp)
    await link.close()
    await other.close()
