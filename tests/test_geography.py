"""From the configuration to look-ups of places, and what is said of databases that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from steer import geography
from steer.config import Config, load
from steer.errors import ConfigError
from steer.steering.model import Place
from tests.kit.places import CALIFORNIA, write_database

RIGHT = """\
version: 1
edge: {name: edge-a}
listeners: [{name: http, bind: "127.0.0.1:8080"}]
geo:
  database: %s
  networks:
    - {cidr: 198.51.100.0/24, country: NZ, subdivision: AUK, continent: OC, asn: 64500, location: [-36.8, 174.8]}
    - {cidr: "2001:db8::/32", country: AU}
datacentres: {one: {id: 1}}
pools: {web: {nodes: {one: [{name: one-1, address: "http://127.0.0.1:8101"}]}}}
groups: {website: {mode: active-active, weights: {one: 1}}}
services: {www: {hostnames: [www.example], group: website, routes: [{path: /, pool: web}]}}
"""


def configured(folder: Path, database: str) -> Config:
    file = folder / "steer.yaml"
    file.write_text(RIGHT % database)
    return load(file, {})


def test_networks_and_databases_become_one_look_up(tmp_path: Path) -> None:
    write_database(tmp_path / "city.mmdb", {"203.0.113.0/24": CALIFORNIA})
    config = configured(tmp_path, "city.mmdb")
    geo = geography.geo(config, geography.read_databases(config))
    assert geo.place("198.51.100.7") == Place("NZ", "AUK", "OC", 64500, (-36.8, 174.8))
    assert geo.place("2001:db8::7") == Place("AU")
    assert geo.place("203.0.113.7").subdivision == "CA"
    assert geography.problems(config) == ()


def test_without_databases_networks_serve_alone(tmp_path: Path) -> None:
    config = configured(tmp_path, "null")
    geo = geography.geo(config, geography.read_databases(config))
    assert geo.place("198.51.100.7").country == "NZ"
    assert geo.place("203.0.113.7").country == ""


def test_each_database_that_cannot_be_read_is_one_line_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "broken.mmdb").write_bytes(b"broken")
    write_database(tmp_path / "city.mmdb", {"203.0.113.0/24": CALIFORNIA})
    config = configured(tmp_path, "[none.mmdb, city.mmdb, broken.mmdb]")
    with pytest.raises(ConfigError) as caught:
        geography.read_databases(config)
    file = tmp_path / "steer.yaml"
    assert str(caught.value).splitlines() == [
        f"{file}:5: geo.database[0]: {tmp_path}/none.mmdb cannot be read: no such file or directory"
        " (see its path and its mode)",
        f"{file}:5: geo.database[2]: {tmp_path}/broken.mmdb is no database in MaxMind's format"
        " (a .mmdb file, whole and unpacked)",
    ]
    assert geography.problems(config) == caught.value.problems
