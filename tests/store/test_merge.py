"""Whatever three sites wrote, and in whatever order and however often they hear of it, they agree in the end."""

from __future__ import annotations

from functools import reduce

from hypothesis import given, settings
from hypothesis import strategies as st

from steer.store.merge import merge
from steer.store.stamp import stamp_of
from steer.store.state import (
    DELETED,
    HASH,
    PLAIN,
    UNKNOWN,
    Base,
    Deadline,
    Field,
    State,
    is_live,
    last_stamp,
    value_of,
)
from tests.store.states import BEGIN, states

T1, T2, T3 = (stamp_of(BEGIN + n, 0, n) for n in (1, 2, 3))
LATER = Deadline(T1, BEGIN + 1000)


@given(states, states)
def test_the_order_of_two_does_not_matter(one: State, other: State) -> None:
    assert merge(one, other) == merge(other, one)


@settings(max_examples=200)
@given(states, states, states)
def test_the_company_of_three_does_not_matter(one: State, two: State, three: State) -> None:
    assert merge(merge(one, two), three) == merge(one, merge(two, three))


@given(states)
def test_hearing_it_again_changes_nothing(one: State) -> None:
    assert merge(one, one) == merge(one, UNKNOWN) == one


@given(st.lists(states, min_size=1, max_size=6), st.data())
def test_sites_that_heard_of_everything_agree_in_any_order_and_with_repetitions(
    written: list[State], data: st.DataObject
) -> None:
    heard = data.draw(st.permutations(written * 2))
    assert reduce(merge, heard, UNKNOWN) == reduce(merge, written)


@given(states, states)
def test_a_stamp_never_goes_back(one: State, other: State) -> None:
    assert last_stamp(merge(one, other)) <= max(last_stamp(one), last_stamp(other))
    assert merge(one, other).base.stamp == max(one.base.stamp, other.base.stamp)


def plain(stamp: str, value: bytes) -> State:
    return State(Base(stamp, PLAIN, value), deadline=Deadline(stamp, BEGIN + 1000))


def test_the_later_write_wins() -> None:
    assert value_of(merge(plain(T1, b"old"), plain(T2, b"new"))) == b"new"


def test_the_end_of_a_record_that_comes_before_the_record_still_ends_it() -> None:
    tombstone = State(Base(T2, DELETED))
    merged = merge(tombstone, plain(T1, b"session"))
    assert value_of(merged) is None
    assert value_of(merge(merged, plain(T3, b"logged in again"))) == b"logged in again"


def test_a_touch_elsewhere_does_not_bring_back_what_was_deleted() -> None:
    touched = State(Base(T1, PLAIN, b"x"), deadline=Deadline(T3, BEGIN + 5000))
    assert not is_live(merge(State(Base(T2, DELETED)), touched), BEGIN)


def test_a_deadline_may_be_shortened() -> None:
    shorter = State(Base(T1, PLAIN, b"x"), deadline=Deadline(T2, BEGIN + 10))
    assert merge(plain(T1, b"x"), shorter).deadline.ms == BEGIN + 10


def test_two_sites_that_write_other_fields_of_a_hash_lose_neither() -> None:
    here = State(fields={b"a": Field(T1, True, b"1")}, deadline=LATER)
    there = State(fields={b"b": Field(T2, True, b"2")}, deadline=LATER)
    assert value_of(merge(here, there)) == {b"a": b"1", b"b": b"2"}


def test_a_hash_that_begins_anew_drops_the_fields_before_it() -> None:
    anew = State(Base(T2, HASH), {b"b": Field(T2, True, b"2")}, LATER)
    assert value_of(merge(State(fields={b"a": Field(T1, True, b"1")}), anew)) == {b"b": b"2"}


def test_a_field_that_was_removed_later_is_gone_and_a_hash_without_fields_is_nothing() -> None:
    there = State(fields={b"a": Field(T1, True, b"1")}, deadline=LATER)
    gone = State(fields={b"a": Field(T2, False)}, deadline=LATER)
    assert value_of(merge(there, gone)) is None
    assert not is_live(merge(there, gone), BEGIN)
