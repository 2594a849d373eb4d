"""Hashes: a record of fields, each of which the two sites merge on its own."""

from __future__ import annotations

from steer.sessions.resp.command import ONE_KEY, Command, Refusal, Words
from steer.sessions.resp.records import amend, fields_of
from steer.sessions.resp.replies import OK, array, boolean, bulk, bulk_or_null, bulks, integer, mapping
from steer.sessions.resp.session import Session
from steer.store.model import Condition, How, Record


async def _fields(session: Session, words: Words) -> dict[bytes, bytes]:
    return fields_of(await session.of(words[1]).get(words[1]))


async def _set(session: Session, words: Words) -> int:
    """How many fields are new."""
    if len(words) % 2:
        raise Refusal(f"ERR wrong number of arguments for '{words[0].lower().decode()}' command")
    pairs = dict(zip(words[2::2], words[3::2], strict=True))
    return (await session.of(words[1]).put_fields(words[1], pairs, (), None)).added


async def hset(session: Session, words: Words) -> bytes:
    return integer(await _set(session, words))


async def hmset(session: Session, words: Words) -> bytes:
    await _set(session, words)
    return OK


async def hsetnx(session: Session, words: Words) -> bytes:
    key, field, value = words[1:]
    records = session.of(key)

    async def change(record: Record | None, condition: Condition) -> bytes:
        is_new = field not in fields_of(record)
        if is_new:
            await records.put_fields(key, {field: value}, (), None, How(condition=condition))
        return boolean(is_new)

    return await amend(records, key, change)


async def hdel(session: Session, words: Words) -> bytes:
    return integer((await session.of(words[1]).put_fields(words[1], {}, frozenset(words[2:]), None)).removed)


async def hget(session: Session, words: Words) -> bytes:
    return bulk_or_null((await _fields(session, words)).get(words[2]), session.protocol)


async def hmget(session: Session, words: Words) -> bytes:
    fields = await _fields(session, words)
    return array([bulk_or_null(fields.get(name), session.protocol) for name in words[2:]])


async def hgetall(session: Session, words: Words) -> bytes:
    fields = await _fields(session, words)
    return mapping({name: bulk(value) for name, value in fields.items()}, session.protocol)


async def hexists(session: Session, words: Words) -> bytes:
    return boolean(words[2] in await _fields(session, words))


async def hlen(session: Session, words: Words) -> bytes:
    return integer(len(await _fields(session, words)))


async def hstrlen(session: Session, words: Words) -> bytes:
    return integer(len((await _fields(session, words)).get(words[2], b"")))


async def hkeys(session: Session, words: Words) -> bytes:
    return bulks(await _fields(session, words))


async def hvals(session: Session, words: Words) -> bytes:
    return bulks((await _fields(session, words)).values())


COMMANDS = (
    Command("hset", -4, hset, ONE_KEY, is_write=True),
    Command("hmset", -4, hmset, ONE_KEY, is_write=True),
    Command("hsetnx", 4, hsetnx, ONE_KEY, is_write=True),
    Command("hdel", -3, hdel, ONE_KEY, is_write=True),
    Command("hget", 3, hget, ONE_KEY),
    Command("hmget", -3, hmget, ONE_KEY),
    Command("hgetall", 2, hgetall, ONE_KEY),
    Command("hexists", 3, hexists, ONE_KEY),
    Command("hlen", 2, hlen, ONE_KEY),
    Command("hstrlen", 3, hstrlen, ONE_KEY),
    Command("hkeys", 2, hkeys, ONE_KEY),
    Command("hvals", 2, hvals, ONE_KEY),
)
