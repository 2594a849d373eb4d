from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steer.control.overrides import MOST, Book, Kind, Override, export, from_export, id_at, number_of
from steer.errors import Unacceptable

NOW = 1_700_000_000.0


def override(
    id: str = "a", kind: Kind = "drain", target: Mapping[str, str] | None = None, expires: float | None = None
) -> Override:
    return Override(id, kind, target or {"node": "wlg-1"}, {}, "Māia", "new kernel", NOW, expires)


def book(*overrides: Override) -> Book:
    result = Book()
    for each in overrides:
        result = result.add(each)
    return result


@given(st.integers(0, 2**45 - 1), st.integers(0, 2**45 - 1))
def test_ids_are_short_and_sort_by_time(one: int, other: int) -> None:
    assert len(id_at(one)) == 9
    assert number_of(id_at(one)) == one
    assert (id_at(one) < id_at(other)) == (one < other)


def test_ids_rise_within_one_millisecond_and_when_the_wall_clock_is_set_back() -> None:
    first = Book().next_id(NOW)
    second = book(override(first)).next_id(NOW)
    third = book(override(first), override(second)).next_id(NOW - 3600)
    assert first < second < third


def test_an_id_is_not_given_again_after_its_override_was_lifted() -> None:
    first = override(Book().next_id(NOW))
    assert book(first).without([first]).next_id(NOW - 1) > first.id


def test_a_later_override_replaces_an_earlier_one_of_the_same_kind_and_target() -> None:
    others = (override("b", "eject"), override("c", target={"node": "wlg-2"}))
    assert book(override("a"), *others, override("d")).overrides == (*others, override("d"))


def test_those_of_a_target_are_found_by_any_of_its_names() -> None:
    one = override("a", target={"datacentre": "wellington", "group": "website"})
    all_groups = override("b", target={"datacentre": "wellington"})
    node = override("c")
    full = book(one, all_groups, node)
    assert full.of("drain", datacentre="wellington") == (one, all_groups)
    assert full.of("drain", datacentre="wellington", group="website") == (one,)
    assert full.of("eject", node="wlg-1") == ()
    assert full.find("c") == node
    assert full.find("z") is None


def test_an_override_expires_at_its_second_and_one_without_end_never() -> None:
    short, endless = override("a", expires=NOW + 10), override("b", "eject")
    full = book(short, endless)
    assert full.expired(NOW + 9.9) == ()
    assert full.expired(NOW + 10) == (short,)
    assert full.without(full.expired(NOW + 1e9)).overrides == (endless,)


def test_a_full_book_refuses_another_and_still_takes_a_replacement() -> None:
    full = book(*(override(id_at(n), target={"node": f"wlg-{n}"}) for n in range(MOST)))
    with pytest.raises(Unacceptable, match="1000 overrides are in force already"):
        full.add(override("y", target={"node": "akl-1"}))
    assert full.add(override("z", target={"node": "wlg-5"})).find("z")


def test_a_book_survives_the_way_through_json() -> None:
    weights = Override("b", "weights", {"group": "website"}, {"wellington": 0.9}, "ops", "test", NOW, NOW + 7200.5)
    full = book(override("a"), weights)
    assert from_export(json.loads(json.dumps(export(full)))) == full
    assert from_export({}) == Book()
