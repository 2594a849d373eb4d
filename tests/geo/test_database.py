"""Reading one file: the kinds that there are, and the ways in which one can be broken."""

from __future__ import annotations

import os
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steer.geo.database import LARGEST, Database, Unreadable
from steer.steering.model import NOWHERE, Place
from tests.kit.places import CALIFORNIA, WELLINGTON, database, write_database


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "city.mmdb"


def place(found: Database, address: str) -> Place:
    return found.place(ip_address(address))


def test_a_database_of_both_versions_places_both(file: Path) -> None:
    write_database(file, {"198.51.100.0/24": CALIFORNIA, "2001:db8:1::/48": WELLINGTON})
    found = Database(file)
    assert place(found, "198.51.100.7") == Place("US", "CA", "NA", 0, (36.7, -119.4))
    assert place(found, "2001:db8:1::7") == Place("NZ", "WGN", "OC", 0, (-41.3, 174.8))
    assert place(found, "203.0.113.9") == NOWHERE
    assert place(found, "2001:db8:2::7") == NOWHERE
    assert found.kind == "Test-City"
    assert found.built > 1e9


def test_a_database_of_version_4_alone_knows_no_address_of_version_6(file: Path) -> None:
    write_database(file, {"198.51.100.0/24": {"country": {"iso_code": "US"}}}, version=4, kind="Test-Country")
    found = Database(file)
    assert place(found, "198.51.100.7") == Place("US")
    assert place(found, "2001:db8::1") == NOWHERE


def test_a_database_of_asns_knows_nothing_else(file: Path) -> None:
    write_database(file, {"198.51.100.0/24": {"autonomous_system_number": 64500}}, kind="Test-ASN")
    assert place(Database(file), "198.51.100.7") == Place(asn=64500)


def test_what_was_read_stays_whatever_becomes_of_the_file(file: Path) -> None:
    write_database(file, {"198.51.100.0/24": CALIFORNIA})
    found = Database(file)
    os.truncate(file, 0)
    assert place(found, "198.51.100.7").subdivision == "CA"
    file.unlink()
    assert place(found, "198.51.100.7").subdivision == "CA"


def refused(file: Path) -> Unreadable:
    with pytest.raises(Unreadable) as caught:
        Database(file)
    return caught.value


def test_a_file_that_is_not_there_may_come(file: Path) -> None:
    error = refused(file)
    assert str(error) == f"{file} cannot be read: no such file or directory (see its path and its mode)"
    assert error.may_pass


@pytest.mark.parametrize("content", [b"", b"x" * 5000, b"\xab\xcd\xefMaxMind.com"])
def test_a_file_of_something_else_is_refused_in_one_line(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    error = refused(file)
    assert str(error) == f"{file} is no database in MaxMind's format (a .mmdb file, whole and unpacked)"
    assert not error.may_pass


def test_a_time_that_makes_no_sense_is_passed_over(file: Path) -> None:
    content = database(file, {"198.51.100.0/24": CALIFORNIA})
    at = content.index(b"build_epoch") + len("build_epoch")
    assert content[at : at + 2] == b"\x04\x02"  # MaxMind DB: four bytes of an unsigned number of up to eight
    file.write_bytes(content[:at] + b"\x08\x02" + b"\xff" * 8 + content[at + 6 :])
    found = Database(file)
    assert found.built == 0
    assert place(found, "198.51.100.7").country == "US"


def test_half_of_a_file_is_refused(file: Path) -> None:
    content = database(file, {f"10.{n}.0.0/16": CALIFORNIA for n in range(100)})
    for size in range(0, len(content), len(content) // 20):
        file.write_bytes(content[:size])
        assert isinstance(refused(file), Unreadable)


def test_a_folder_a_pipe_and_a_file_that_is_too_large_are_refused(tmp_path: Path) -> None:
    pipe, large = tmp_path / "pipe", tmp_path / "large"
    os.mkfifo(pipe)
    with large.open("wb") as file:
        file.truncate(LARGEST + 1)
    assert "is a directory" in str(refused(tmp_path))
    assert "is no file" in str(refused(pipe))
    assert "is larger than 1024 MiB" in str(refused(large))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_bytes_that_are_wrong_refuse_the_file_or_leave_an_address_without_place(
    file: Path, data: st.DataObject
) -> None:
    records = {"1.1.1.0/24": CALIFORNIA, "198.51.100.0/24": CALIFORNIA, "2001:db8::/32": WELLINGTON}
    content = bytearray(database(file, records))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    file.write_bytes(content)
    try:
        found = Database(file)
    except Unreadable:
        return
    for address in ("1.1.1.1", "198.51.100.7", "2001:db8::1", "203.0.113.9"):
        assert isinstance(place(found, address), Place)
