"""Locks: keys of this datacentre alone, and the scripts that let them go."""

from __future__ import annotations

import hashlib

import pytest
from redis.lock import Lock

from steer.sessions.resp.scripts import DIGESTS, MOST_LEARNED, normal
from tests.sessions.resp.talking import Talk, encoded, serving

PHPREDIS = 'if redis.call("get",KEYS[1]) == ARGV[1] then return redis.call("del",KEYS[1]) else return 0 end'
REDSYNC = """
	if redis.call("GET", KEYS[1]) == ARGV[1] then
		return redis.call("PEXPIRE", KEYS[1], ARGV[2])
	else
		return 0
	end
"""
LARAVEL = """
if redis.call("get",KEYS[1]) == ARGV[1] then
    return redis.call("del",KEYS[1])
else
    return 0
end
"""

KEYS = ["s1_LOCK", "plain"]
"""One that stays in this datacentre, one that is a record like others: the scripts do the same to both."""


async def run(client: Talk, text: str, *words: str) -> bytes:
    client.writer.write(encoded(b"EVAL", text.encode(), b"1", *(word.encode() for word in words)))
    return await client.reply()


@pytest.mark.parametrize("text", [PHPREDIS, LARAVEL, Lock.LUA_RELEASE_SCRIPT])
@pytest.mark.parametrize("key", KEYS)
async def test_a_lock_is_released_by_its_holder_only(key: str, text: str) -> None:
    async with serving() as served:
        client = await served.client()
        await client.ask(f"SET {key} mine NX PX 10000")
        assert await client.ask(f"SET {key} other NX PX 10000") == b"$-1\r\n"
        assert await run(client, text, key, "other") == b":0\r\n"
        assert await run(client, text, key, "mine") == b":1\r\n"
        assert await run(client, text, key, "mine") == b":0\r\n"
        assert await client.ask(f"EXISTS {key}") == b":0\r\n"


@pytest.mark.parametrize("text", [REDSYNC, Lock.LUA_REACQUIRE_SCRIPT])
@pytest.mark.parametrize("key", KEYS)
async def test_a_lock_is_prolonged_by_its_holder_only(key: str, text: str) -> None:
    async with serving() as served:
        client = await served.client()
        await client.ask(f"SET {key} mine NX PX 10000")
        assert await run(client, text, key, "other", "60000") == b":0\r\n"
        assert await client.ask(f"PTTL {key}") == b":10000\r\n"
        assert await run(client, text, key, "mine", "60000") == b":1\r\n"
        assert await client.ask(f"PTTL {key}") == b":60000\r\n"
        assert await run(client, text, key, "mine", "0") == b":1\r\n"
        assert await run(client, text, key, "mine", "60000") == b":0\r\n"


@pytest.mark.parametrize("key", KEYS)
async def test_a_lock_is_extended_by_what_is_added_or_by_what_is_set(key: str) -> None:
    async with serving() as served:
        client = await served.client()
        await client.ask(f"SET {key} mine NX PX 10000")
        assert await run(client, Lock.LUA_EXTEND_SCRIPT, key, "mine", "5000", "0") == b":1\r\n"
        assert await client.ask(f"PTTL {key}") == b":15000\r\n"
        assert await run(client, Lock.LUA_EXTEND_SCRIPT, key, "mine", "5000", "1") == b":1\r\n"
        assert await client.ask(f"PTTL {key}") == b":5000\r\n"
        assert await run(client, Lock.LUA_EXTEND_SCRIPT, key, "other", "5000", "1") == b":0\r\n"
        assert await run(client, Lock.LUA_EXTEND_SCRIPT, "none", "mine", "5000", "0") == b":0\r\n"


async def test_a_lock_is_never_among_the_replicated_records() -> None:
    async with serving() as served:
        client = await served.client()
        await client.ask("SET s1_LOCK mine NX PX 10000")
        assert await served.namespaces["web"].locks.get(b"s1_LOCK") == b"mine"
        assert await served.namespaces["web"].get(b"s1_LOCK") is None
        assert await client.ask("GET s1_LOCK") == b"$4\r\nmine\r\n"
        assert await client.ask("TYPE s1_LOCK") == b"+string\r\n"
        assert await client.ask("SCAN 0") == b"*2\r\n$1\r\n0\r\n*0\r\n"
        assert await client.ask("SET s1_LOCK again EX 5") == b"+OK\r\n"
        assert await client.ask("TTL s1_LOCK") == b":5\r\n"
        assert await client.ask("SET s1_LOCK again KEEPTTL") == b"+OK\r\n"
        assert await client.ask("TTL s1_LOCK") == b":5\r\n"
        assert await client.ask("EXPIRE s1_LOCK 70") == b":1\r\n"
        assert await client.ask("PERSIST s1_LOCK") == b":1\r\n"
        assert await client.ask("TTL s1_LOCK") == b":28800\r\n"
        assert await client.ask("DEL s1_LOCK") == b":1\r\n"
        assert await served.namespaces["web"].locks.get(b"s1_LOCK") is None


@pytest.mark.parametrize("line", ["HSET s1_LOCK f v", "GETSET s1_LOCK x", "SET s1_LOCK x XX", "APPEND s1_LOCK x"])
async def test_what_a_lock_cannot_be_is_refused(line: str) -> None:
    async with serving() as served:
        client = await served.client()
        await client.ask("SET s1_LOCK mine")
        assert (await client.ask(line)).startswith(b"-ERR a local key (local_keys)")
        assert await client.ask("GET s1_LOCK") == b"$4\r\nmine\r\n"


async def test_a_script_is_known_by_the_digest_of_any_text_that_was_sent() -> None:
    async with serving() as served:
        client = await served.client()
        client.writer.write(encoded(b"SCRIPT", b"LOAD", LARAVEL.encode()))
        digest = hashlib.sha1(LARAVEL.encode()).hexdigest()
        assert await client.reply() == f"$40\r\n{digest}\r\n".encode()
        assert await client.ask(f"SCRIPT EXISTS {digest} {'0' * 40}") == b"*2\r\n:1\r\n:0\r\n"
        await client.ask("SET s1_LOCK mine")
        assert await client.ask(f"EVALSHA {digest.upper()} 1 s1_LOCK mine") == b":1\r\n"
        assert await client.ask("SCRIPT FLUSH") == b"+OK\r\n"
        assert (await client.ask("SCRIPT KILL")).startswith(b"-ERR unknown subcommand 'KILL'")


async def test_a_script_that_is_not_known_is_refused_with_those_that_are() -> None:
    async with serving() as served:
        client = await served.client()
        assert (await run(client, "return redis.call('flushall')", "a")).startswith(
            b"-ERR steer's session door runs no"
        )
        assert (await run(client, "x" * 5000, "a")).startswith(b"-ERR steer's session door runs no")
        assert await client.ask(f"EVALSHA {'0' * 40} 1 a b") == b"-NOSCRIPT No matching script. Please use EVAL.\r\n"
        assert (await run(client, PHPREDIS, "a", "b", "c")).startswith(b"-ERR this script takes 1 key and 1 arguments")


async def test_texts_beyond_the_thousandth_are_not_remembered() -> None:
    async with serving() as served:
        client = await served.client()
        for count in range(MOST_LEARNED + 5):
            client.writer.write(encoded(b"SCRIPT", b"LOAD", (" " * count + PHPREDIS).encode()))
            await client.reply()
        assert len(served.door.learned_scripts) == MOST_LEARNED


def test_the_digests_are_those_of_the_libraries_own_texts() -> None:
    texts = (PHPREDIS, Lock.LUA_RELEASE_SCRIPT, Lock.LUA_REACQUIRE_SCRIPT, Lock.LUA_EXTEND_SCRIPT)
    assert [*DIGESTS] == [hashlib.sha1(text.encode()).hexdigest() for text in texts]


def test_other_white_space_and_quotes_are_the_same_script_and_other_words_are_not() -> None:
    text = PHPREDIS.encode()
    assert normal(text) == normal(text.replace(b'"', b"'").replace(b" ", b"\r\n\t ").replace(b"get", b"GET"))
    assert normal(text) != normal(text.replace(b"del", b"unlink"))
    assert normal(b"return redis.call('get', 'a b')") != normal(b"return redis.call('get', 'ab')")
