from __future__ import annotations

from collections import Counter
from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steer.steering.rendezvous import draw, ranked

NAMES = ["wellington", "auckland", "hamilton"]
KEYS = [f"192.0.{i // 250}.{i % 250}".encode() for i in range(10_000)]


def first(weights: list[float], key: bytes) -> str:
    return NAMES[ranked(NAMES, weights, key)[0]]


def test_each_takes_its_share_by_weight() -> None:
    counts = Counter(first([50, 30, 20], key) for key in KEYS)
    assert [counts[name] / len(KEYS) for name in NAMES] == pytest.approx([0.5, 0.3, 0.2], abs=0.015)


def test_a_draw_is_a_hash_that_every_process_and_release_has() -> None:
    plain = blake2b(b"wellington\0" + b"192.0.2.1", digest_size=8).digest()
    assert draw("wellington", b"192.0.2.1") == pytest.approx(int.from_bytes(plain, "big") / 2**64)


def test_a_candidate_that_goes_moves_its_own_keys_alone() -> None:
    for key in KEYS[:2000]:
        before = ranked(NAMES, [50, 30, 20], key)
        assert ranked(NAMES, [50, 0, 20], key) == [index for index in before if index != 1]


@given(st.floats(0, 100), st.floats(0, 100))
def test_a_weight_that_changes_moves_what_it_wins_or_loses_and_no_more(before: float, after: float) -> None:
    rest = [40.0, 20.0]
    moved = [(a, b) for key in KEYS[:500] if (a := first([before, *rest], key)) != (b := first([after, *rest], key))]
    assert all("wellington" in pair for pair in moved)
    share = abs(before / (before + 60) - after / (after + 60))
    assert len(moved) / 500 <= share + 0.1  # of 500 keys: five standard deviations


def test_a_candidate_without_weight_takes_nothing() -> None:
    assert ranked(NAMES, [0, 0, 0], b"a") == []
    assert ranked([], [], b"a") == []


@given(st.binary(max_size=40), st.text(max_size=10))
def test_a_draw_can_be_put_into_a_logarithm(key: bytes, name: str) -> None:
    assert 0 < draw(name.encode("utf-8", "replace").decode(), key) <= 1
