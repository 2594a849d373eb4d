"""Stamps and the clock that gives them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from steer.store.stamp import NEVER, clock_of, is_stamp, parts_of, score_of, stamp_of, tick, witness

MS = st.integers(min_value=0, max_value=2_199_000_000_000)
COUNTER = st.integers(min_value=0, max_value=4095)
SITE = st.integers(min_value=1, max_value=999)
TRIPLES = st.tuples(MS, COUNTER, SITE)


@given(TRIPLES, TRIPLES)
def test_stamps_sort_as_text_like_their_numbers(one: tuple[int, int, int], two: tuple[int, int, int]) -> None:
    assert (stamp_of(*one) < stamp_of(*two)) == (one < two)


@given(TRIPLES)
def test_a_stamp_is_taken_apart_into_what_it_was_made_of(triple: tuple[int, int, int]) -> None:
    assert is_stamp(stamp_of(*triple))
    assert parts_of(stamp_of(*triple)) == triple


@given(MS, COUNTER, st.lists(st.one_of(MS, TRIPLES), max_size=50))
def test_a_clock_only_goes_forward_whatever_time_and_stamps_it_sees(
    ms: int, counter: int, seen: list[int | tuple[int, int, int]]
) -> None:
    clock = clock_of(ms, counter)
    for each in seen:
        if isinstance(each, int):
            later = tick(clock, each)
            assert later > clock
            assert parts_of(later).ms >= each
        else:
            later = witness(clock, stamp_of(*each))
            assert later >= clock
            assert tick(later, 0) > stamp_of(*each)[:17]
        clock = later
    assert parts_of(clock).counter < 4096


def test_a_counter_that_is_full_borrows_a_millisecond() -> None:
    assert tick(clock_of(1000, 4095), 7) == clock_of(1001, 0)


@given(TRIPLES, TRIPLES)
def test_a_score_is_exact_as_a_double_and_sorts_like_the_stamp(
    one: tuple[int, int, int], two: tuple[int, int, int]
) -> None:
    assert int(float(score_of(stamp_of(*one)))) == score_of(stamp_of(*one))
    if one[:2] != two[:2]:
        assert (score_of(stamp_of(*one)) < score_of(stamp_of(*two))) == (one < two)


def test_what_is_not_20_digits_of_a_possible_site_is_no_stamp() -> None:
    for text in (
        NEVER,
        "1" * 19,
        "1" * 21,
        "x" * 20,
        "\N{ARABIC-INDIC DIGIT ZERO}" * 20,
        stamp_of(1, 1, 0),
        "1" * 13 + "4096" + "001",
    ):
        assert not is_stamp(text), text
