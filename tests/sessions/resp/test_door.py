"""Who comes in, what they may take, and how they are shown out."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import uvloop

from steer.errors import SteerError
from steer.sessions.access import Access, Holder
from steer.sessions.resp import RespDoor, RespLimits, connection
from steer.store.errors import EngineDown, Fenced, Indeterminate, Late, StoreError
from steer.store.model import Assignment, Record, Written
from tests.kit.certificates import Authority
from tests.kit.clock import ManualClock
from tests.sessions.memory import MemoryNamespace
from tests.sessions.resp.talking import WITHIN, Talk, encoded, serving

MIB = 1024 * 1024
OK = b"+OK\r\n"
NOAUTH = b"-NOAUTH Authentication required.\r\n"
MAY_HAVE_HAPPENED = b"-ERR session store unavailable: no answer in time, the write may have happened\r\n"
WRONGPASS = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"


def hash_of(secret: str) -> str:
    return "sha256:" + hashlib.sha256(secret.encode()).hexdigest()


USERS = {"shop": Holder(hash_of("s3cret"), "shop"), "default": Holder(hash_of("word"), "web")}


class Broken(MemoryNamespace):
    """Its reads raise `problem`, or hang where there is none."""

    def __init__(self, problem: StoreError | None) -> None:
        super().__init__(ManualClock())
        self.problem = problem

    async def get(self, key: bytes) -> Record | None:
        if self.problem is None:
            await asyncio.Event().wait()
        assert self.problem is not None
        raise self.problem

    async def get_all(self, keys: Sequence[bytes]) -> list[Record | None]:
        return [await self.get(key) for key in keys]


# Who.


async def test_a_user_reaches_the_records_of_its_own_namespace_only() -> None:
    clock = ManualClock()
    namespaces = {"web": MemoryNamespace(clock), "shop": MemoryNamespace(clock)}
    async with serving(namespaces, USERS) as served:
        shop, web = await served.client(), await served.client()
        assert await shop.ask("AUTH shop s3cret") == OK
        assert await web.ask("AUTH word") == OK
        assert await shop.ask("SET a mine") == OK
        assert await web.ask("GET a") == b"$-1\r\n"
        assert await web.ask("SCAN 0") == b"*2\r\n$1\r\n0\r\n*0\r\n"
        assert await web.ask("AUTH shop s3cret") == OK
        assert await web.ask("GET a") == b"$4\r\nmine\r\n"


async def test_a_transaction_does_not_go_along_to_another_namespace() -> None:
    clock = ManualClock()
    namespaces = {"web": MemoryNamespace(clock), "shop": MemoryNamespace(clock)}
    async with serving(namespaces, USERS) as served:
        client = await served.client()
        for line in ("AUTH word", "MULTI", "SET a 1", "RESET", "AUTH shop s3cret"):
            await client.ask(line)
        assert await client.ask("EXEC") == b"-ERR EXEC without MULTI\r\n"


@pytest.mark.parametrize("line", ["GET a", "PING", "INFO", "nonsense", "MULTI", "CLIENT ID", "COMMAND"])
async def test_without_a_login_nothing_is_answered(line: str) -> None:
    async with serving(holders={"default": USERS["default"]}) as served:
        client = await served.client()
        assert await client.ask(line) == NOAUTH
        assert (await client.ask("HELLO 3")).startswith(b"-NOAUTH HELLO must be called")


async def test_hello_can_log_in() -> None:
    async with serving(holders={"default": USERS["default"]}) as served:
        client = await served.client()
        assert await client.ask("HELLO 3 AUTH default wrong") == WRONGPASS
        assert await client.ask("GET a") == NOAUTH
        assert (await client.ask("HELLO 3 AUTH default word SETNAME me")).startswith(b"%7\r\n$6\r\nserver")
        assert await client.ask("CLIENT GETNAME") == b"$2\r\nme\r\n"


@pytest.mark.parametrize("line", ["AUTH default wrong", "AUTH nobody word", "AUTH wrong"])
async def test_three_wrong_passwords_end_the_connection(line: str) -> None:
    async with serving(holders={"default": USERS["default"]}) as served:
        client = await served.client()
        for _ in range(3):
            assert await client.ask(line) == WRONGPASS
        assert await client.rest() == b""


async def test_a_login_where_there_are_no_users_is_a_mistake_that_is_named() -> None:
    async with serving() as served:
        client = await served.client()
        assert (await client.ask("AUTH word")).startswith(b"-ERR AUTH called, but the session door has no users")
        assert (await client.ask("AUTH a b c")) == b"-ERR syntax error\r\n"


def test_a_hash_that_is_none_is_named_with_its_place() -> None:
    with pytest.raises(SteerError, match=r"doors\.resp\.users\.shop\.hash: must be sha256: and 64"):
        Access({"shop": Holder("s3cret", "web")}, "sessions.doors.resp.users")


async def test_a_door_to_nothing_is_a_mistake() -> None:
    with pytest.raises(SteerError, match="needs a namespace"):
        RespDoor({}, Access({}, "users"))


async def test_clients_come_in_over_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    files = authority.issue("localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    async with serving(tls=context) as served:
        client = await served.client(authority.trust())
        assert await client.ask("SET a " + "x" * 100_000) == OK
        assert len(await client.ask("GET a")) > 100_000
        assert await client.ask("QUIT") == OK
        assert await client.rest() == b""


# Order.


async def test_a_pipeline_is_answered_in_its_order() -> None:
    async with serving() as served:
        client = await served.client()
        for count in range(1000):
            client.send(f"SET a {count}")
            client.send("GET a")
        for count in range(1000):
            assert await client.reply() == OK
            assert await client.reply() == b"$%d\r\n%d\r\n" % (len(str(count)), count)


async def test_what_was_asked_before_the_client_ended_its_side_is_answered() -> None:
    async with serving() as served:
        client = await served.client()
        client.send("SET a 1")
        client.send("GET a")
        client.writer.write_eof()
        assert await client.rest() == b"+OK\r\n$1\r\n1\r\n"


async def test_what_was_asked_is_done_although_the_client_hung_up() -> None:
    async with serving() as served:
        client = await served.client()
        for count in range(200):
            client.send(f"SET a {count}")
        await client.close()
        other = await served.client()
        async with asyncio.timeout(WITHIN):
            while await other.ask("GET a") != b"$3\r\n199\r\n":
                pass


async def test_quit_is_the_last_answer() -> None:
    async with serving() as served:
        client = await served.client()
        for line in ("SET a 1", "QUIT", "SET a 2"):
            client.send(line)
        assert await client.rest() == b"+OK\r\n+OK\r\n"
        assert await (await served.client()).ask("GET a") == b"$1\r\n1\r\n"


# A store that says no, or nothing.


@pytest.mark.parametrize(
    ("problem", "answer"),
    [
        (EngineDown("redis-1.internal:6379 refused"), b"-ERR session store unavailable\r\n"),
        (Late(), b"-ERR session store unavailable: it was too slow, and nothing was written\r\n"),
        (Indeterminate("?"), MAY_HAVE_HAPPENED),
        (Fenced("a planned move"), b"-ERR writes are stopped here: a planned move\r\n"),
    ],
)
async def test_what_the_store_says_is_an_error_of_one_line(problem: StoreError, answer: bytes) -> None:
    async with serving({"web": Broken(problem)}) as served:
        client = await served.client()
        assert await client.ask("GET a") == answer
        assert await client.ask("PING") == b"+PONG\r\n"


async def test_a_store_that_hangs_costs_each_command_its_patience_and_the_connection_nothing() -> None:
    async with serving({"web": Broken(None)}, limits=RespLimits(patience=0.1)) as served:
        client = await served.client()
        for line in ("PING", "GET a", "GET b", "SET c 1", "GETEX a EX 1"):
            client.send(line)
        replies = [await client.reply() for _ in range(5)]
        unavailable = b"-ERR session store unavailable\r\n"
        assert replies == [b"+PONG\r\n", unavailable, unavailable, OK, MAY_HAVE_HAPPENED]
        assert "unavailable_answers:3" in (await client.ask("INFO sessions")).decode()


class Hanging(MemoryNamespace):
    """Its writes happen, and are never answered."""

    def __init__(self) -> None:
        super().__init__(ManualClock())

    async def put(self, *words: Any, **options: Any) -> Any:
        await super().put(*words, **options)
        await asyncio.Event().wait()

    async def put_fields(self, *words: Any, **options: Any) -> Any:
        await super().put_fields(*words, **options)
        await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("lines", "look"),
    [
        (["SET a 1"], "GET a"),
        (["HSET a b 1"], "HGET a b"),
        (["MULTI", "SET a 1", "EXEC"], "GET a"),
    ],
)
async def test_a_write_that_is_given_up_on_may_have_happened(lines: list[str], look: str) -> None:
    async with serving({"web": Hanging()}, limits=RespLimits(patience=0.1)) as served:
        client = await served.client()
        for line in lines:
            client.send(line)
        replies = [await client.reply() for _ in lines]
        assert replies[-1] == MAY_HAVE_HAPPENED
        assert await client.ask(look) == b"$1\r\n1\r\n"


class Counting(MemoryNamespace):
    """How many keys each question was about."""

    def __init__(self) -> None:
        super().__init__(ManualClock())
        self.asked: list[int] = []

        self.written: list[int] = []

    async def get(self, key: bytes) -> Record | None:
        self.asked.append(1)
        return await super().get(key)

    async def put_all(self, puts: Sequence[Assignment]) -> list[Written | StoreError]:
        self.written.append(len(puts))
        return await super().put_all(puts)

    async def get_all(self, keys: Sequence[bytes]) -> list[Record | None]:
        self.asked.append(len(keys))
        return await super().get_all(keys)


async def asked_together(namespace: MemoryNamespace, *lines: str) -> list[bytes]:
    """The replies to a pipeline that arrives in one piece."""
    async with serving({"web": namespace}) as served:
        client = await served.client()
        client.writer.write(b"".join(encoded(*line.encode().split()) for line in lines))
        return await replies_of(client, len(lines))


async def test_gets_in_a_row_are_one_question_and_a_write_between_them_is_seen_by_those_behind_it() -> None:
    namespace = Counting()
    replies = await asked_together(namespace, "SET a 1", "GET a", "GET b", "SET b 2", "GET b", "get a", "GET a", "PING")
    assert replies == [OK, b"$1\r\n1\r\n", b"$-1\r\n", OK, *[b"$1\r\n%d\r\n" % n for n in (2, 1, 1)], b"+PONG\r\n"]
    assert namespace.asked == [2, 3]


async def test_no_more_than_sixteen_gets_are_one_question() -> None:
    namespace = Counting()
    replies = await asked_together(namespace, *[f"GET {n}" for n in range(40)])
    assert replies == [b"$-1\r\n"] * 40
    assert namespace.asked == [16, 16, 8]


async def test_what_is_wrong_with_one_get_of_a_pipeline_is_answered_to_that_one() -> None:
    wrong = b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
    replies = await asked_together(Counting(), "SET a 1", "HSET h f 1", "GET a", "GET h", "GET " + "k" * 1025, "GET a")
    one = b"$1\r\n1\r\n"
    assert [replies[2], replies[3], replies[5]] == [one, wrong, one]
    assert replies[4].startswith(b"-ERR a key has 1 to 1024 bytes")


async def test_a_defect_in_gets_of_a_pipeline_is_an_error_for_each_of_them() -> None:
    class Defective(MemoryNamespace):
        async def get_all(self, keys: Sequence[bytes]) -> list[Record | None]:
            raise ZeroDivisionError

    broken = b"-ERR internal error of the session door\r\n"
    assert await asked_together(Defective(ManualClock()), "GET a", "GET b", "PING") == [broken, broken, b"+PONG\r\n"]


async def test_sets_in_a_row_are_one_question_and_of_one_key_the_last_one_wins() -> None:
    namespace = Counting()
    lines = ("SET a 1", "set b 2 EX 10", "SETEX c 10 3", "PSETEX d 9000 4", "SET a 5", "SET b 6", "GET a", "SET a 7")
    assert await asked_together(namespace, *lines) == [*[OK] * 6, b"$1\r\n5\r\n", OK]
    assert namespace.written == [4, 2]
    found = await namespace.get_all([b"a", b"b", b"c", b"d"])
    assert [record and record.value for record in found] == [b"7", b"6", b"3", b"4"]
    assert [record and round(record.deadline - namespace.now) for record in found] == [28_800, 28_800, 10, 9]


async def test_what_is_unusual_about_a_set_of_a_pipeline_goes_alone() -> None:
    namespace = Counting()
    lines = ("SET a 1", "SET b 2 NX", "SET a_LOCK 3", "SET c 4 EX 0", "SET d " + "v" * 262_145, "SET e 6 EX", "SET f 7")
    replies = await asked_together(namespace, *lines)
    assert [replies[n] for n in (0, 1, 2, 6)] == [OK] * 4
    assert replies[3] == b"-ERR invalid expire time in 'set' command\r\n"
    assert replies[4] == b"-ERR a value may have 262,144 bytes\r\n"
    assert replies[5] == b"-ERR syntax error\r\n"
    assert namespace.written == []
    assert await namespace.keys() == [b"a", b"b", b"f"]


async def test_what_is_wrong_with_one_set_of_a_pipeline_is_answered_to_that_one() -> None:
    namespace = Counting()
    replies = await asked_together(namespace, "SET a 1", "SET " + "k" * 1025 + " 2", "SET c 3")
    assert [replies[0], replies[2]] == [OK, OK]
    assert replies[1].startswith(b"-ERR a key has 1 to 1024 bytes")
    assert await namespace.keys() == [b"a", b"c"]


async def test_a_set_of_a_pipeline_that_the_store_refuses_is_an_error_in_its_place() -> None:
    class Refusing(MemoryNamespace):
        async def put_all(self, puts: Sequence[Assignment]) -> list[Written | StoreError]:
            return [EngineDown("of memory") if put.key == b"b" else await self.put(*put) for put in puts]

    replies = await asked_together(Refusing(ManualClock()), "SET a 1", "SET b 2", "SET c 3", "GET a")
    assert replies == [OK, b"-ERR session store unavailable\r\n", OK, b"$1\r\n1\r\n"]


async def test_sets_between_multi_and_exec_are_queued_one_by_one() -> None:
    namespace = Counting()
    replies = await asked_together(namespace, "MULTI", "SET a 1", "SET a 2", "EXEC")
    assert replies == [OK, b"+QUEUED\r\n", b"+QUEUED\r\n", b"*2\r\n+OK\r\n+OK\r\n"]
    assert namespace.written == []


async def test_a_defect_is_an_error_and_a_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    class Defective(MemoryNamespace):
        async def get(self, key: bytes) -> Record | None:
            raise ZeroDivisionError

    async with serving({"web": Defective(ManualClock())}) as served:
        client = await served.client()
        assert await client.ask("GET secret") == b"-ERR internal error of the session door\r\n"
        assert await client.ask("PING") == b"+PONG\r\n"
    assert "command GET broke" in caplog.text
    assert "secret" not in caplog.text.split("Traceback")[0]


# Hostile bytes.


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(b"*1000000000\r\n", id="a billion words"),
        pytest.param(b"*2\r\n$3\r\nGET\r\n$999999999\r\n", id="a word of a gigabyte"),
        pytest.param(b"*1\r\n" * 3, id="arrays in arrays"),
        pytest.param(b"\x16\x03\x01" + b"\x00" * 2000, id="TLS where none is"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", id="a browser"),
        pytest.param(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$3\r\nabcdef\r\n", id="a word longer than it said"),
    ],
)
async def test_bytes_that_are_no_command_get_the_reason_and_the_end(stream: bytes) -> None:
    async with serving() as served:
        client, other = await served.client(), await served.client()
        client.writer.write(encoded(b"PING") + stream)
        answer = await client.rest()
        assert answer.startswith(b"+PONG\r\n-ERR Protocol error: ")
        assert answer.endswith(b"\r\n")
        assert await other.ask("PING") == b"+PONG\r\n"


async def test_who_has_not_logged_in_cannot_make_the_door_hold_much() -> None:
    async with serving(holders={"default": USERS["default"]}) as served:
        client = await served.client()
        client.writer.write(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$100000\r\n")
        assert (await client.rest()).startswith(b"-ERR Protocol error: invalid bulk length")
        client = await served.client()
        client.writer.write(encoded(b"AUTH", b"word") + encoded(b"SET", b"a", b"v" * 100_000))
        assert [await client.reply(), await client.reply()] == [OK, OK]


async def test_a_client_too_many_is_told_so() -> None:
    async with serving(limits=RespLimits(connections=2)) as served:
        first, second = await served.client(), await served.client()
        assert [await each.ask("PING") for each in (first, second)] == [b"+PONG\r\n"] * 2
        third = await served.client()
        assert await third.rest() == b"-ERR max number of clients reached\r\n"
        await first.close()
        async with asyncio.timeout(WITHIN):
            while b"connected_clients:1\r\n" not in await second.ask("INFO clients"):
                pass
        assert await (await served.client()).ask("PING") == b"+PONG\r\n"


async def test_a_command_that_never_ends_costs_its_own_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "COMMAND_TIME", 0.1)
    async with serving(holders={"default": USERS["default"]}) as served:
        slow, silent, good = [await served.client() for _ in range(3)]
        for client in (slow, good):
            assert await client.ask("AUTH word") == OK
        slow.writer.write(b"*2\r\n$3\r\nGET\r\n$100\r\nabc")
        assert await slow.rest() == connection.TOO_SLOW
        assert await silent.rest() == connection.TOO_SLOW
        assert await good.ask("PING") == b"+PONG\r\n"


async def test_what_waits_behind_a_command_is_bounded() -> None:
    """The client writes megabytes of commands while the store hangs: the door stops reading, the kernels fill."""
    async with serving({"web": Broken(None)}, limits=RespLimits(patience=0.3)) as served:
        client = await served.client()
        await client.ask("PING")
        client.send("GET a")
        for _ in range(400):
            client.send("SET b " + "v" * 20_000)
        most = 0
        for _ in range(10):
            await asyncio.sleep(0.01)
            most = max(most, served.door.held)
        assert connection.MOST_WAITING < most < 2 * 1024 * 1024
        assert await client.reply() == b"-ERR session store unavailable\r\n"
        assert [await client.reply() for _ in range(400)] == [OK] * 400
        assert served.door.held == 0


async def test_replies_that_are_not_read_stop_the_commands_and_end_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "WRITE_TIME", 0.2)
    async with serving() as served:
        client = await served.client()
        await client.ask("SET a " + "v" * 100_000)
        for _ in range(200):
            client.send("GET a")
        await client.writer.drain()
        await until_gone(served.door)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await replies_of(client, 200)


async def replies_of(client: Talk, count: int) -> list[bytes]:
    return [await client.reply() for _ in range(count)]


async def until_gone(door: RespDoor) -> None:
    """All connections have ended; the replies that waited were never many."""
    async with asyncio.timeout(WITHIN):
        while door.facts()["clients"]["connected_clients"]:
            assert door.held < 4 * 1024 * 1024  # 16 GETs are asked for at once
            await asyncio.sleep(0.01)


async def test_over_the_budget_of_all_who_holds_much_goes_and_the_others_stay() -> None:
    async with serving(limits=RespLimits(held=250_000)) as served:
        other = await served.client()
        for _ in range(4):
            client = await served.client()
            client.writer.write(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$500000\r\n" + b"v" * 100_000)
        async with asyncio.timeout(WITHIN):
            while b"connected_clients:3\r\n" not in await other.ask("INFO clients"):
                pass
        assert 100_000 < served.door.held < 250_000


async def test_a_value_too_large_is_refused_and_costs_nothing_else() -> None:
    async with serving() as served:
        client = await served.client()
        large = "v" * 262_145
        for line in (f"SET a {large}", f"HSET a f {large}", f"SETNX a {large}"):
            assert await client.ask(line) == b"-ERR a value may have 262,144 bytes\r\n"
        assert await client.ask("SET a " + large[1:]) == OK
        await client.ask("MULTI")
        assert await client.ask(f"SET a {large}") == b"-ERR a value may have 262,144 bytes\r\n"
        assert (await client.ask("EXEC")).startswith(b"-EXECABORT")


async def test_a_reply_has_an_end() -> None:
    async with serving() as served:
        client = await served.client()
        await client.ask("SET a " + "v" * 250_000)
        reply = await client.ask("MGET" + " a" * 100)
        assert reply.startswith(b"-ERR the values have over 16,777,216 bytes together")
        assert (await client.ask("MGET" + " a" * 30)).startswith(b"*30\r\n$250000\r\n")


# The end.


async def test_a_door_that_closes_lets_commands_end_and_idle_clients_go() -> None:
    async with serving({"web": Broken(None)}, limits=RespLimits(patience=0.2)) as served:
        idle, busy = await served.client(), await served.client()
        await idle.ask("PING")
        busy.send("GET a")
        await idle.ask("PING")
        await served.door.close(grace=WITHIN)
        assert await idle.rest() == b""
        assert await busy.rest() == b"-ERR session store unavailable\r\n"
        with pytest.raises(ConnectionError):
            await served.client()


async def test_a_door_that_closes_waits_for_nobody_longer_than_its_grace() -> None:
    async with serving({"web": Broken(None)}, limits=RespLimits(patience=60)) as served:
        client = await served.client()
        client.send("GET a")
        await (await served.client()).ask("PING")
        async with asyncio.timeout(WITHIN):
            await served.door.close(grace=0.05)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await client.reply()


@pytest.mark.parametrize("hang_up", [True, False])
def test_clients_that_do_not_read_hold_no_more_than_the_door_may(hang_up: bool) -> None:
    """On the loop that edges run on, which learns that somebody does not read only after others had their turn."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        most = runner.run(most_held_for_clients_that_do_not_read(4 * MIB, hang_up))
    assert most <= 10 * MIB


async def most_held_for_clients_that_do_not_read(budget: int, hang_up: bool) -> int:
    """40 of them ask for 20 MiB each. In bytes, all memory that was taken meanwhile."""
    async with serving(limits=RespLimits(held=budget)) as served:
        good = await served.client()
        assert await good.ask(b"SET big " + b"v" * (MIB // 4)) == OK
        deaf = [await served.client() for _ in range(40)]
        asked = encoded(b"MGET", *[b"big"] * 4) * 20 + encoded(b"SET", b"last", b"1")
        tracemalloc.start()
        try:
            for each in deaf:
                each.writer.transport.pause_reading()  # type: ignore[attr-defined]
                each.writer.write(asked)
                if hang_up:
                    await each.writer.drain()
                    each.writer.transport.abort()
            for _ in range(100):
                assert await good.ask("GET big")
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


def test_what_a_client_asked_for_before_it_hung_up_is_done() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(a_client_that_hangs_up_before_its_last_command())


async def a_client_that_hangs_up_before_its_last_command() -> None:
    async with serving() as served:
        good, hasty = await served.client(), await served.client()
        assert await good.ask("SET big " + "v" * 100_000) == OK
        hasty.writer.write(
            encoded(b"STRLEN", b"big") * 300 + encoded(b"GET", b"big") * 50 + encoded(b"SET", b"last", b"1")
        )
        await hasty.writer.drain()
        hasty.writer.transport.abort()
        async with asyncio.timeout(WITHIN):
            while await good.ask("GET last") != b"$1\r\n1\r\n":
                pass


async def test_a_client_that_asks_one_by_one_and_reads_nothing_is_ended_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "WRITE_TIME", 0.2)
    async with serving() as served:
        good, deaf = await served.client(), await served.client()
        assert await good.ask("SET a " + "v" * 50_000) == OK
        deaf.writer.transport.pause_reading()  # type: ignore[attr-defined]
        async with asyncio.timeout(WITHIN):
            while b"connected_clients:2\r\n" in await good.ask("INFO clients"):
                deaf.send("GET a")
                assert sum(each.transport.get_write_buffer_size() for each in served.door._connections) < MIB
