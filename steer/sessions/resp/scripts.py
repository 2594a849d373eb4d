"""EVAL without an interpreter: the lock scripts of the session libraries, known by their digest and by their text.

A text is compared in its normal form (quotes, white space and capitals do not count), since each library and version
writes the same four scripts its own way. What they do is done here natively. A script that is not known is refused.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable

from steer.sessions.resp.arguments import integer_of
from steer.sessions.resp.command import Command, Refusal, Words
from steer.sessions.resp.records import plain_of
from steer.sessions.resp.replies import OK, array, boolean, bulk, shown
from steer.sessions.resp.session import Session
from steer.sessions.space import LocalKeys
from steer.store.errors import Conflict

MOST_LEARNED = 1000
"""Digests of texts that were sent and are known. Others are forgotten, and sent again."""

MOST_TEXT = 4096
"""Bytes. The longest script that is known has 500."""

# The scripts, in the plainest words. `ARGV[1]` is the secret of the lock's holder, times are milliseconds.

RELEASE = """
if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end
"""
RELEASE_IN_STEPS = """
local token = redis.call('get', KEYS[1])
if not token or token ~= ARGV[1] then return 0 end
redis.call('del', KEYS[1])
return 1
"""
PROLONG = """
if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) else return 0 end
"""
PROLONG_IN_STEPS = """
local token = redis.call('get', KEYS[1])
if not token or token ~= ARGV[1] then return 0 end
redis.call('pexpire', KEYS[1], ARGV[2])
return 1
"""
EXTEND = """
local token = redis.call('get', KEYS[1])
if not token or token ~= ARGV[1] then return 0 end
local expiration = redis.call('pttl', KEYS[1])
if not expiration then expiration = 0 end
if expiration < 0 then return 0 end
local newttl = ARGV[2]
if ARGV[3] == '0' then newttl = ARGV[2] + expiration end
redis.call('pexpire', KEYS[1], newttl)
return 1
"""


async def release(session: Session, key: bytes, secret: bytes) -> bytes:
    records = session.of(key)
    record = await records.get(key)
    if record is None or plain_of(record) != secret:
        return boolean(False)
    try:
        return boolean(await records.delete(key, condition=record.stamp))
    except Conflict:
        return boolean(False)


async def prolong(session: Session, key: bytes, secret: bytes, milliseconds: bytes) -> bytes:
    return boolean(await _touch(session, key, secret, integer_of(milliseconds) / 1000))


async def extend(session: Session, key: bytes, secret: bytes, milliseconds: bytes, replaces: bytes) -> bytes:
    """`replaces` 0: on top of what is left."""
    record = await session.of(key).get(key)
    left = max(0.0, record.deadline - session.now) if record else 0.0
    ttl = integer_of(milliseconds) / 1000 + (left if replaces == b"0" else 0.0)
    return boolean(await _touch(session, key, secret, ttl))


async def _touch(session: Session, key: bytes, secret: bytes, ttl: float) -> bool:
    """A new deadline for the lock, if it is still held with this secret."""
    records = session.of(key)
    if ttl <= 0:
        return await release(session, key, secret) == boolean(True)
    if isinstance(records, LocalKeys):
        return await records.touch_if(key, secret, ttl)
    return plain_of(await records.get(key)) == secret and await records.touch(key, ttl)


Script = Callable[..., Awaitable[bytes]]

SCRIPTS: dict[str, tuple[Script, int, str]] = {
    "release": (release, 1, RELEASE),
    "release in steps": (release, 1, RELEASE_IN_STEPS),
    "prolong": (prolong, 2, PROLONG),
    "prolong in steps": (prolong, 2, PROLONG_IN_STEPS),
    "extend": (extend, 3, EXTEND),
}
"""Name -> what it does, how many ARGV it takes, its text."""

DIGESTS = {
    "b70c2384248f88e6b75b9f89241a180f856ad852": "release",  # phpredis' session lock, and every one-line release
    "c3f8721cbb97f72bc19e972846bd7aaf91901658": "release in steps",  # redis-py, Lock.release
    "1cac51482acf5858da00f6d685d68f886cd6b6b2": "prolong in steps",  # redis-py, Lock.reacquire
    "a4e8783852e6b949f9ef3a97212805108459a890": "extend",  # redis-py, Lock.extend
}

NOT_KNOWN = (
    "ERR steer's session door runs no Lua; it knows the lock scripts of phpredis, redis-py, Laravel and redsync:"
    " release, extend, reacquire"
)


def normal(text: bytes) -> str:
    """The same for scripts that differ in white space, quotes and capitals only."""
    words = " ".join(text.decode("latin-1").lower().replace('"', "'").replace(";", " ").split())
    return re.sub(r" ?([^\w' ]) ?", r"\1", words)


_BY_TEXT = {normal(text.encode()): name for name, (_, _, text) in SCRIPTS.items()}


def _learn(session: Session, text: bytes) -> str | None:
    """The name of the script; from now on its digest is known as well."""
    name = _BY_TEXT.get(normal(text)) if len(text) <= MOST_TEXT else None
    learned = session.door.learned_scripts
    if name is not None and len(learned) < MOST_LEARNED:
        learned[_digest(text)] = name
    return name


def _digest(text: bytes) -> str:
    return hashlib.sha1(text, usedforsecurity=False).hexdigest()


def _named(session: Session, digest: bytes) -> str | None:
    text = digest.lower().decode("latin-1")
    return DIGESTS.get(text) or session.door.learned_scripts.get(text)


def eval_(session: Session, words: Words) -> Awaitable[bytes]:
    name = _learn(session, words[1])
    if name is None:
        raise Refusal(NOT_KNOWN)
    return _run(session, name, words)


def evalsha(session: Session, words: Words) -> Awaitable[bytes]:
    name = _named(session, words[1])
    if name is None:
        raise Refusal("NOSCRIPT No matching script. Please use EVAL.")
    return _run(session, name, words)


def _run(session: Session, name: str, words: Words) -> Awaitable[bytes]:
    script, arguments, _ = SCRIPTS[name]
    if words[2] != b"1" or len(words) != 4 + arguments:
        raise Refusal(f"ERR this script takes 1 key and {arguments} arguments")
    return script(session, *words[3:])


def script(session: Session, words: Words) -> bytes:
    """SCRIPT LOAD answers the digest of whatever it is sent: libraries load scripts that they may never use."""
    match words[1].upper(), len(words):
        case b"LOAD", 3:
            _learn(session, words[2])
            return bulk(_digest(words[2]).encode())
        case b"EXISTS", count if count > 2:
            return array([boolean(_named(session, digest) is not None) for digest in words[2:]])
        case b"FLUSH", _:
            return OK
    raise Refusal(f"ERR unknown subcommand '{shown(words[1])}'; there are: LOAD, EXISTS, FLUSH")


COMMANDS = (
    Command("eval", -3, eval_, (3, 3, 1), is_write=True, in_transaction=False),
    Command("evalsha", -3, evalsha, (3, 3, 1), is_write=True, in_transaction=False),
    Command("script", -2, script, in_transaction=False),
)
