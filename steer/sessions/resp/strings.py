"""Plain values: what nearly every session library uses."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass

from steer.sessions.resp.arguments import TIMES, ttl_option
from steer.sessions.resp.command import ALL_KEYS, NO_ROOM, ONE_KEY, SYNTAX, Command, Refusal, Words
from steer.sessions.resp.records import amend, plain_of
from steer.sessions.resp.replies import OK, array, boolean, bulk, bulk_or_null, integer, null
from steer.sessions.resp.session import Session
from steer.store.errors import Conflict
from steer.store.model import LONGEST, Condition, How, Record

MOST_REPLY = 16 * 1024 * 1024
"""Bytes of one MGET: the reply is whole in memory before its first byte goes out. 64 values of the largest size."""

AT_ONCE = 16
"""Reads of one MGET under way: 4 MiB of the largest values."""


@dataclass(slots=True)
class SetOptions:
    """`ttl` None keeps the deadline."""

    ttl: float | None = LONGEST
    condition: Condition | None = None
    wants_old: bool = False


def set_options(words: Words, now: float) -> SetOptions:
    options = SetOptions()
    has_ttl = False
    at = 3
    while at < len(words):
        word = words[at].upper()
        if word in TIMES or word == b"KEEPTTL":
            if has_ttl:
                raise Refusal(SYNTAX)
            has_ttl = True
            at += word != b"KEEPTTL"
            options.ttl = None if word == b"KEEPTTL" else ttl_option(word, words, at, now, "set")
        elif word in (b"NX", b"XX") and options.condition is None:
            options.condition = "absent" if word == b"NX" else "present"
        elif word == b"GET":
            options.wants_old = True
        else:
            raise Refusal(SYNTAX)
        at += 1
    return options


async def get(session: Session, words: Words) -> bytes:
    record = await session.of(words[1]).get(words[1])
    if record is not None and record.value.__class__ is bytes:
        return bulk(record.value)
    return bulk_or_null(plain_of(record), session.protocol)


def set_(session: Session, words: Words) -> Awaitable[bytes]:
    options = set_options(words, session.now) if len(words) > 3 else SetOptions()
    if options.ttl is not None and options.ttl <= 0:
        return _set_what_is_over(session, words[1], options)
    if options.wants_old:
        return _set_and_get(session, words, options)
    return _set(session, words, options)


async def _set(session: Session, words: Words, options: SetOptions) -> bytes:
    try:
        await session.of(words[1]).put(words[1], words[2], options.ttl, How(condition=options.condition))
    except Conflict:
        return null(session.protocol)
    return OK


async def _set_what_is_over(session: Session, key: bytes, options: SetOptions) -> bytes:
    """A deadline in the past: as if it had been set and had expired."""
    records = session.of(key)
    record = await records.get(key)
    old = plain_of(record) if options.wants_old else None
    if options.condition is not None and (options.condition == "present") is not (record is not None):
        return bulk_or_null(old, session.protocol)
    await records.delete(key)
    return bulk_or_null(old, session.protocol) if options.wants_old else OK


async def _set_and_get(session: Session, words: Words, options: SetOptions) -> bytes:
    key = words[1]
    records = session.of(key)

    async def change(record: Record | None, condition: Condition) -> bytes:
        old = plain_of(record)
        if options.condition is None or (options.condition == "present") is (record is not None):
            await records.put(key, words[2], options.ttl, How(condition=condition))
        return bulk_or_null(old, session.protocol)

    return await amend(records, key, change)


def getset(session: Session, words: Words) -> Awaitable[bytes]:
    return _set_and_get(session, words, SetOptions(wants_old=True))


def setex(session: Session, words: Words) -> Awaitable[bytes]:
    name = words[0].lower().decode()
    ttl = ttl_option(b"EX" if name == "setex" else b"PX", words, 2, session.now, name)
    return _set(session, [words[0], words[1], words[3]], SetOptions(ttl))


async def setnx(session: Session, words: Words) -> bytes:
    try:
        await session.of(words[1]).put(words[1], words[2], LONGEST, How(condition="absent"))
    except Conflict:
        return boolean(False)
    return boolean(True)


async def getdel(session: Session, words: Words) -> bytes:
    key = words[1]
    records = session.of(key)

    async def change(record: Record | None, condition: Condition) -> bytes:
        old = plain_of(record)
        if record is not None:
            await records.delete(key, condition=condition)
        return bulk_or_null(old, session.protocol)

    return await amend(records, key, change)


def getex(session: Session, words: Words) -> Awaitable[bytes]:
    if len(words) == 2:
        return get(session, words)
    option = words[2].upper()
    if option == b"PERSIST" and len(words) == 3:
        return _getex(session, words[1], LONGEST)
    if option not in TIMES or len(words) != 4:
        raise Refusal(SYNTAX)
    return _getex(session, words[1], ttl_option(option, words, 3, session.now, "getex"))


async def _getex(session: Session, key: bytes, ttl: float) -> bytes:
    records = session.of(key)
    value = plain_of(await records.get(key))
    if value is not None and ttl > 0:
        await records.touch(key, ttl)
    elif value is not None:
        await records.delete(key)
    return bulk_or_null(value, session.protocol)


async def mget(session: Session, words: Words) -> bytes:
    """A key that holds a hash is null here, as in Redis."""
    replies: list[bytes] = []
    total = 0
    try:
        for start in range(1, len(words), AT_ONCE):
            for record in await session.get_all(words[start : start + AT_ONCE]):
                value = record.value if record is not None and isinstance(record.value, bytes) else None
                replies.append(bulk_or_null(value, session.protocol))
                total += len(replies[-1])
            if total > MOST_REPLY:
                raise Refusal(f"ERR the values have over {MOST_REPLY:,} bytes together: ask for fewer keys")
            if not session.collect(total):
                raise Refusal(NO_ROOM)
        return array(replies)
    finally:
        session.collect(0)


async def strlen(session: Session, words: Words) -> bytes:
    return integer(len(plain_of(await session.of(words[1]).get(words[1])) or b""))


async def append(session: Session, words: Words) -> bytes:
    key = words[1]
    records = session.of(key)

    async def change(record: Record | None, condition: Condition) -> bytes:
        value = (plain_of(record) or b"") + words[2]
        await records.put(key, value, None, How(condition=condition))
        return integer(len(value))

    return await amend(records, key, change)


COMMANDS = (
    Command("get", 2, get, ONE_KEY),
    Command("set", -3, set_, ONE_KEY, is_write=True),
    Command("setex", 4, setex, ONE_KEY, is_write=True),
    Command("psetex", 4, setex, ONE_KEY, is_write=True),
    Command("setnx", 3, setnx, ONE_KEY, is_write=True),
    Command("getset", 3, getset, ONE_KEY, is_write=True),
    Command("getdel", 2, getdel, ONE_KEY, is_write=True),
    Command("getex", -2, getex, ONE_KEY, is_write=True),
    Command("mget", -2, mget, ALL_KEYS),
    Command("strlen", 2, strlen, ONE_KEY),
    Command("append", 3, append, ONE_KEY, is_write=True),
)
