"""Commands and their replies. The same lines are sent to a real Redis, where there is one: it must say the same."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.kit.redis import RedisServer, needs_redis
from tests.sessions.resp.talking import Talk, serving

NULL, OK, ZERO, ONE = "$-1", "+OK", ":0", ":1"
WRONG_KIND = "-WRONGTYPE Operation against a key holding the wrong kind of value"

Lines = list[tuple[str, str | None]]

CONVERSATIONS: dict[str, Lines] = {
    "a value is what was set last": [("SET a 1", OK), ("SET a 2", OK), ("GET a", "$1 2"), ("GET b", NULL)],
    "set NX writes only where nothing is": [("SET a 1 NX", OK), ("SET a 2 nx", NULL), ("GET a", "$1 1")],
    "set XX writes only where something is": [("SET a 1 XX", NULL), ("SET a 1", OK), ("SET a 2 XX", OK)],
    "set GET answers what was there": [
        ("SET a 1 GET", NULL),
        ("SET a 2 GET", "$1 1"),
        ("SET a 3 NX GET", "$1 2"),
        ("GET a", "$1 2"),
        ("SET b 1 XX GET", NULL),
        ("EXISTS b", ZERO),
    ],
    "set GET leaves a hash alone": [("HSET h f v", ONE), ("SET h 1 GET", WRONG_KIND), ("HGET h f", "$1 v")],
    "a time to live is what was asked for": [
        ("SET a 1 EX 100", OK),
        ("TTL a", ":100"),
        ("SET a 1 PX 5000", OK),
        ("TTL a", ":5"),
        ("SETEX a 70 1", OK),
        ("TTL a", ":70"),
        ("PSETEX a 70000 1", OK),
        ("TTL a", ":70"),
        ("TTL none", ":-2"),
        ("PTTL none", ":-2"),
        ("EXPIRETIME none", ":-2"),
    ],
    "KEEPTTL keeps the deadline and a plain set does not": [
        ("SET a 1 EX 100", OK),
        ("SET a 2 KEEPTTL", OK),
        ("TTL a", ":100"),
        ("GET a", "$1 2"),
    ],
    "a deadline in the past ends the record": [
        ("SET a 1", OK),
        ("SET a 2 EXAT 1000", OK),
        ("GET a", NULL),
        ("SET b 1", OK),
        ("EXPIREAT b 1000", ONE),
        ("EXISTS b", ZERO),
        ("SET c 1", OK),
        ("EXPIRE c -1", ONE),
        ("EXISTS c", ZERO),
        ("EXPIRE none 0", ZERO),
    ],
    "expire moves the deadline by its rules": [
        ("SET a 1 EX 100", OK),
        ("EXPIRE a 200", ONE),
        ("TTL a", ":200"),
        ("EXPIRE a 100 GT", ZERO),
        ("EXPIRE a 300 GT", ONE),
        ("EXPIRE a 400 LT", ZERO),
        ("EXPIRE a 400 NX", ZERO),
        ("EXPIRE a 400 XX", ONE),
        ("PEXPIRE a 50000", ONE),
        ("TTL a", ":50"),
        ("EXPIRE none 10", ZERO),
        ("EXPIRE none 10 XX", ZERO),
        ("PERSIST a", ONE),
        ("PERSIST none", ZERO),
        ("EXPIRE a x", "-ERR value is not an integer or out of range"),
        ("EXPIRE a 10 NX XX", "-ERR NX and XX, GT or LT options at the same time are not compatible"),
    ],
    "setnx says whether it wrote": [("SETNX a 1", ONE), ("SETNX a 2", ZERO), ("GET a", "$1 1")],
    "getset, getdel and getex answer what was there": [
        ("GETSET a 1", NULL),
        ("GETSET a 2", "$1 1"),
        ("GETEX a", "$1 2"),
        ("GETEX a EX 50", "$1 2"),
        ("TTL a", ":50"),
        ("GETEX a EXAT 1000", "$1 2"),
        ("EXISTS a", ZERO),
        ("GETEX a PERSIST", NULL),
        ("SET a 3", OK),
        ("GETEX a PERSIST", "$1 3"),
        ("GETDEL a", "$1 3"),
        ("GETDEL a", NULL),
        ("GETEX a EX", "-ERR syntax error"),
    ],
    "append and strlen": [("APPEND a xy", ":2"), ("APPEND a z", ":3"), ("STRLEN a", ":3"), ("STRLEN b", ZERO)],
    "many at once": [
        ("SET a 1", OK),
        ("HSET h f v", ONE),
        ("MGET a none h", "*3 $1 1 $-1 $-1"),
        ("EXISTS a a none h", ":3"),
        ("TOUCH a none", ONE),
        ("DEL a none h", ":2"),
        ("UNLINK a", ZERO),
    ],
    "a hash": [
        ("HSET h a 1 b 2", ":2"),
        ("HSET h a 3 c 4", ONE),
        ("HGET h a", "$1 3"),
        ("HGET h none", NULL),
        ("HGET none a", NULL),
        ("HMGET h a none c", "*3 $1 3 $-1 $1 4"),
        ("HMGET none a", "*1 $-1"),
        ("HEXISTS h b", ONE),
        ("HEXISTS h x", ZERO),
        ("HLEN h", ":3"),
        ("HSTRLEN h a", ONE),
        ("HSETNX h a 9", ZERO),
        ("HSETNX h d 9", ONE),
        ("HDEL h a b x", ":2"),
        ("HKEYS h", "*2 $1 c $1 d"),
        ("HVALS h", "*2 $1 4 $1 9"),
        ("HGETALL h", "*4 $1 c $1 4 $1 d $1 9"),
        ("HMSET h e 5", OK),
        ("TYPE h", "+hash"),
        ("HDEL h c d e", ":3"),
        ("EXISTS h", ZERO),
        ("HGETALL h", "*0"),
        ("TYPE h", "+none"),
        ("HDEL h c", ZERO),
    ],
    "a hash keeps its deadline when its fields change": [
        ("HSET h a 1", ONE),
        ("EXPIRE h 100", ONE),
        ("HSET h b 1", ONE),
        ("HDEL h a", ONE),
        ("TTL h", ":100"),
    ],
    "a record of the other kind": [
        ("SET a 1", OK),
        ("HGET a f", WRONG_KIND),
        ("HSET a f v", WRONG_KIND),
        ("HDEL a f", WRONG_KIND),
        ("HGETALL a", WRONG_KIND),
        ("TYPE a", "+string"),
        ("HSET h f v", ONE),
        ("GET h", WRONG_KIND),
        ("STRLEN h", WRONG_KIND),
        ("APPEND h x", WRONG_KIND),
        ("GETDEL h", WRONG_KIND),
        ("GETSET h x", WRONG_KIND),
        ("SET h plain", OK),
        ("GET h", "$5 plain"),
    ],
    "words that make no sense": [
        ("SET a", "-ERR wrong number of arguments for 'set' command"),
        ("SET a 1 NX XX", "-ERR syntax error"),
        ("SET a 1 EX", "-ERR syntax error"),
        ("SET a 1 EX 10 PX 10", "-ERR syntax error"),
        ("SET a 1 EX 10 KEEPTTL", "-ERR syntax error"),
        ("SET a 1 EX 0", "-ERR invalid expire time in 'set' command"),
        ("SET a 1 EX x", "-ERR value is not an integer or out of range"),
        ("SET a 1 EX 1.5", "-ERR value is not an integer or out of range"),
        ("SETEX a -1 v", "-ERR invalid expire time in 'setex' command"),
        ("HSET h f", "-ERR wrong number of arguments for 'hset' command"),
        ("SCAN x", "-ERR invalid cursor"),
        ("SCAN 0 COUNT 0", "-ERR syntax error"),
        ("SCAN 0 MATCH", "-ERR syntax error"),
        ("EXISTS a", ZERO),
    ],
    "scan": [
        ("SCAN 0", "*2 $1 0 *0"),
        ("SET sess:1 x", OK),
        ("HSET h f v", ONE),
        ("SCAN 0 MATCH sess:* COUNT 100", "*2 $1 0 *1 $6 sess:1"),
        ("SCAN 0 TYPE hash COUNT 100", "*2 $1 0 *1 $1 h"),
    ],
    "a transaction answers all at its end": [
        ("MULTI", OK),
        ("SET a 1", "+QUEUED"),
        ("EXPIRE a 100", "+QUEUED"),
        ("GET a", "+QUEUED"),
        ("EXEC", "*3 +OK :1 $1 1"),
        ("TTL a", ":100"),
        ("GET a", "$1 1"),
    ],
    "a transaction on a hash": [
        ("HSET h a 1 b 2", ":2"),
        ("MULTI", OK),
        ("HDEL h a", "+QUEUED"),
        ("HSET h c 3", "+QUEUED"),
        ("GET h", "+QUEUED"),
        ("EXEC", f"*3 :1 :1 {WRONG_KIND}"),
        ("HGETALL h", "*4 $1 b $1 2 $1 c $1 3"),
    ],
    "a transaction that deletes, and makes anew": [
        ("SET a 1", OK),
        ("MULTI", OK),
        ("DEL a", "+QUEUED"),
        ("HSET a f v", "+QUEUED"),
        ("TYPE a", "+QUEUED"),
        ("EXEC", "*3 :1 :1 +hash"),
        ("HGET a f", "$1 v"),
        ("MULTI", OK),
        ("HDEL a f", "+QUEUED"),
        ("EXISTS a", "+QUEUED"),
        ("EXEC", "*2 :1 :0"),
        ("EXISTS a", ZERO),
    ],
    "a transaction that is thrown away": [
        ("MULTI", OK),
        ("SET a 1", "+QUEUED"),
        ("DISCARD", OK),
        ("GET a", NULL),
        ("EXEC", "-ERR EXEC without MULTI"),
        ("DISCARD", "-ERR DISCARD without MULTI"),
        ("MULTI", OK),
        ("MULTI", "-ERR MULTI calls can not be nested"),
        ("EXEC", "*0"),
    ],
    "a mistake in a transaction ends it": [
        ("MULTI", OK),
        ("SET a", "-ERR wrong number of arguments for 'set' command"),
        ("SET a 1", "+QUEUED"),
        ("EXEC", "-EXECABORT Transaction discarded because of previous errors."),
        ("GET a", NULL),
    ],
    "a transaction whose watched key has changed does nothing": [
        ("SET a 1", OK),
        ("WATCH a", OK),
        ("SET a 2", OK),
        ("MULTI", OK),
        ("SET a 3", "+QUEUED"),
        ("EXEC", "*-1"),
        ("GET a", "$1 2"),
        ("WATCH a", OK),
        ("MULTI", OK),
        ("SET a 3", "+QUEUED"),
        ("EXEC", "*1 +OK"),
        ("WATCH a", OK),
        ("SET a 4", OK),
        ("UNWATCH", OK),
        ("MULTI", OK),
        ("EXEC", "*0"),
    ],
    "what a client says at first": [
        ("PING", "+PONG"),
        ("PING hi", "$2 hi"),
        ("ECHO hi", "$2 hi"),
        ("SELECT 0", OK),
        ("CLIENT SETNAME me", OK),
        ("CLIENT GETNAME", "$2 me"),
        ("CLIENT NO-EVICT on", OK),
        ("CLIENT SETNAME a\x01", "-ERR Client names cannot contain spaces, newlines or special characters."),
        ("HELLO 4", "-NOPROTO unsupported protocol version"),
        ("HELLO 2 NONSENSE", "-ERR Syntax error in HELLO option 'NONSENSE'"),
        ("RESET", "+RESET"),
        ("CLIENT GETNAME", NULL),
    ],
    "the next protocol": [
        ("HSET h f v", ONE),
        ("HELLO 3", None),
        ("GET none", "_"),
        ("HGETALL h", "%1 $1 f $1 v"),
        ("HMGET h none", "*1 _"),
        ("CLIENT GETNAME", "_"),
        ("CONFIG GET nothing", "%0"),
        ("HELLO 2", None),
        ("GET none", NULL),
    ],
    "a lock's script by its text and by its digest": [
        ("SCRIPT EXISTS 0000000000000000000000000000000000000000", "*1 :0"),
        ("EVALSHA 0000000000000000000000000000000000000000 1 a b", "-NOSCRIPT No matching script. Please use EVAL."),
        ("SCRIPT LOAD return_1", None),
    ],
}


@pytest.fixture(scope="module")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server.port


async def converse(client: Talk, lines: Lines) -> None:
    for line, expected in lines:
        reply = await client.ask(line)
        assert expected is None or plain(reply) == expected, line


def plain(reply: bytes) -> str:
    return " ".join(reply.decode().split("\r\n")).strip()


@pytest.mark.parametrize("name", CONVERSATIONS)
async def test_the_door_says_what_redis_says(name: str) -> None:
    async with serving() as served:
        client = await served.client()
        await converse(client, CONVERSATIONS[name])


@needs_redis
@pytest.mark.parametrize("name", CONVERSATIONS)
async def test_redis_says_it_too(name: str, redis_port: int) -> None:
    client = Talk(*await asyncio.open_connection("127.0.0.1", redis_port))
    await client.ask("FLUSHALL")
    await converse(client, CONVERSATIONS[name])
    await client.close()


async def test_a_record_without_a_time_to_live_has_the_longest_and_a_longer_one_is_cut_to_it() -> None:
    async with serving() as served:
        client = await served.client()
        lines = ("SET a 1", "SET b 1 EX 9999999", "SET c 1 EX 9223372036854775807", "HSET d f v", "SET e 1 EX 5")
        for line in (*lines, "PERSIST e"):
            assert not (await client.ask(line)).startswith(b"-"), line
        assert [await client.ask(f"TTL {key}") for key in "abcde"] == [b":28800\r\n"] * 5


async def test_an_expired_record_is_not_there() -> None:
    async with serving() as served:
        client = await served.client()
        await client.ask("SET a 1 EX 10")
        served.clock.advance(10.1)
        assert await client.ask("GET a") == b"$-1\r\n"
        assert await client.ask("EXPIRE a 10") == b":0\r\n"


async def test_a_command_that_is_not_known_is_told_which_are() -> None:
    async with serving() as served:
        client = await served.client()
        for line in ("FLUSHALL", "KEYS *", "SUBSCRIBE x", "nonsense\xff", "DEBUG SEGFAULT"):
            reply = (await client.ask(line)).decode()
            assert reply.startswith("-ERR unknown command '")
            assert "steer's session door knows: APPEND, AUTH," in reply


async def test_commands_describe_themselves() -> None:
    async with serving() as served:
        client = await served.client()
        count = await client.ask("COMMAND COUNT")
        assert (await client.ask("COMMAND")).startswith(b"*" + count[1:])
        assert await client.ask("COMMAND INFO get none") == (
            b"*2\r\n*6\r\n$3\r\nget\r\n:2\r\n*1\r\n+readonly\r\n:1\r\n:1\r\n:1\r\n$-1\r\n"
        )
        assert await client.ask("COMMAND DOCS get") == b"*0\r\n"
        assert (await client.ask("COMMAND NONSENSE")).startswith(b"-ERR")
        assert (
            await client.ask("CONFIG GET timeout save") == b"*4\r\n$4\r\nsave\r\n$0\r\n\r\n$7\r\ntimeout\r\n$1\r\n0\r\n"
        )
        assert (await client.ask("CONFIG SET save 1")).startswith(b"-ERR CONFIG has GET only")


async def test_info_says_that_it_is_ready_and_what_the_door_is_doing() -> None:
    async with serving() as served:
        client = await served.client()
        text = (await client.ask("INFO")).decode()
        for line in ("redis_version:7.2.4", "role:master", "loading:0", "connected_slaves:0", "connected_clients:1"):
            assert f"\r\n{line}\r\n" in text
        assert "\r\n# sessions\r\n" in text
        assert "loading" not in (await client.ask("INFO replication")).decode()


async def test_another_database_than_the_first_is_refused() -> None:
    async with serving() as served:
        client = await served.client()
        assert (await client.ask("SELECT 1")).startswith(b"-ERR DB index is out of range")
