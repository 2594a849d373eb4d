"""Databases of places in MaxMind's format, written for a test: network -> record."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmdb_writer import MMDBWriter
from netaddr import IPSet

Records = Mapping[str, Any]


def city(country: str, subdivision: str, continent: str, north: float, east: float) -> dict[str, Any]:
    """A record as databases of cities have it."""
    return {
        "country": {"iso_code": country, "names": {"en": "somewhere"}},
        "subdivisions": [{"iso_code": subdivision}, {"iso_code": "XYZ"}],
        "continent": {"code": continent},
        "location": {"latitude": north, "longitude": east, "accuracy_radius": 20},
    }


CALIFORNIA = city("US", "CA", "NA", 36.7, -119.4)
TEXAS = city("US", "TX", "NA", 31.5, -99.3)
WELLINGTON = city("NZ", "WGN", "OC", -41.3, 174.8)


def write_database(file: Path, records: Records, version: int = 6, kind: str = "Test-City") -> None:
    """In one step, as careful tools do."""
    beside = file.with_suffix(".new")
    beside.write_bytes(database(beside, records, version, kind))
    beside.replace(file)


def database(scratch: Path, records: Records, version: int = 6, kind: str = "Test-City") -> bytes:
    """The content of such a file."""
    writer = MMDBWriter(version, kind, languages=["en"], description="test", ipv4_compatible=version == 6)
    for network, record in records.items():
        writer.insert_network(IPSet([network]), record)
    writer.to_db_file(str(scratch))
    return scratch.read_bytes()
