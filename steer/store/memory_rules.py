"""What a write does, decided without doing it: the rules of scripts/write.lua and its four, for the memory engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from steer.store.codec import REQUEST_SIZE, REQUESTS_KEPT, Request, unpack_requests
from steer.store.engine import Answer, Change, Delete, Outcome, Put, PutFields, Terms, Touch
from steer.store.layout import Space
from steer.store.limits import FIELDS, VALUE_BYTES
from steer.store.memory_shelf import Bucket, Kept
from steer.store.merge import normal
from steer.store.stamp import parts_of, tick
from steer.store.state import (
    DELETED,
    HASH,
    NO_FIELDS,
    PLAIN,
    Base,
    Deadline,
    Field,
    State,
    is_hash,
    is_live,
    value_stamp,
)


@dataclass(slots=True)
class Asked:
    """One write, and all that is known when it comes. `live_ms`: the engine's time or the bucket's clock, whichever is
    later; `is_live`: may the record be served at that time?"""

    space: Space
    bucket: Bucket
    backlog: Mapping[int, int]
    kept: Kept
    change: Change
    terms: Terms
    now_ms: int
    live_ms: int = field(init=False)
    is_live: bool = field(init=False)

    def __post_init__(self) -> None:
        self.live_ms = max(self.now_ms, parts_of(self.bucket.clock).ms)
        self.is_live = is_live(self.kept.state, self.live_ms)

    def answer(
        self, outcome: Outcome, stamp: str = "", one: int = 0, two: int = 0, previous: State | None = None
    ) -> Answer:
        return Answer(outcome, self.now_ms, self.bucket.clock, stamp, one, two, previous)


@dataclass(frozen=True, slots=True)
class Effect:
    """The record and the clock as they will be."""

    kept: Kept
    clock: str
    stamp: str


def decide(asked: Asked) -> tuple[Answer, Effect | None]:
    """The answer, and what is to be done; None if nothing."""
    if refused := refusal(asked):
        return refused, None
    match asked.change:
        case Put():
            return put(asked, asked.change)
        case PutFields():
            return put_fields(asked, asked.change)
        case Touch(ttl_ms):
            return touch(asked, ttl_ms)
        case Delete():
            return delete(asked)


def refusal(asked: Asked) -> Answer | None:
    """An answer if the write may not be (or was done already). The order is write.lua's."""
    if asked.now_ms > asked.terms.not_after_ms:
        return asked.answer(Outcome.LATE)
    if abs(asked.now_ms - asked.terms.sent_ms) > asked.space.max_ahead_ms:
        return asked.answer(Outcome.ASTRAY)
    if again := repeated(asked):
        return again
    if asked.bucket.fence:
        return asked.answer(Outcome.FENCED, asked.bucket.fence)
    if condition_fails(asked):
        return conflict(asked)
    for peer in asked.space.peers:
        if asked.backlog.get(peer, 0) >= asked.space.max_pending:
            return asked.answer(Outcome.BEHIND, f"{peer:03d}")
    return None


def repeated(asked: Asked) -> Answer | None:
    """The answer that the same request got before."""
    known = asked.kept.requests
    if not asked.terms.request or asked.terms.request not in known:
        return None
    for each in unpack_requests(known):
        if each.id == asked.terms.request:
            return asked.answer(Outcome.OK, each.stamp(asked.space.site), each.one, each.two)
    return None


def condition_fails(asked: Asked) -> bool:
    match asked.terms.condition:
        case "":
            return False
        case "absent":
            return asked.is_live
        case "present":
            return not asked.is_live
        case stamp:
            return not asked.is_live or value_stamp(asked.kept.state) != stamp


def conflict(asked: Asked) -> Answer:
    if not asked.is_live:
        return asked.answer(Outcome.CONFLICT)
    state = asked.kept.state
    wanted = isinstance(asked.change, Put) and asked.change.want_previous
    return asked.answer(Outcome.CONFLICT, value_stamp(state), previous=state if wanted else None)


def put(asked: Asked, change: Put) -> tuple[Answer, Effect | None]:
    clock, stamp = next_stamp(asked)
    if isinstance(change.value, bytes):
        base, fields = Base(stamp, PLAIN, change.value), NO_FIELDS
    else:
        base, fields = Base(stamp, HASH), {name: Field(stamp, True, value) for name, value in change.value.items()}
    state = State(base, fields, deadline(asked, stamp, change.ttl_ms))
    previous = asked.kept.state if change.want_previous and asked.is_live else None
    return written(asked, state, clock, stamp, previous=previous)


def put_fields(asked: Asked, change: PutFields) -> tuple[Answer, Effect | None]:
    old = asked.kept.state
    if asked.is_live and not is_hash(old):
        return asked.answer(Outcome.KIND), None
    expired = old.deadline.ms <= asked.live_ms and (old.base.kind in (PLAIN, HASH) or bool(old.fields))
    before = NO_FIELDS if expired else old.fields
    present = {name for name, each in before.items() if each.is_present}
    gone = [name for name in change.unset if name in present]
    clock, stamp = next_stamp(asked)
    after = {**before, **{name: Field(stamp, True, value) for name, value in change.set.items()}}
    if not fits(after):
        return asked.answer(Outcome.LARGE), None
    if not change.set and not gone and (change.ttl_ms is None or not asked.is_live):
        return asked.answer(Outcome.OK, value_stamp(old)), None
    after.update((name, Field(stamp, False)) for name in gone)
    base = Base(stamp, HASH) if expired else old.base
    state = normal(base, after, State(deadline=deadline(asked, stamp, change.ttl_ms)))
    return written(asked, state, clock, stamp, len(change.set.keys() - present), len(gone))


def fits(fields: Mapping[bytes, Field]) -> bool:
    """With 23 bytes for each: `f:`, the stamp, and whether it is there."""
    return len(fields) <= FIELDS and sum(len(n) + len(f.value) + 23 for n, f in fields.items()) <= VALUE_BYTES


def touch(asked: Asked, ttl_ms: int) -> tuple[Answer, Effect | None]:
    if not asked.is_live:
        return asked.answer(Outcome.OK), None
    clock, stamp = next_stamp(asked)
    state = asked.kept.state
    return written(asked, State(state.base, state.fields, deadline(asked, stamp, ttl_ms)), clock, stamp, 1)


def delete(asked: Asked) -> tuple[Answer, Effect | None]:
    clock, stamp = next_stamp(asked)
    state = State(Base(stamp, DELETED), NO_FIELDS, asked.kept.state.deadline)
    return written(asked, state, clock, stamp, int(asked.is_live))


def next_stamp(asked: Asked) -> tuple[str, str]:
    """Clock and stamp of this write."""
    clock = tick(asked.bucket.clock, asked.now_ms)
    return clock, f"{clock}{asked.space.site:03d}"


def deadline(asked: Asked, stamp: str, ttl_ms: int | None) -> Deadline:
    """None keeps a live record's."""
    if ttl_ms is None and asked.is_live:
        return asked.kept.state.deadline
    longest = asked.space.max_lifetime_ms
    return Deadline(stamp, asked.live_ms + min(longest if ttl_ms is None else ttl_ms, longest))


def written(
    asked: Asked, state: State, clock: str, stamp: str, one: int = 0, two: int = 0, previous: State | None = None
) -> tuple[Answer, Effect]:
    requests = asked.kept.requests
    if asked.terms.request:
        parts = parts_of(stamp)
        newest = Request(asked.terms.request, parts.ms, parts.counter, one, two)
        requests = newest.packed() + requests[: (REQUESTS_KEPT - 1) * REQUEST_SIZE]
    answer = Answer(Outcome.OK, asked.now_ms, clock, stamp, one, two, previous)
    return answer, Effect(Kept(state, requests), clock, stamp)
