"""For which requests a rule is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from steer.steering.conditions import MOST_ADDRESSES, compile_when, numbered
from steer.steering.model import NOWHERE, Area, FieldTest, Place, When

CALIFORNIA = Place("US", "CA", "NA", 64500, (36.7, -119.4))


@dataclass(frozen=True)
class Request:
    client: str = "198.51.100.7"
    path: str = "/"
    place: Place = CALIFORNIA
    fields: Mapping[str, str] = field(default_factory=dict)

    def field(self, name: str) -> str | None:
        return self.fields.get(name)


class Placeless(Request):
    """Fails the test that looks the place up."""

    @property
    def place(self) -> Place:
        raise AssertionError("looked up for nothing")

    def __init__(self, client: str = "198.51.100.7", path: str = "/") -> None:
        object.__setattr__(self, "client", client)
        object.__setattr__(self, "path", path)
        object.__setattr__(self, "fields", {})


def holds(when: When, request: Request) -> bool:
    return compile_when(when).matches(request)


def area(**given: object) -> When:
    return When(area=Area(**given))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("when", "is_met"),
    [
        (area(countries=frozenset({"US"})), True),
        (area(countries=frozenset({"NZ", "US"})), True),
        (area(countries=frozenset({"NZ"})), False),
        (area(countries=frozenset({"US"}), subdivisions=frozenset({"CA", "OR"})), True),
        (area(countries=frozenset({"US"}), subdivisions=frozenset({"TX"})), False),
        (area(countries=frozenset({"NZ"}), subdivisions=frozenset({"CA"})), False),
        (area(continents=frozenset({"NA"})), True),
        (area(continents=frozenset({"OC"})), False),
        (area(asns=frozenset({64500})), True),
        (area(asns=frozenset({64501})), False),
        (When(), True),
    ],
)
def test_several_keys_are_and_lists_are_or(when: When, is_met: bool) -> None:
    assert holds(when, Request()) is is_met


@pytest.mark.parametrize("key", ["countries", "subdivisions", "continents"])
def test_who_is_nowhere_is_in_no_part_of_the_world(key: str) -> None:
    assert not holds(area(**{key: frozenset({"US", "CA", "NA"})}), Request(place=NOWHERE))
    assert not holds(area(asns=frozenset({64500})), Request(place=NOWHERE))


@pytest.mark.parametrize(
    ("client", "is_met"),
    [
        ("10.1.2.3", True),
        ("11.1.2.3", False),
        ("::ffff:10.1.2.3", True),
        ("2001:db8:1::5", True),
        ("2001:db8:2::5", False),
        ("::a01:203", False),
        ("not an address", False),
        ("", False),
    ],
)
def test_networks_are_of_both_kinds_and_a_mapped_address_counts_as_version_4(client: str, is_met: bool) -> None:
    assert holds(area(networks=("10.0.0.0/8", "2001:db8:1::/48")), Request(client=client)) is is_met


def test_the_network_of_all_addresses_of_one_version_has_none_of_the_other() -> None:
    assert holds(area(networks=("0.0.0.0/0",)), Request(client="192.0.2.1"))
    assert not holds(area(networks=("0.0.0.0/0",)), Request(client="2001:db8::1"))


@pytest.mark.parametrize(
    ("paths", "path", "is_met"),
    [
        (("/a",), "/a", True),
        (("/a",), "/a/b", True),
        (("/a",), "/ab", False),
        (("/a/",), "/a", True),
        (("/a",), "/a%2fb", False),
        (("/b", "/a"), "/a/", True),
        (("/",), "/anything", True),
        (("/",), "", True),
        (("/a",), "", False),
        (("/a",), "*", False),
    ],
)
def test_a_path_is_a_prefix_of_whole_segments(paths: tuple[str, ...], path: str, is_met: bool) -> None:
    assert holds(When(paths=paths), Request(path=path)) is is_met


@pytest.mark.parametrize(
    ("test", "value", "is_met"),
    [
        (FieldTest("x-beta", equals="1"), "1", True),
        (FieldTest("x-beta", equals="1"), "10", False),
        (FieldTest("x-beta", equals=""), "", True),
        (FieldTest("x-beta", equals=""), None, False),
        (FieldTest("x-beta", prefix="v2"), "v2.1", True),
        (FieldTest("x-beta", prefix="v2"), "a v2", False),
        (FieldTest("x-beta", regex=r"iP(hone|ad)"), "an iPad", True),
        (FieldTest("x-beta", regex=r"^iP(hone|ad)"), "an iPad", False),
        (FieldTest("x-beta", regex=".*"), None, False),
    ],
)
def test_a_field_is_tested_in_one_of_three_ways_and_must_be_there(
    test: FieldTest, value: str | None, is_met: bool
) -> None:
    fields = {} if value is None else {"x-beta": value}
    assert holds(When(field=test), Request(fields=fields)) is is_met


def test_of_several_regions_one_is_enough_and_everything_else_must_hold_too() -> None:
    west = Area(countries=frozenset({"US"}), subdivisions=frozenset({"CA", "OR"}))
    office = Area(networks=("192.0.2.0/24",))
    when = When(regions=(west, office), paths=("/shop",))
    assert holds(when, Request(path="/shop"))
    assert holds(when, Request(path="/shop", client="192.0.2.9", place=NOWHERE))
    assert not holds(when, Request(path="/shop", place=Place("US", "TX")))
    assert not holds(when, Request(path="/"))


def test_a_place_is_only_needed_for_what_an_address_does_not_say() -> None:
    office = Area(networks=("192.0.2.0/24",))
    assert not compile_when(When(regions=(office,), area=office, paths=("/",))).needs_place
    assert not compile_when(When()).needs_place
    assert compile_when(When(regions=(office, Area(asns=frozenset({1}))))).needs_place
    assert compile_when(area(continents=frozenset({"EU"}))).needs_place


def test_a_place_is_not_looked_up_when_something_cheaper_has_said_no() -> None:
    where = Area(countries=frozenset({"US"}), networks=("192.0.2.0/24",))
    assert not holds(When(area=where), Placeless())
    assert not holds(When(area=Area(countries=frozenset({"US"})), paths=("/shop",)), Placeless())
    assert holds(When(area=Area(networks=("198.51.100.0/24",))), Placeless())


def test_addresses_that_are_kept_as_numbers_are_bounded() -> None:
    for number in range(MOST_ADDRESSES + 10):
        numbered(f"2001:db8::{number:x}")
    assert numbered.cache_info().currsize == MOST_ADDRESSES
