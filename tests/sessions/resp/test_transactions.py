"""What is special about this door's transactions; what they have in common with Redis is in test_commands."""

from __future__ import annotations

import pytest

from steer.store.model import Record
from tests.kit.clock import ManualClock
from tests.sessions.memory import MemoryNamespace
from tests.sessions.resp.talking import serving


class Contended(MemoryNamespace):
    """Another client changes every record right after it was read, so many times."""

    times = 0

    async def get(self, key: bytes) -> Record | None:
        record = await super().get(key)
        if record is not None and self.times:
            self.times -= 1
            await super().put(key, b"%d" % self.times, None)
        return record


async def test_a_transaction_of_two_keys_is_refused_before_any_of_it_runs() -> None:
    async with serving() as served:
        client = await served.client()
        for line in ("MULTI", "SET a 1", "SET b 1"):
            await client.ask(line)
        assert (await client.ask("EXEC")).startswith(b"-EXECABORT steer's session door has transactions of one key")
        assert await client.ask("EXISTS a b") == b":0\r\n"


@pytest.mark.parametrize("line", ["SCAN 0", "EVAL x 1 a", "AUTH x", "HELLO 3", "CONFIG GET save"])
async def test_what_takes_no_part_in_transactions_ends_them(line: str) -> None:
    async with serving() as served:
        client = await served.client()
        await client.ask("MULTI")
        assert b"takes no part in transactions" in await client.ask(line)
        assert await client.ask("SET a 1") == b"+QUEUED\r\n"
        assert (await client.ask("EXEC")).startswith(b"-EXECABORT")
        assert await client.ask("PING") == b"+PONG\r\n"


async def test_a_transaction_has_an_end() -> None:
    async with serving() as served:
        client = await served.client()
        await client.ask("MULTI")
        replies = [await client.ask(f"SET a {count}") for count in range(300)]
        assert replies.count(b"+QUEUED\r\n") == 299
        assert replies.index(b"-ERR the transaction is too long\r\n") == 256
        assert (await client.ask("EXEC")).startswith(b"-EXECABORT")


async def test_a_lock_takes_no_part() -> None:
    async with serving() as served:
        client = await served.client()
        await client.ask("MULTI")
        await client.ask("SET s_LOCK 1")
        assert (await client.ask("EXEC")).startswith(b"-EXECABORT local keys")


async def test_only_the_key_of_the_transaction_can_be_watched() -> None:
    async with serving() as served:
        client = await served.client()
        assert (await client.ask("WATCH a b")).startswith(b"-ERR steer's session door watches one key")
        assert await client.ask("WATCH a") == b"+OK\r\n"
        assert (await client.ask("WATCH b")).startswith(b"-ERR steer's session door watches one key")
        await client.ask("MULTI")
        assert (await client.ask("WATCH a")) == b"-ERR WATCH inside MULTI is not allowed\r\n"
        await client.ask("SET b 1")
        assert (await client.ask("EXEC")).startswith(b"-EXECABORT WATCH must be of the key")
        assert await client.ask("EXISTS b") == b":0\r\n"


@pytest.mark.parametrize("times", [1, 3])
async def test_a_change_that_another_write_overtakes_is_made_again(times: int) -> None:
    clock = ManualClock()
    namespace = Contended(clock)
    async with serving({"web": namespace}, clock=clock) as served:
        client = await served.client()
        await client.ask("SET a x")
        namespace.times = times
        for line in ("MULTI", "APPEND a y", "EXPIRE a 50"):
            await client.ask(line)
        assert await client.ask("EXEC") == b"*2\r\n:2\r\n:1\r\n"
        assert await client.ask("GET a") == b"$2\r\n0y\r\n"
        assert await client.ask("TTL a") == b":50\r\n"


@pytest.mark.parametrize("line", ["APPEND a y", "GETSET a y", "GETDEL a"])
async def test_a_change_that_is_always_overtaken_is_given_up(line: str) -> None:
    clock = ManualClock()
    namespace = Contended(clock)
    async with serving({"web": namespace}, clock=clock) as served:
        client = await served.client()
        await client.ask("SET a x")
        namespace.times = 100
        assert (await client.ask(line)).startswith(b"-ERR the record is at")
        for each in ("MULTI", "APPEND a y"):
            await client.ask(each)
        assert (await client.ask("EXEC")).startswith(b"-ERR the record is at")


async def test_a_watched_record_that_was_changed_in_the_last_moment_stops_the_transaction() -> None:
    clock = ManualClock()
    namespace = Contended(clock)
    async with serving({"web": namespace}, clock=clock) as served:
        client = await served.client()
        for line in ("SET a x", "WATCH a", "MULTI", "APPEND a y"):
            await client.ask(line)
        namespace.times = 1
        assert await client.ask("EXEC") == b"*-1\r\n"
        assert await client.ask("GET a") == b"$1\r\n0\r\n"
