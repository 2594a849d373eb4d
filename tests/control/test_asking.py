from __future__ import annotations

import math

import pytest

from steer.control import asking
from steer.control.asked import AskedFacts
from steer.errors import Unacceptable
from steer.steering.hosts import HostEntry
from tests.control.keeping import topology

PLACES = topology()
WEBSITE = PLACES.groups["website"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [("wgl-1", "did you mean wlg-1?"), ("christchurch", "there are: wlg-1, wlg-2, akl-1, akl-2")],
)
def test_an_unknown_name_comes_with_what_would_be_right(name: str, hint: str) -> None:
    with pytest.raises(Unacceptable) as error:
        asking.target(PLACES, name, None, None)
    assert error.value.message == f"no node is called {name!r}"
    assert error.value.hint == hint


def test_a_hint_names_no_more_than_a_person_reads() -> None:
    with pytest.raises(Unacceptable) as error:
        asking.known("node", "?", (f"wlg-{number}" for number in range(500)))
    assert len(error.value.hint) < 200
    assert error.value.hint.endswith("wlg-19, ...")


@pytest.mark.parametrize(
    ("node", "datacentre", "group", "message"),
    [
        (None, None, None, "name either a node or a datacentre"),
        ("wlg-1", "wellington", None, "name either a node or a datacentre"),
        ("wlg-1", None, "website", "a group goes with a datacentre"),
        (None, "weelington", None, "no datacentre is called 'weelington'"),
        (None, "wellington", "web", "no group is called 'web'"),
    ],
)
def test_a_target_is_one_thing_that_there_is(
    node: str | None, datacentre: str | None, group: str | None, message: str
) -> None:
    with pytest.raises(Unacceptable, match=message):
        asking.target(PLACES, node, datacentre, group)


def test_a_target_means_the_groups_that_it_changes() -> None:
    assert asking.groups_of(PLACES, asking.target(PLACES, "wlg-1", None, None)) == ("website", "api")
    assert asking.groups_of(PLACES, asking.target(PLACES, None, "auckland", None)) == ("website", "api")
    assert asking.groups_of(PLACES, asking.target(PLACES, None, "auckland", "api")) == ("api",)
    assert asking.groups_of(PLACES, {"group": "api"}) == ("api",)


@pytest.mark.parametrize("weight", [-1, math.nan, math.inf, 1e10])
def test_a_weight_is_a_number_from_nought_up(weight: float) -> None:
    with pytest.raises(Unacceptable, match=r"^weights.auckland: must be 0 to 1000000000, got"):
        asking.weights(WEBSITE, {"wellington": 1, "auckland": weight}, {})


def test_weights_name_datacentres_of_the_group() -> None:
    with pytest.raises(Unacceptable, match="no datacentre of website is called 'akl'"):
        asking.weights(WEBSITE, {"akl": 1}, {})
    with pytest.raises(Unacceptable, match="no weight is given"):
        asking.weights(WEBSITE, {}, {})


def test_a_change_needs_a_reason() -> None:
    assert asking.reason(" patching ") == "patching"
    with pytest.raises(Unacceptable, match="a reason is needed"):
        asking.reason("  ")


@pytest.mark.parametrize("expires_in", [0.0, -1.0, math.nan, math.inf])
def test_an_expiry_lies_ahead(expires_in: float) -> None:
    assert asking.expiry(1000.0, 60.0) == 1060.0
    assert asking.expiry(1000.0, None) is None
    with pytest.raises(Unacceptable, match="expires_in"):
        asking.expiry(1000.0, expires_in)


@pytest.mark.parametrize(
    ("fields", "found"), [({}, None), ({"cookie": "a=1; who=tüi"}, "tüi"), ({"cookie": "nobody=1"}, None)]
)
def test_who_asks_may_bring_cookies(fields: dict[str, str], found: str | None) -> None:
    assert AskedFacts(HostEntry("www", "website", ()), "web", "192.0.2.1", fields=fields).cookie("who") == found
