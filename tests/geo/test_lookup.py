"""Where an address is, by networks and databases together; and that little is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from steer.geo.databases import Databases
from steer.geo.lookup import MOST_KEPT, Geo
from steer.geo.networks import Networks
from steer.steering.model import NOWHERE, Place
from tests.kit.places import CALIFORNIA, WELLINGTON, Records, write_database


def geo(folder: Path, *databases: Records, networks: tuple[tuple[str, Place], ...] = ()) -> Geo:
    files = [folder / f"{number}.mmdb" for number in range(len(databases))]
    for file, records in zip(files, databases, strict=True):
        write_database(file, records)
    found = Databases()
    found.prepare(files).take_effect()
    return Geo(Networks(networks), found)


def test_networks_come_before_databases(tmp_path: Path) -> None:
    found = geo(tmp_path, {"198.51.0.0/16": CALIFORNIA}, networks=(("198.51.100.0/24", Place("NZ", "AUK")),))
    assert found.place("198.51.100.7") == Place("NZ", "AUK")
    assert found.place("198.51.101.7").subdivision == "CA"


def test_networks_serve_where_there_is_no_database(tmp_path: Path) -> None:
    found = geo(tmp_path, networks=(("198.51.100.0/24", Place("US", "CA")),))
    assert found.place("198.51.100.7") == Place("US", "CA")
    assert found.place("::ffff:198.51.100.7") == Place("US", "CA")
    assert found.place("203.0.113.9") == NOWHERE


def test_several_databases_are_put_together(tmp_path: Path) -> None:
    country, asn = {"country": {"iso_code": "US"}}, {"autonomous_system_number": 64500}
    found = geo(tmp_path, {"198.51.100.0/24": country}, {"198.51.100.0/24": CALIFORNIA}, {"198.51.100.0/25": asn})
    assert found.place("198.51.100.7") == Place("US", "CA", "NA", 64500, (36.7, -119.4))
    assert found.place("198.51.100.200").asn == 0


@pytest.mark.parametrize("text", ["", "unix:", "300.1.1.1", "198.51.100.7:80", "2001:db8::1%eth0%", "x" * 100_000])
def test_what_is_no_address_is_nowhere(tmp_path: Path, text: str) -> None:
    assert geo(tmp_path, {"0.0.0.0/0": CALIFORNIA, "2001:db8::/32": WELLINGTON}).place(text) == NOWHERE


def test_addresses_of_both_versions_and_mapped_ones_are_found(tmp_path: Path) -> None:
    found = geo(tmp_path, {"198.51.100.0/24": CALIFORNIA, "2001:db8::/32": WELLINGTON})
    assert found.place("::ffff:198.51.100.7").country == "US"
    assert found.place("2001:DB8:0::1").country == "NZ"


def test_the_places_of_the_last_addresses_are_kept_and_of_no_more(tmp_path: Path) -> None:
    found = geo(tmp_path, {"10.0.0.0/8": CALIFORNIA})
    kept = found.place("10.0.0.1")
    assert found.place("10.0.0.1") is kept
    for number in range(MOST_KEPT + 100):
        found.place(f"10.1.{number >> 8}.{number & 255}")
    assert found.kept == MOST_KEPT
    assert found.place("10.0.0.1") is not kept
