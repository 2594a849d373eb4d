from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import TypeAdapter

from steer.steering.model import Area, Bound, FieldTest, Place, Rule, When
from steer.steering.samples import Row, Sample, sample_from_wire, sample_of, sample_to_wire
from tests.steering.towns import AUCKLAND, WELLINGTON, request_for, tables_of, town, with_affinity, with_group

BETA = Rule("beta", When(field=FieldTest("x-beta", equals="1"), paths=("/secret",)), {AUCKLAND: 100})
NEAR = Rule("near", When(area=Area(countries=frozenset({"NZ"}))), nearest=True)
HOME = Place("NZ", location=(-41.3, 174.8))


def test_of_the_path_and_the_fields_only_the_rule_that_they_match_is_kept() -> None:
    tables = tables_of(with_group(town(), rules=(BETA,)))
    request = replace(request_for(tables), path="/secret/7", fields={"x-beta": "1"}, place=HOME)
    assert sample_of(tables, request, 3.0) == Sample("www", "web", "192.0.2.1", 3.0, "beta", True)
    assert sample_of(tables, replace(request, fields={}), 1.0).rule == ""


def test_a_location_is_kept_where_the_nearest_place_decides() -> None:
    tables = tables_of(replace(with_group(town(), rules=(NEAR,)), locations={WELLINGTON: (-41.3, 174.8)}))
    request = replace(request_for(tables), place=HOME)
    assert (sample_of(tables, request, 1.0).rule, sample_of(tables, request, 1.0).location) == ("near", HOME.location)


def test_affinity_is_kept_of_a_service_that_has_it() -> None:
    plain, keeping = tables_of(town()), tables_of(with_affinity(town()))
    bound = Bound(WELLINGTON, "wlg-1")
    assert sample_of(keeping, replace(request_for(keeping), bound=bound, key="talk"), 1.0).bound == bound
    assert sample_of(keeping, replace(request_for(keeping), bound=bound, key="talk"), 1.0).key == "talk"
    assert sample_of(plain, replace(request_for(plain), bound=bound, key="talk"), 1.0).bound is None


@pytest.mark.parametrize(
    "sample",
    [
        Sample("www", "web", "192.0.2.1"),
        Sample("www", "web", "2001:db8::1", 12.5, "near", True, Bound(AUCKLAND), "k\u00e9y", (-41.3, 174.8)),
    ],
)
def test_a_sample_comes_over_as_it_was(sample: Sample) -> None:
    row = TypeAdapter[Row](Row).validate_python(sample_to_wire(sample))
    assert sample_from_wire(row) == sample
