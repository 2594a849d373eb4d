"""How long a record lives. Every record has a deadline: without one of its own, it is the namespace's `max_lifetime`.

So TTL never says -1, PERSIST gives the longest life there is, and a longer one than that is cut to it.
"""

from __future__ import annotations

from collections.abc import Awaitable

from steer.sessions.resp.arguments import TIMES, integer_of, ttl_of
from steer.sessions.resp.command import ONE_KEY, Command, Refusal, Words
from steer.sessions.resp.replies import boolean, integer
from steer.sessions.resp.session import Session
from steer.store.model import LONGEST, Records

NO_RECORD = -2

_UNITS = {b"EXPIRE": b"EX", b"PEXPIRE": b"PX", b"EXPIREAT": b"EXAT", b"PEXPIREAT": b"PXAT"}
_RULES = (b"NX", b"XX", b"GT", b"LT")


def expire(session: Session, words: Words) -> Awaitable[bytes]:
    unit, is_moment = TIMES[_UNITS[words[0].upper()]]
    ttl = ttl_of(integer_of(words[2]), unit, is_moment, session.now)
    rules = frozenset(word.upper() for word in words[3:])
    if not rules <= frozenset(_RULES):
        raise Refusal(f"ERR Unsupported option {words[3].decode('latin-1')!a}")
    if len(rules) > 1 and rules != {b"XX", b"GT"} and rules != {b"XX", b"LT"}:
        raise Refusal("ERR NX and XX, GT or LT options at the same time are not compatible")
    return _expire(session, words[1], ttl, rules)


async def _expire(session: Session, key: bytes, ttl: float, rules: frozenset[bytes]) -> bytes:
    records = session.of(key)
    if rules and not await _may(session, records, key, ttl, rules):
        return boolean(False)
    return boolean(await (records.touch(key, ttl) if ttl > 0 else records.delete(key)))


async def _may(session: Session, records: Records, key: bytes, ttl: float, rules: frozenset[bytes]) -> bool:
    """Do the rules of EXPIRE allow it? There is always a deadline, so XX always holds and NX never."""
    record = await records.get(key)
    if record is None or b"NX" in rules:
        return False
    left = record.deadline - session.now
    return not (b"GT" in rules and ttl <= left) and not (b"LT" in rules and ttl >= left)


async def persist(session: Session, words: Words) -> bytes:
    return boolean(await session.of(words[1]).touch(words[1], LONGEST))


async def ttl(session: Session, words: Words) -> bytes:
    record = await session.of(words[1]).get(words[1])
    if record is None:
        return integer(NO_RECORD)
    left = max(0.0, record.deadline - session.now)
    return integer(int(left * 1000) if words[0].upper() == b"PTTL" else int(left + 0.5))


async def expire_time(session: Session, words: Words) -> bytes:
    record = await session.of(words[1]).get(words[1])
    if record is None:
        return integer(NO_RECORD)
    return integer(int(record.deadline * (1000 if words[0].upper() == b"PEXPIRETIME" else 1)))


COMMANDS = (
    Command("expire", -3, expire, ONE_KEY, is_write=True),
    Command("pexpire", -3, expire, ONE_KEY, is_write=True),
    Command("expireat", -3, expire, ONE_KEY, is_write=True),
    Command("pexpireat", -3, expire, ONE_KEY, is_write=True),
    Command("persist", 2, persist, ONE_KEY, is_write=True),
    Command("ttl", 2, ttl, ONE_KEY),
    Command("pttl", 2, ttl, ONE_KEY),
    Command("expiretime", 2, expire_time, ONE_KEY),
    Command("pexpiretime", 2, expire_time, ONE_KEY),
)
