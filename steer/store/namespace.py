"""`Namespace` over one site's engine: limits are checked, requests get ids, outcomes become the store's errors."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha1
from itertools import count
from typing import Literal, NamedTuple, TypeVar

from steer.clock import Clock, SystemClock
from steer.store.engine import (
    Answer,
    Change,
    Delete,
    Engine,
    Outcome,
    Put,
    PutFields,
    Reading,
    Terms,
    Touch,
)
from steer.store.errors import (
    Conflict,
    EngineDown,
    Fenced,
    Late,
    StoreError,
    TooFarBehind,
    TooLarge,
    Unconfirmed,
    WrongKind,
)
from steer.store.layout import Space
from steer.store.limits import check_fields, check_key, check_request, check_value
from steer.store.locks import EngineLocks
from steer.store.model import AS_EVER, Acknowledge, Assignment, Condition, FieldsWritten, How, Record, Written
from steer.store.stamp import NEVER, is_stamp
from steer.store.state import record_of, value_stamp
from steer.store.timing import Timing, answered

UNBOUNDED = 1 << 53
LOCALLY = How(acknowledge="local")
BUCKETS_A_SCAN = 64
"""Buckets that one SCAN looks into at most, where there is little to find."""
Confirm = Callable[[bytes, str], Awaitable[bool]]
"""Given a key and a stamp: has every other site a state that is not older? Answers within the namespace's `timeout`."""
_REQUESTS = count(int.from_bytes(os.urandom(8), "big"))
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Promise:
    """What a write's OK means, and what is answered where another site does not confirm it in time.

    `degrade` puts going on first: what cannot be confirmed is local, and a site goes on writing when more writes than
    `max_pending` wait for another one, which has been away for long.
    """

    acknowledge: Acknowledge = "local"
    on_timeout: Literal["error", "degrade"] = "error"
    timeout: float = 1.0
    """Seconds that `all` waits for the other sites."""


DEFAULT_PROMISE = Promise()


class Look(NamedTuple):
    """`stamp` is that of the record's last write, a deletion too; NEVER if nothing is known. `is_cold`: nor is anything
    known of all its bucket."""

    record: Record | None
    stamp: str
    is_cold: bool


class EngineNamespace:
    """Meets `steer.store.model.Namespace`. Without `confirm`, no peer ever confirms."""

    def __init__(
        self,
        engine: Engine,
        space: Space,
        promise: Promise = DEFAULT_PROMISE,
        clock: Clock | None = None,
        confirm: Confirm | None = None,
    ) -> None:
        self._engine = engine
        self._space = space
        # A write that every site confirms before it is answered is none that could be lost with this one.
        self._unbounded = replace(space, max_pending=UNBOUNDED)
        self._promise = promise
        self._confirm = confirm
        self._timing = Timing(engine, space, clock or SystemClock())
        self.locks = EngineLocks(engine, space, self._timing)

    async def get(self, key: bytes) -> Record | None:
        return (await self.look(key)).record

    async def look(self, key: bytes) -> Look:
        """As `get`, and what the engine knows where there is no live record."""
        check_key(key)
        sent = self._timing.now_ms()
        return self._looked(await answered(self._engine.read(self._space, key)), sent)

    async def get_all(self, keys: Sequence[bytes]) -> list[Record | None]:
        return [look.record for look in await self.look_all(keys)]

    async def look_all(self, keys: Sequence[bytes]) -> list[Look]:
        for key in keys:
            check_key(key)
        sent = self._timing.now_ms()
        readings = await answered(self._engine.read_all(self._space, keys))
        return [self._looked(reading, sent) for reading in readings]

    def _looked(self, reading: Reading, sent: int) -> Look:
        self._timing.check(reading.engine_ms, sent, reading.clock)
        if reading.state is None:
            return Look(None, NEVER, reading.clock == NEVER[:17])
        return Look(record_of(reading.state, reading.engine_ms), value_stamp(reading.state), False)

    async def put(
        self,
        key: bytes,
        value: bytes | Mapping[bytes, bytes],
        ttl: float | None,
        how: How = AS_EVER,
        *,
        want_previous: bool = False,
    ) -> Written:
        check_value(value)
        change = Put(value, self._ttl_ms(ttl), want_previous)
        answer, acknowledged = await self._write(key, change, how)
        return Written(answer.stamp, acknowledged, previous_of(answer))

    async def put_all(self, puts: Sequence[Assignment]) -> list[Written | StoreError]:
        for key, value, _ in puts:
            check_key(key)
            check_value(value)
        changes = [Put(value, self._ttl_ms(ttl)) for _, value, ttl in puts]
        terms = [await self._timing.terms("", new_request_id()) for _ in puts]
        keys = [each.key for each in puts]
        answers = await self._engine.write_all(self._space, list(zip(keys, changes, terms, strict=True)))
        self._learn_from(answers, terms[-1].sent_ms)
        if all(isinstance(each, Answer) and each.outcome is Outcome.OK for each in answers) and self._is_final:
            acknowledged = self._alone
            return [Written(each.stamp, acknowledged) for each in answers if isinstance(each, Answer)]
        return list(await asyncio.gather(*map(self._put_in_the_end, keys, changes, terms, answers)))

    def _learn_from(self, answers: Sequence[Answer | EngineDown], sent_ms: int) -> None:
        last = answers[-1]
        if isinstance(last, Answer):
            self._timing.learn(last.engine_ms, sent_ms)

    async def _put_in_the_end(
        self, key: bytes, change: Put, terms: Terms, answer: Answer | EngineDown
    ) -> Written | StoreError:
        """What a put of several comes to that was refused, or that other sites must confirm."""
        if isinstance(answer, EngineDown):
            return answer
        try:
            if answer.outcome is Outcome.LATE:
                answer = await self._ask(self._space, key, change, "", terms.request)
            done, acknowledged = await self._finished(key, change, "", terms.request, None, answer)
        except StoreError as error:
            return error
        return Written(done.stamp, acknowledged)

    async def touch(self, key: bytes, ttl: float) -> bool:
        answer, _ = await self._write(key, Touch(self._space.ttl_ms(ttl)), LOCALLY)
        return bool(answer.one)

    async def delete(self, key: bytes, *, condition: Condition | None = None) -> bool:
        answer, _ = await self._write(key, Delete(), How(condition))
        return bool(answer.one)

    async def put_fields(
        self,
        key: bytes,
        set: Mapping[bytes, bytes],
        unset: Collection[bytes],
        ttl: float | None,
        how: How = AS_EVER,
    ) -> FieldsWritten:
        check_fields(set, unset)
        change = PutFields(set, [name for name in unset if name not in set], self._ttl_ms(ttl))
        answer, acknowledged = await self._write(key, change, how)
        return FieldsWritten(answer.stamp, acknowledged, answer.one, answer.two)

    async def scan(self, cursor: int, match: bytes | None, count: int) -> tuple[int, list[bytes]]:
        """The cursor is the bucket, and the engine's own cursor within it."""
        inner, bucket = divmod(cursor, self._space.buckets)
        found: list[bytes] = []
        for _ in range(BUCKETS_A_SCAN):
            inner, keys = await answered(self._engine.scan(self._space, bucket, inner, match or b"*", count))
            found += keys
            if not inner:
                bucket += 1
            if bucket == self._space.buckets:
                return 0, found
            if len(found) >= count:
                break
        return inner * self._space.buckets + bucket, found

    # Writing.

    async def _write(self, key: bytes, change: Change, how: How) -> tuple[Answer, Acknowledge]:
        check_key(key)
        check_request(how.request)
        asked = checked_condition(how.condition)
        request_id = request_id_of(change, how.request)
        answer = await self._ask(self._space, key, change, asked, request_id)
        return await self._finished(key, change, asked, request_id, how.acknowledge, answer)

    async def _finished(
        self, key: bytes, change: Change, asked: str, request_id: bytes, wish: Acknowledge | None, answer: Answer
    ) -> tuple[Answer, Acknowledge]:
        """The write is done, and known where it must be. Raises what has become of it instead."""
        wanted = wish or self._promise.acknowledge
        if answer.outcome is Outcome.BEHIND and (wanted == "all" or self._promise.on_timeout == "degrade"):
            answer = await self._ask(self._unbounded, key, change, asked, request_id)
        if answer.outcome is not Outcome.OK:
            raise self._error(answer, answer.outcome)
        return answer, await self._acknowledged(key, answer.stamp, wanted)

    async def _ask(self, space: Space, key: bytes, change: Change, condition: str, request: bytes) -> Answer:
        async def once(terms: Terms) -> tuple[Outcome, Answer]:
            answer = await self._engine.write(space, key, change, terms)
            self._timing.learn(answer.engine_ms, terms.sent_ms)
            return answer.outcome, answer

        return (await self._timing.in_time(once, condition, request))[1]

    @property
    def _is_final(self) -> bool:
        """Nobody is waited for after the engine."""
        return not self._space.peers or self._promise.acknowledge == "local"

    @property
    def _alone(self) -> Acknowledge:
        """What a write is by this engine alone."""
        return "local" if self._space.peers else "all"

    @property
    def skew(self) -> float:
        """Seconds that the engine's clock is ahead of this edge's."""
        return self._timing.skew_ms / 1000

    def _ttl_ms(self, ttl: float | None) -> int | None:
        return None if ttl is None else self._space.ttl_ms(ttl)

    # Errors.

    def _error(self, answer: Answer, outcome: Outcome) -> StoreError:
        match outcome:
            case Outcome.CONFLICT:
                return Conflict(answer.stamp, previous_of(answer))
            case Outcome.FENCED:
                return Fenced(answer.stamp)
            case Outcome.BEHIND:
                return TooFarBehind(f"{self._space.max_pending} writes wait for site {answer.stamp}")
            case Outcome.ASTRAY:
                return self._timing.astray(answer.engine_ms, answer.clock)
            case Outcome.KIND:
                return WrongKind()
            case Outcome.LARGE:
                return TooLarge("the hash would have too many fields, or too many bytes")
            case Outcome.LATE:
                return Late()
        raise EngineDown(f"the engine answered {outcome}")

    # The other sites.

    async def _acknowledged(self, key: bytes, stamp: str, wanted: Acknowledge) -> Acknowledge:
        if wanted == "local" or not self._space.peers:
            return self._alone
        if self._confirm and await self._confirm(key, stamp):
            return "all"
        if self._promise.on_timeout == "degrade":
            return "local"
        raise Unconfirmed("another site did not confirm the write in time")


def request_id_of(change: Change, request: bytes | None) -> bytes:
    """8 bytes. A touch needs none, because twice is as good as once; and it must not push those of writes out."""
    if isinstance(change, Touch):
        return b""
    return new_request_id() if request is None else sha1(request, usedforsecurity=False).digest()[:8]


def new_request_id() -> bytes:
    """As good as random, and ten times quicker: a record knows its last 8 requests, of a few processes."""
    return (next(_REQUESTS) % (1 << 64)).to_bytes(8, "big")


def checked_condition(condition: Condition | None) -> str:
    """What an engine takes. Raises ValueError: a door has checked it before."""
    if condition is None:
        return ""
    if condition in ("absent", "present") or is_stamp(condition):
        return condition
    raise ValueError(f"a condition is absent, present or a stamp, got {condition!r}")


def previous_of(answer: Answer) -> Record | None:
    """What stood there and was live."""
    return record_of(answer.previous, 0) if answer.previous else None
