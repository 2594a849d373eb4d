from __future__ import annotations

import pytest

from steer.steering.hosts import HostEntry, is_in, prepare_hosts
from steer.steering.model import Route
from tests.steering.towns import AUCKLAND, town

BOTS = HostEntry("assistant", "ecosystem", (Route("/", "web"), Route("/bots", "bots"), Route("/bots/new/", "new")))


@pytest.mark.parametrize(
    ("path", "pool"),
    [
        ("/", "web"),
        ("/bots", "bots"),
        ("/bots/", "bots"),
        ("/bots/a", "bots"),
        ("/bots/new", "new"),
        ("/bots/new/1", "new"),
        ("/bots/newer", "bots"),
        ("/botswana", "web"),
        ("/bots%2fnew", "web"),
        ("/Bots", "web"),
        ("*", "web"),
    ],
)
def test_the_longest_route_of_whole_segments_wins(path: str, pool: str) -> None:
    assert BOTS.pool_for(path) == pool


def test_a_path_that_no_route_covers_has_no_pool() -> None:
    entry = HostEntry("apis", "ecosystem", (Route("/apis", "apis"),))
    assert entry.pool_for("/apis/1") == "apis"
    assert entry.pool_for("/") is None
    assert entry.pool_for("*") is None


def test_the_only_route_takes_every_path() -> None:
    assert HostEntry("www", "website", (Route("/", "web"),)).pool_for("/anything") == "web"


def test_hostnames_are_found_in_lower_case_and_pinned_ones_know_their_datacentre() -> None:
    hosts = prepare_hosts(town())
    assert set(hosts) == {"www.agency.example", "stack.example", "stack-dr.example"}
    pinned = hosts["stack-dr.example"].pinned
    assert pinned is not None
    assert pinned.datacentre == AUCKLAND
    assert repr(hosts["stack-dr.example"]) == "<HostEntry www of website pinned to auckland>"
    assert repr(hosts["www.agency.example"]) == "<HostEntry www of website>"


@pytest.mark.parametrize(
    ("client", "inside"),
    [
        ("192.0.2.7", True),
        ("192.0.3.7", False),
        ("::ffff:192.0.2.7", True),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("", False),
        ("unix", False),
    ],
)
def test_a_client_is_in_a_network_by_its_address(client: str, inside: bool) -> None:
    pinned = prepare_hosts(town(allow=("192.0.2.0/24", "2001:db8::/32")))["stack.example"].pinned
    assert pinned is not None
    assert is_in(client, pinned.allow) is inside
    assert pinned.allows(client) is inside


def test_a_pinned_hostname_without_networks_is_for_everybody() -> None:
    pinned = prepare_hosts(town())["stack.example"].pinned
    assert pinned is not None
    assert pinned.allows("203.0.113.9")
