"""What travels between sites arrives as it was, and nothing else arrives."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steer.store.codec import Malformed
from steer.store.engine import (
    Answer,
    Applied,
    Batch,
    Change,
    Changed,
    Cursor,
    Delete,
    Digest,
    Entry,
    Finding,
    Outcome,
    Position,
    Put,
    PutFields,
    Reading,
    Terms,
    Touch,
)
from steer.store.remote import calls, shapes
from steer.store.remote.shapes import MOST_BYTES, packed, unpacker
from tests.store.states import states

numbers = st.integers(0, (1 << 53) - 1)
blobs = st.binary(max_size=20)
clocks = st.from_regex(r"[0-9]{17}", fullmatch=True)
cursors = st.builds(Cursor, st.just("1795000000000-7"), numbers, st.sampled_from(("", "1795000000000000001")))
changes = st.one_of(
    st.builds(Put, st.one_of(blobs, st.dictionaries(blobs, blobs, max_size=3)), st.none() | numbers, st.booleans()),
    st.builds(PutFields, st.dictionaries(blobs, blobs, max_size=3), st.lists(blobs), st.none() | numbers),
    st.builds(Touch, numbers),
    st.just(Delete()),
)
batches = st.builds(
    Batch,
    numbers,
    st.lists(st.tuples(st.binary(min_size=1, max_size=9), states), max_size=3),
    st.none() | st.integers(1, 3),
    st.none() | cursors,
)
applied = st.builds(Applied, st.sampled_from((Outcome.OK, Outcome.ASTRAY)), numbers, numbers, numbers)
digests = st.builds(Digest, st.integers(0, (1 << 128) - 1), numbers, numbers, numbers)
positions = st.builds(
    Position,
    clocks,
    numbers,
    st.just("1795000000000000001"),
    st.text(max_size=9),
    st.dictionaries(st.integers(1, 3), numbers),
    st.dictionaries(st.integers(1, 3), cursors),
)


def travelled(value: Any) -> Any:
    arriving = unpacker()
    arriving.feed(packed(value))
    return arriving.unpack()


@given(states)
def test_a_record_arrives_as_it_was(state: Any) -> None:
    assert shapes.state(travelled(state)) == state


@given(changes)
def test_a_change_arrives_as_it_was(change: Change) -> None:
    assert shapes.change(travelled(change)) == change


@given(batches)
def test_a_batch_arrives_as_it_was(batch: Batch) -> None:
    assert calls.batch(travelled(batch)) == batch


@given(applied, digests, positions)
def test_what_an_engine_says_arrives_as_it_was(one: Applied, two: Digest, three: Position) -> None:
    assert calls.applied(travelled(one)) == one
    assert calls.digest(travelled(two)) == two
    assert calls.position(travelled(three)) == three


@given(clocks, numbers, st.none() | states)
def test_answers_and_readings_arrive_as_they_were(clock: str, number: int, state: Any) -> None:
    answer = Answer(Outcome.BEHIND, number, clock, "002", 1, 2, state)
    assert calls.answer(travelled(answer)) == answer
    reading = Reading(number, clock, state)
    assert calls.reading(travelled(reading)) == reading
    terms = Terms(number, number, "present", b"12345678")
    assert calls.terms(travelled(terms)) == terms
    rows = [Entry("1-2", 3, b"k"), Changed(4, b"k"), Finding(True, "so", "not so")]
    assert travelled(rows) == [["1-2", 3, b"k"], [4, b"k"], [True, "so", "not so"]]


@pytest.mark.parametrize(
    ("shape", "raw"),
    [
        (shapes.number, -1),
        (shapes.number, True),
        (shapes.number, 1 << 63),
        (shapes.number, 1.0),
        (shapes.number, "1"),
        (shapes.key, b""),
        (shapes.key, b"x" * 1025),
        (shapes.key, "text"),
        (shapes.flag, 1),
        (shapes.seconds, -0.5),
        (shapes.seconds, float("nan")),
        (shapes.nothing, 0),
        (shapes.change, ["drop", 1]),
        (shapes.change, []),
        (shapes.change, ["touch", 1, 2]),
        (shapes.change, ["put", b"v", None, 1]),
        (shapes.change, [["put"]]),
        (shapes.state, {b"m": b"X" * 54}),
        (shapes.state, {b"v": b"no head"}),
        (shapes.state, {"m": b""}),
        (calls.stamp, "1" * 19),
        (calls.cursor, ["1-2 3 4", 1, ""]),
        (calls.cursor, ["1-2", 1, "two words"]),
        (calls.terms, [1, 2, "1' OR", b""]),
        (calls.outcome, "FINE"),
        (calls.applied, ["LATE", 1, 0, 0, ""]),
        (calls.digest, ["-1", 0, 0, 0]),
        (calls.batch, [0, [[b"k"]], None, None]),
    ],
)
def test_what_is_none_is_refused(shape: Any, raw: Any) -> None:
    with pytest.raises(Malformed):
        shape(raw)


def test_a_message_that_nobody_would_read_is_not_sent() -> None:
    with pytest.raises(ValueError, match="a message of"):
        packed(b"x" * (MOST_BYTES + 1))
