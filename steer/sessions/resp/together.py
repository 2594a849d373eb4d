"""Commands of one pipeline that need not wait for each other: the store is asked for all of them at once.

GETs in a row change nothing. SETs in a row change different keys: one whose key was set before waits for its turn, so
that the last one wins. Whatever is unusual about a command leaves it to its own handler, which says what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from steer.sessions.resp.answering import answer_of
from steer.sessions.resp.arguments import INTEGER, TIMES, ttl_of
from steer.sessions.resp.command import Words
from steer.sessions.resp.records import plain_of
from steer.sessions.resp.replies import OK, bulk_or_null
from steer.sessions.resp.session import Session
from steer.sessions.resp.table import MOST_VALUE
from steer.store.errors import StoreError
from steer.store.model import LONGEST, Assignment

MOST = 16
"""Commands that are asked for at once: 4 MiB of the largest values."""

GET = (b"GET", b"get")
SET = (b"SET", b"set")
SET_FOR = {b"SETEX": b"EX", b"setex": b"EX", b"PSETEX": b"PX", b"psetex": b"PX"}


class Together(Protocol):
    """Commands of one kind. `words` are those that it took."""

    words: list[Words]

    def takes(self, words: Words) -> bool:
        """Is this one of them? Then it is taken."""

    async def replies(self) -> list[bytes]:
        """In their order. What is raised shows when they are run one by one, and then of which."""


def begin(session: Session, words: Words, count: Callable[[StoreError], None]) -> Together | None:
    """With this command; None if it goes alone. `count` is told of what the store refuses."""
    if session.space is None or session.transaction is not None:
        return None
    together: Together = Reads(session) if words[0] in GET else Puts(session, count)
    return together if together.takes(words) else None


class Reads:
    """GETs."""

    def __init__(self, session: Session) -> None:
        self.words: list[Words] = []
        self._session = session

    def takes(self, words: Words) -> bool:
        if len(words) != 2 or words[0] not in GET or len(self.words) == MOST:
            return False
        self.words.append(words)
        return True

    async def replies(self) -> list[bytes]:
        records = await self._session.get_all([words[1] for words in self.words])
        return [bulk_or_null(plain_of(record), self._session.protocol) for record in records]


class Puts:
    """SETs, without a condition, of replicated keys."""

    def __init__(self, session: Session, count: Callable[[StoreError], None]) -> None:
        self.words: list[Words] = []
        self._session = session
        self._count = count
        self._puts: dict[bytes, Assignment] = {}

    def takes(self, words: Words) -> bool:
        put = assignment_of(words, self._session)
        if put is None or len(self.words) == MOST or put.key in self._puts or self._session.home.is_local(put.key):
            return False
        self._puts[put.key] = put
        self.words.append(words)
        return True

    async def replies(self) -> list[bytes]:
        done = await self._session.home.records.put_all(list(self._puts.values()))
        return [self._refused(each) if isinstance(each, StoreError) else OK for each in done]

    def _refused(self, error: StoreError) -> bytes:
        self._count(error)
        return answer_of(error)


def assignment_of(words: Words, session: Session) -> Assignment | None:
    """What SET k v, SET k v EX 10, SETEX k 10 v ask for; None: it is something else, or something is wrong with it."""
    name, count = words[0], len(words)
    if name in SET and count == 3:
        key, value, ttl = words[1], words[2], LONGEST
    elif name in SET and count == 5 and words[3].upper() in TIMES:
        key, value, ttl = words[1], words[2], seconds_of(words[3].upper(), words[4], session.now)
    elif name in SET_FOR and count == 4:
        key, value, ttl = words[1], words[3], seconds_of(SET_FOR[name], words[2], session.now)
    else:
        return None
    return Assignment(key, value, ttl) if ttl > 0 and len(value) <= MOST_VALUE else None


def seconds_of(unit: bytes, number: bytes, now: float) -> float:
    """0 or less: no time to live."""
    if len(number) > 18 or not INTEGER.fullmatch(number):
        return 0.0
    count = int(number)
    return ttl_of(count, *TIMES[unit], now) if count > 0 else 0.0
