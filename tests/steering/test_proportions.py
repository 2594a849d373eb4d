"""Intervals against the tables of R. G. Newcombe, Statistics in Medicine 17 (1998), and against arithmetic by hand."""

from __future__ import annotations

from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steer.steering.proportions import Z, newcombe, wilson

# Newcombe (1998), 873-890, table II: method 10, 95 %.
PUBLISHED = [
    ((56, 70, 48, 80), (0.0524, 0.3339)),
    ((9, 10, 3, 10), (0.1705, 0.8090)),
    ((6, 7, 2, 7), (0.0582, 0.8062)),
    ((5, 56, 0, 29), (-0.0381, 0.1926)),
    ((0, 10, 0, 20), (-0.1611, 0.2775)),
    ((0, 10, 0, 10), (-0.2775, 0.2775)),
    ((10, 10, 0, 20), (0.6791, 1.0000)),
    ((10, 10, 0, 10), (0.6075, 1.0000)),
]


@pytest.mark.parametrize(("counts", "published"), PUBLISHED)
def test_the_interval_of_a_difference_is_the_published_one(
    counts: tuple[int, int, int, int], published: tuple[float, float]
) -> None:
    assert newcombe(*counts) == pytest.approx(published, abs=0.00005)


@pytest.mark.parametrize(
    ("events", "of", "published"),
    [  # Newcombe, the companion paper on single proportions, 857-872, table I: method 3
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0000, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
    ],
)
def test_the_interval_of_one_share_is_the_published_one(events: int, of: int, published: tuple[float, float]) -> None:
    assert wilson(events, of) == pytest.approx(published, abs=0.00005)


def test_a_third_of_120_against_none_of_240_by_hand() -> None:
    """z^2 = 3.8415. Wilson of 40/120: (83.8415 -+ 1.96 x sqrt(3.8415 + 160 x 2/3)) / 247.683 = 0.2554, 0.4216.
    Wilson of 0/240: 0 to 2 x 3.8415 / (2 x 243.8415) = 0.01575.
    """
    own, others = wilson(40, 120), wilson(0, 240)
    assert own == pytest.approx((0.2554, 0.4216), abs=0.0001)
    assert others == pytest.approx((0.0, 0.01575), abs=0.00001)
    low = 1 / 3 - sqrt((1 / 3 - 0.2554) ** 2 + 0.01575**2)
    high = 1 / 3 + sqrt((0.4216 - 1 / 3) ** 2 + 0.0)
    assert newcombe(40, 120, 0, 240) == pytest.approx((low, high), abs=0.0001)


def test_of_no_trials_a_share_can_be_anything() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


def test_z_is_that_of_95_percent() -> None:
    assert abs(Z**2 - 3.841458820694124) < 1e-12


counts = st.integers(1, 5000).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of)))


@given(counts, counts)
def test_the_difference_lies_in_its_interval_and_the_other_way_round_is_its_mirror(
    own: tuple[int, int], others: tuple[int, int]
) -> None:
    low, high = newcombe(*own, *others)
    difference = own[0] / own[1] - others[0] / others[1]
    assert -1.000001 <= low <= difference + 1e-12
    assert difference - 1e-12 <= high <= 1.000001
    assert newcombe(*others, *own) == pytest.approx((-high, -low))
