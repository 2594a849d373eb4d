"""What may be asked of a state."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from steer.store.model import Record
from steer.store.stamp import stamp_of
from steer.store.state import DELETED, PLAIN, Base, Deadline, Field, State, forgotten_ms, is_live, record_of
from tests.store.states import BEGIN, states

T1, T2 = stamp_of(BEGIN, 0, 1), stamp_of(BEGIN, 1, 1)


@given(states, st.integers(BEGIN - 6, BEGIN + 6))
def test_what_is_served_is_what_is_live(state: State, now_ms: int) -> None:
    assert (record_of(state, now_ms) is not None) == is_live(state, now_ms)


def test_a_record_is_served_until_its_deadline_and_not_at_it() -> None:
    state = State(Base(T1, PLAIN, b"x"), deadline=Deadline(T2, BEGIN + 1500))
    assert record_of(state, BEGIN + 1499) == Record(b"x", T1, (BEGIN + 1500) / 1000)
    assert record_of(state, BEGIN + 1500) is None


def test_the_stamp_that_is_shown_is_the_newest_fields() -> None:
    hash_ = State(fields={b"a": Field(T1, True, b"1"), b"b": Field(T2, False)}, deadline=Deadline(T1, BEGIN + 1))
    assert record_of(hash_, BEGIN) == Record({b"a": b"1"}, T2, (BEGIN + 1) / 1000)


def test_a_tombstone_outlives_every_record_that_is_older_than_it() -> None:
    assert forgotten_ms(State(Base(T1, DELETED), deadline=Deadline(T1, BEGIN + 7)), 500) == BEGIN + 500
    assert forgotten_ms(State(Base(T1, PLAIN, b""), deadline=Deadline(T1, BEGIN + 7)), 500) == BEGIN + 7
