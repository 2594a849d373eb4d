"""Great-circle distances, and which datacentre is the nearest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steer.steering.distance import distance_km, nearest
from steer.steering.model import Location

WELLINGTON, AUCKLAND = (-41.2865, 174.7762), (-36.8485, 174.7633)
SAN_FRANCISCO, EAST, WEST = (37.77, -122.42), (37.37, -79.82), (47.23, -119.85)
PLACES = st.tuples(st.floats(-90, 90), st.floats(-180, 180))


@pytest.mark.parametrize(
    ("one", "other", "km"),
    [
        (WELLINGTON, AUCKLAND, 493.5),
        ((51.5074, -0.1278), (40.7128, -74.0060), 5570.2),  # London, New York
        ((0.0, 0.0), (0.0, 180.0), 20015.1),
        ((90.0, 0.0), (-90.0, 77.0), 20015.1),
        ((0.0, 179.5), (0.0, -179.5), 111.2),  # over the date line
        ((10.0, 20.0), (10.0, 20.0), 0.0),
    ],
)
def test_distances_are_those_of_the_world(one: Location, other: Location, km: float) -> None:
    assert distance_km(one, other) == pytest.approx(km, abs=1)


@given(PLACES, PLACES)
def test_a_distance_is_the_same_both_ways_and_at_most_half_way_round(one: Location, other: Location) -> None:
    assert distance_km(one, other) == pytest.approx(distance_km(other, one), abs=1e-6)
    assert 0 <= distance_km(one, other) <= 20016


def test_the_nearest_comes_first() -> None:
    locations = {"east": EAST, "west": WEST, "wellington": WELLINGTON}
    assert nearest(SAN_FRANCISCO, locations, {}) == ("west", "east", "wellington")


def test_a_bias_brings_a_datacentre_nearer_or_sends_it_away() -> None:
    locations = {"east": EAST, "west": WEST}
    assert nearest(SAN_FRANCISCO, locations, {"east": 50}) == ("west", "east")
    assert nearest(SAN_FRANCISCO, locations, {"east": 80}) == ("east", "west")
    assert nearest(SAN_FRANCISCO, locations, {"east": 50, "west": -99}) == ("east", "west")


def test_of_two_that_are_as_near_the_first_of_the_order_wins() -> None:
    assert nearest((0, 0), {"b": (0, 10), "a": (0, -10)}, {}) == ("b", "a")
