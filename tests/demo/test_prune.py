from __future__ import annotations

from typing import Any

import pytest

from steer.demo.prune import without

TREE: dict[str, Any] = {
    "groups": {"web": {"mode": "x", "rules": [{"when": 1}, {"when": 2}, {"when": 3}]}, "web-2": {"mode": "y"}},
    "services": {"www": {"pinned_hostnames": {"dr.cwp.example": "one", "dr.cwp": "two"}}},
}


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("groups.web.mode", ["groups", "web", "mode"]),
        ("groups.web-2", ["groups", "web-2"]),
        ("services.www.pinned_hostnames.dr.cwp.example", ["services", "www", "pinned_hostnames", "dr.cwp.example"]),
        ("services.www.pinned_hostnames.dr.cwp", ["services", "www", "pinned_hostnames", "dr.cwp"]),
        ("services", ["services"]),
    ],
)
def test_a_path_takes_out_what_it_names_and_nothing_else(path: str, keys: list[str]) -> None:
    left = without(TREE, [path])
    removed, whole = left, TREE
    for key in keys[:-1]:
        removed, whole = removed[key], whole[key]
    assert removed == {key: value for key, value in whole.items() if key != keys[-1]}


@pytest.mark.parametrize("form", ["groups.web.rules[{}]", "groups.web.rules.{}"])
def test_places_of_a_list_mean_the_list_as_it_was(form: str) -> None:
    left = without(TREE, [form.format(0), form.format(1)])
    assert left["groups"]["web"]["rules"] == [{"when": 3}]


def test_a_part_of_an_entry_can_go() -> None:
    assert without(TREE, ["groups.web.rules[1].when"])["groups"]["web"]["rules"] == [{"when": 1}, {}, {"when": 3}]


@pytest.mark.parametrize(
    "path", ["groups.other", "groups.web.rules[7]", "groups.web.mode.deeper", "group", "groups.we"]
)
def test_a_path_that_leads_nowhere_changes_nothing(path: str) -> None:
    assert without(TREE, [path]) == TREE


def test_the_tree_itself_stays_as_it_was() -> None:
    without(TREE, ["groups"])
    assert "groups" in TREE
