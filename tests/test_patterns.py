"""Regular expressions in bounded time: what they find, what they refuse, and how long they take."""

from __future__ import annotations

import re
from time import perf_counter

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from steer.patterns import LONGEST_VALUE, MOST_KNOWN, Pattern

LETTERS = st.sampled_from(
    ["a", "b", ".", "[ab]", "[^a]", "[]a]", r"\d", r"\w", r"\.", "é", r"\x61", "-", "{", "a{,x}", r"\061"]
)
ANCHORS = st.sampled_from(["^", "$", r"\b", r"\B", r"\A", r"\Z"])
REPEATS = st.sampled_from(["*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}", "{0,1}?", "{1,}", "{,2}", "{0}"])


def larger(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(parts, parts).map("".join),
        st.tuples(parts, parts).map(lambda two: f"({two[0]}|{two[1]})"),
        st.tuples(parts, REPEATS).map(lambda two: f"(?:{two[0]}){two[1]}"),
        st.tuples(LETTERS.filter(lambda text: len(text) == 1 and text != "{"), REPEATS).map("".join),
    )


PATTERNS = st.recursive(st.one_of(LETTERS, ANCHORS, st.just("")), larger, max_leaves=8)
VALUES = st.text(alphabet="ab1.-{é _,x", max_size=8)


@given(st.sampled_from(["", "(?i)"]), PATTERNS, VALUES)
def test_it_finds_what_pythons_own_finds(flags: str, pattern: str, value: str) -> None:
    assume(value or r"\B" not in pattern)  # Python before 3.14 finds no \B in an empty text, for no good reason
    try:
        pythons = re.compile(flags + pattern)
    except re.error:
        with pytest.raises(ValueError, match="no regular expression"):
            Pattern(flags + pattern)
    else:
        assert Pattern(flags + pattern).is_in(value) is bool(pythons.search(value))


@pytest.mark.parametrize(
    ("pattern", "found", "not_found"),
    [
        ("Mozilla.*(iPhone|iPad).*Safari", "Mozilla/5.0 (iPad; x) Version/17 Safari/60", "Mozilla/5.0 Safari (iPad)"),
        (r"(?i)^de(-de)?\b", "DE-de,en;q=0.5", "den"),
        (r"^v(?P<major>[2-9]|\d{2,})\.", "v10.1", "v1.0"),
        ("", "", "\0 never"),
        ("a|", "b", "\0 never"),
    ],
)
def test_patterns_as_operators_write_them(pattern: str, found: str, not_found: str) -> None:
    assert Pattern(pattern).is_in(found)
    assert not_found.endswith("never") or not Pattern(pattern).is_in(not_found)


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        (r"(a)\1", "refer back"),
        ("(?=a)b", "no other (?"),
        ("(?<!a)b", "no other (?"),
        ("(?s:a)", "no other (?"),
        ("a++", "possessive"),
        ("(a{16}){17}", "256 steps"),
        ("a{1000}", "256 steps"),
        ("(" * 20 + "a" + ")" * 20 + "{300}", "256 steps"),
        ("(" * 250 + "a" + ")" * 250, "too many groups"),
        ("(", "no regular expression"),
        ("a" * 513, "512 letters, has 513"),
    ],
)
def test_what_cannot_be_searched_in_bounded_time_is_refused_with_the_reason(pattern: str, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        Pattern(pattern)


def test_an_empty_group_may_be_repeated_for_ever() -> None:
    assert Pattern("(?:){4000000}").is_in("x")
    assert Pattern("((a*)*)*$").is_in("aab")


@pytest.mark.parametrize("pattern", ["(a+)+$", "^(a|a)*$", "(a|aa)+$", "(.*)*b", "a*a*a*a*a*a*c", "(x+x+)+y"])
def test_a_pattern_that_keeps_python_busy_for_ages_takes_no_time_here(pattern: str) -> None:
    value = "a" * 200 + "x" * 200 + "!"
    began = perf_counter()
    assert not Pattern(pattern).is_in(value)
    assert perf_counter() - began < 1  # Python's own needs longer than the age of the world for the first


def test_a_client_that_does_its_worst_fills_no_memory() -> None:
    pattern = Pattern("(a|b)*a(a|b){10}c")
    for number in range(3 * MOST_KNOWN):
        pattern.is_in(f"{number:b}".replace("0", "a").replace("1", "b"))
    assert len(pattern._known) <= MOST_KNOWN
    assert len(pattern._values) <= MOST_KNOWN


def test_of_a_long_value_the_first_part_is_looked_at_and_its_end_is_not_reached() -> None:
    value = "a" * LONGEST_VALUE + "b"
    assert Pattern("a").is_in(value)
    assert not Pattern("b").is_in(value)
    assert not Pattern("a$").is_in(value)
    assert Pattern("a$").is_in(value[:-1])
    assert not Pattern(r"a\b").is_in(value)
