"""Records whatever their kind: is it there, what is it, away with it, which are there."""

from __future__ import annotations

from dataclasses import dataclass

from steer.sessions.resp.arguments import integer_of
from steer.sessions.resp.command import ALL_KEYS, ONE_KEY, SYNTAX, Command, Refusal, Words
from steer.sessions.resp.records import kind_of
from steer.sessions.resp.replies import array, bulk, bulks, integer, simple
from steer.sessions.resp.session import Session

MOST_COUNT = 1000
"""Keys that one SCAN looks at, whatever COUNT says: others wait for the engine meanwhile."""

MOST_PATTERN = 256
"""Bytes of MATCH: what a pattern costs grows with its stars."""

MOST_CURSOR = 2**64 - 1


async def delete(session: Session, words: Words) -> bytes:
    """The number must be a plain integer: phpredis compares the reply with `:0` and `:1`."""
    gone = 0
    for key in words[1:]:
        gone += await session.of(key).delete(key)
    return integer(gone)


async def exists(session: Session, words: Words) -> bytes:
    there = 0
    for key in words[1:]:
        there += await session.of(key).get(key) is not None
    return integer(there)


async def type_(session: Session, words: Words) -> bytes:
    return simple(kind_of(await session.of(words[1]).get(words[1])))


@dataclass(slots=True)
class ScanOptions:
    match: bytes | None = None
    count: int = 10
    kind: str | None = None


def scan_options(words: Words) -> ScanOptions:
    options = ScanOptions()
    if len(words) % 2:
        raise Refusal(SYNTAX)
    for name, value in zip(words[2::2], words[3::2], strict=True):
        match name.upper():
            case b"MATCH" if len(value) <= MOST_PATTERN:
                options.match = value
            case b"COUNT" if integer_of(value) > 0:
                options.count = min(integer_of(value), MOST_COUNT)
            case b"TYPE":
                options.kind = value.lower().decode("latin-1")
            case _:
                raise Refusal(SYNTAX)
    return options


async def scan(session: Session, words: Words) -> bytes:
    """The replicated records; local keys are not among them."""
    cursor = int(words[1]) if words[1].isdigit() and len(words[1]) <= 20 else -1
    if not 0 <= cursor <= MOST_CURSOR:
        raise Refusal("ERR invalid cursor")
    options = scan_options(words)
    records = session.home.records
    cursor, keys = await records.scan(cursor, options.match, options.count)
    if options.kind is not None:
        keys = [key for key in keys if kind_of(await records.get(key)) == options.kind]
    return array([bulk(b"%d" % cursor), bulks(keys)])


COMMANDS = (
    Command("del", -2, delete, ALL_KEYS, is_write=True),
    Command("unlink", -2, delete, ALL_KEYS, is_write=True),
    Command("exists", -2, exists, ALL_KEYS),
    Command("touch", -2, exists, ALL_KEYS),
    Command("type", 2, type_, ONE_KEY),
    Command("scan", -2, scan, in_transaction=False),
)
