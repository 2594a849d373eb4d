"""All that may be asked of another site's engine: for each call what it takes, after the namespace, and what it gives.

The names and their order are those of `steer.store.engine.Engine`. A table, so that what is open to a peer can be read
in one place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, TypeVar

from steer.store.codec import Malformed
from steer.store.engine import (
    Answer,
    Applied,
    Batch,
    Changed,
    Cursor,
    Digest,
    Entry,
    Finding,
    Outcome,
    Position,
    Reading,
    Terms,
)
from steer.store.errors import EngineDown
from steer.store.layout import Space
from steer.store.remote.shapes import (
    Shape,
    blob,
    change,
    each,
    flag,
    key,
    like,
    made,
    maybe,
    nothing,
    number,
    pair,
    row,
    seconds,
    state,
    table,
    text,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One method of an engine. `of_space`: its first argument is a namespace, and `takes` are the others. `is_bulk`:
    nobody waits for it, and it may be long."""

    name: str
    takes: tuple[Shape[Any], ...]
    gives: Shape[T]
    of_space: bool
    is_bulk: bool


CALLS: dict[str, Call[Any]] = {}
"""By name."""


def call(
    name: str, takes: tuple[Shape[Any], ...], gives: Shape[T], *, of_space: bool = True, is_bulk: bool = False
) -> Call[T]:
    """One row of the table."""
    made = CALLS[name] = Call(name, takes, gives, of_space, is_bulk)
    return made


def outcome(raw: Any) -> Outcome:
    try:
        return Outcome(text(raw))
    except ValueError as error:
        raise Malformed(str(error)) from error


def answer_or_down(raw: Any) -> Answer | EngineDown:
    """Of one write among several: what the engine said, or why it would not take it."""
    return EngineDown(raw) if type(raw) is str else answer(raw)


def applied_outcome(raw: Any) -> Literal[Outcome.OK, Outcome.ASTRAY]:
    found = outcome(raw)
    if found is not Outcome.OK and found is not Outcome.ASTRAY:
        raise Malformed(f"no outcome of an apply: {found}")
    return found


def total(raw: Any) -> int:
    """128 bits: more than msgpack has numbers for."""
    return int(like("[0-9a-f]{1,32}")(raw), 16)


stamp = like("[0-9]{20}|")
clock = like("[0-9]{17}")
place = like("[0-9]{1,16}-[0-9]{1,16}")
generation = like(r"\S{0,64}")
condition = like("|absent|present|[0-9]{20}")
cursor = row(Cursor, place, number, generation)
terms = row(Terms, number, number, condition, blob)
reading = row(Reading, number, clock, maybe(state))
# Of a refusal the stamp's place has other words: which site is behind, why a fence stands.
answer = row(Answer, outcome, number, clock, text, number, number, maybe(state))
written = row(lambda *parts: parts, key, change, terms)
applied = row(Applied, applied_outcome, number, number, number, stamp)
states = each(pair(key, state))
batch = row(Batch, number, states, maybe(number), maybe(cursor))
position = row(Position, clock, number, generation, text, table(number, number), table(number, cursor))
digest = row(Digest, total, number, number, number)
entry = row(Entry, place, number, blob)
done = pair(outcome, flag)
guard = maybe(blob)

OPEN = call("open", (), nothing)
WRITE = call("write", (key, change, terms), answer)
WRITE_ALL = call("write_all", (each(written),), each(answer_or_down))
READ = call("read", (key,), reading)
READ_ALL = call("read_all", (each(key),), each(reading))
SCAN = call("scan", (number, number, blob, number), pair(number, each(blob)))
LOCAL_SET = call("local_set", (key, blob, number, flag, terms), done)
LOCAL_GET = call("local_get", (key,), maybe(pair(blob, number)))
LOCAL_DELETE = call("local_delete", (key, guard, terms), done)
LOCAL_TOUCH = call("local_touch", (key, number, guard, terms), done)
STATES = call("states", (each(key),), each(maybe(state)))
APPLY = call("apply", (number, states, maybe(number), maybe(cursor)), applied)
OUTBOX = call("outbox", (table(number, place), number, seconds), table(number, each(entry)), is_bulk=True)
CHANGES = call("changes", (number, number, number, number), each(row(Changed, number, blob)), is_bulk=True)
DIGEST = call("digest", (number, number, number, number, number, number), digest, is_bulk=True)
POSITION = call("position", (number,), position)
PENDING = call("pending", (), table(number, number))
ACKNOWLEDGE = call("acknowledge", (number, number, number), nothing)
TRIM = call("trim", (number, place), nothing)
SWEEP = call("sweep", (number, number, number, number), pair(number, number), is_bulk=True)
WITNESS = call("witness", (number, stamp), outcome)
FENCE = call("fence", (number, text), nothing)
APPLY_ALL = call("apply_all", (each(batch),), each(applied), is_bulk=True)
POSITIONS = call("positions", (each(number),), table(number, position), is_bulk=True)
ACKNOWLEDGE_ALL = call("acknowledge_all", (number, table(number, number)), nothing, is_bulk=True)
TRIM_ALL = call("trim_all", (table(number, place),), nothing, is_bulk=True)
FENCE_ALL = call("fence_all", (text,), nothing, is_bulk=True)
INCARNATION = call("incarnation", (), text, of_space=False)
TIME_MS = call("time_ms", (), number, of_space=False)
CHECK = call("check", (), each(row(Finding, flag, text, text)), of_space=False)


def named(space: Space) -> list[object]:
    """How a namespace is told: the other end has its own settings of it, and says no where these are not the same."""
    return [space.name, space.site, space.buckets, space.max_pending]


def space_of(raw: Any, known: Mapping[str, Space]) -> Space:
    """The namespace that is meant. Raises Malformed; and LookupError if it is none that is kept here in that way."""
    name, site, buckets, most = made((text, number, number, number), raw)
    space = known.get(name)
    if space is None:
        raise LookupError(f"namespace {name} is not kept here")
    if (site, buckets) != (space.site, space.buckets):
        raise LookupError(f"{name} has {space.buckets} buckets here, at site {space.site}: not {buckets}, at {site}")
    return space if most == space.max_pending else replace(space, max_pending=most)
