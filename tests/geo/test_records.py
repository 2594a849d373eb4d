"""What is taken out of a record, whatever it is, and how two sources are put together."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steer.geo.records import place_of, put_together
from steer.steering.model import NOWHERE, Place
from tests.kit.places import CALIFORNIA


@pytest.mark.parametrize(
    ("record", "place"),
    [
        (CALIFORNIA, Place("US", "CA", "NA", 0, (36.7, -119.4))),
        ({"country": {"iso_code": "NZ"}}, Place("NZ")),
        ({"registered_country": {"iso_code": "NZ"}}, NOWHERE),
        ({"autonomous_system_number": 64500}, Place(asn=64500)),
        ({"traits": {"autonomous_system_number": 64500}}, Place(asn=64500)),
        ({"country_code": "nz", "continent_code": "OC", "asn": "AS64500"}, Place("NZ", "", "OC", 64500)),
        ({"country": "NZ", "continent": "OC", "asn": "64500"}, Place("NZ", "", "OC", 64500)),
        ({"country": "New Zealand", "continent": "Oceania"}, NOWHERE),
    ],
)
def test_records_of_cities_countries_and_asns_nested_or_flat_are_read(record: object, place: Place) -> None:
    assert place_of(record) == place


@pytest.mark.parametrize(
    "record",
    [
        None,
        "US",
        7,
        ["US"],
        {},
        {"country": {"iso_code": 5}},
        {"country": {"iso_code": ""}},
        {"country": {"iso_code": "U\u0660"}},
        {"country": {"iso_code": "US\n"}},
        {"country": ["US"]},
        {"subdivisions": {"iso_code": "CA"}},
        {"subdivisions": []},
        {"subdivisions": ["CA"]},
        {"subdivisions": [{"iso_code": "CALIF"}]},
        {"location": [1, 2]},
        {"location": {"latitude": 91.0, "longitude": 0.0}},
        {"location": {"latitude": float("nan"), "longitude": 0.0}},
        {"location": {"latitude": 1.0}},
        {"location": {"latitude": True, "longitude": True}},
        {"autonomous_system_number": -1},
        {"autonomous_system_number": True},
        {"autonomous_system_number": 2**32},
        {"asn": "AS"},
        {"asn": "AS" + "9" * 5000},
        {"asn": "AS\u0661"},
    ],
)
def test_what_makes_no_sense_counts_as_left_out(record: object) -> None:
    assert place_of(record) == NOWHERE


KEYS = st.sampled_from(["country", "subdivisions", "continent", "location", "iso_code", "code", "asn", "latitude"])
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.binary(max_size=3)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)),
)


@settings(max_examples=50)
@given(ANYTHING)
def test_no_record_raises_and_what_comes_out_can_be_steered_by(record: object) -> None:
    place = place_of(record)
    assert len(place.country) <= 2
    assert len(place.subdivision) <= 3
    assert 0 <= place.asn < 2**32
    assert place.location is None or all(abs(degrees) <= 180 for degrees in place.location)


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        (Place("US"), Place("US", "CA", "NA", 0, (1, 2)), Place("US", "CA", "NA", 0, (1, 2))),
        (Place("US", "CA"), Place("US", "TX", "NA", 7, (1, 2)), Place("US", "CA", asn=7)),
        (Place("NZ"), Place("US", "CA", "NA", 0, (1, 2)), Place("NZ")),
        (Place(asn=5), Place("US", asn=7), Place("US", asn=5)),
        (NOWHERE, Place("US", "CA"), Place("US", "CA")),
        (Place("US", "CA"), NOWHERE, Place("US", "CA")),
    ],
)
def test_a_later_source_fills_in_what_an_earlier_left_out_unless_it_speaks_of_somewhere_else(
    first: Place, second: Place, both: Place
) -> None:
    assert put_together(first, second) == both
