"""Files that change while they are in use: swapped, broken, gone, mended; and what a reload makes of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from steer.geo.database import Unreadable
from steer.geo.databases import LOOK_EVERY, SETTLE, Databases
from steer.geo.lookup import Geo
from steer.geo.networks import Networks
from tests.kit.places import CALIFORNIA, TEXAS, database, write_database

CLIENT = "198.51.100.7"


class Watching:
    """Databases of one file, and the time as the test moves it."""

    def __init__(self, file: Path) -> None:
        self.file = file
        write_database(file, {"198.51.100.0/24": CALIFORNIA})
        self.databases = Databases()
        self.databases.prepare([file]).take_effect()
        self.geo = Geo(Networks([]), self.databases)
        self.mono = 100.0
        assert self.subdivision == "CA"

    @property
    def subdivision(self) -> str:
        return self.geo.place(CLIENT).subdivision

    @property
    def alarm(self) -> str:
        return self.databases.files[0].alarm

    async def tick(self, seconds: float) -> None:
        self.mono += seconds
        if self.databases.is_due(self.mono):
            await self.databases.refresh(self.mono)

    async def settle(self) -> None:
        """As long as it takes to see a change and to see that it rests."""
        await self.tick(LOOK_EVERY)
        await self.tick(SETTLE)


@pytest.fixture
def watching(tmp_path: Path) -> Watching:
    return Watching(tmp_path / "city.mmdb")


async def test_a_file_that_is_replaced_is_in_use_soon_after(watching: Watching) -> None:
    write_database(watching.file, {"198.51.100.0/24": TEXAS})
    assert watching.subdivision == "CA"
    await watching.settle()
    assert watching.subdivision == "TX"
    assert watching.alarm == ""


async def test_a_file_is_looked_at_once_a_second_and_read_when_it_rests(watching: Watching) -> None:
    await watching.tick(0)
    write_database(watching.file, {"198.51.100.0/24": TEXAS})
    await watching.tick(LOOK_EVERY / 2)
    await watching.tick(LOOK_EVERY / 4)
    assert watching.subdivision == "CA"
    await watching.tick(LOOK_EVERY / 4)
    os.utime(watching.file, (1, 1))  # it is still being written
    await watching.tick(SETTLE)
    assert watching.subdivision == "CA"
    await watching.tick(SETTLE)
    assert watching.subdivision == "TX"


async def test_a_broken_file_is_an_alarm_and_the_old_one_stays_until_it_is_mended(watching: Watching) -> None:
    half = database(watching.file.with_suffix(".half"), {"198.51.100.0/24": TEXAS})[:-100]
    watching.file.write_bytes(half)
    await watching.settle()
    assert watching.subdivision == "CA"
    assert watching.alarm == (
        f"{watching.file} is no database in MaxMind's format (a .mmdb file, whole and unpacked);"
        " what was read before stays in use"
    )
    before = watching.databases.changes
    await watching.settle()
    assert watching.databases.changes == before
    write_database(watching.file, {"198.51.100.0/24": TEXAS})
    await watching.settle()
    assert (watching.subdivision, watching.alarm) == ("TX", "")


async def test_a_file_that_went_away_is_an_alarm_until_it_is_back(watching: Watching) -> None:
    kept = watching.file.with_suffix(".kept")
    watching.file.rename(kept)
    await watching.settle()
    assert watching.subdivision == "CA"
    assert "no such file" in watching.alarm
    kept.rename(watching.file)
    await watching.settle()
    await watching.settle()
    assert (watching.subdivision, watching.alarm) == ("CA", "")


async def test_a_file_that_was_truncated_in_place_while_in_use_does_no_harm(watching: Watching) -> None:
    os.truncate(watching.file, 0)
    assert Geo(Networks([]), watching.databases).place(CLIENT).subdivision == "CA"


def test_a_reload_reads_what_is_new_and_forgets_what_is_gone(watching: Watching) -> None:
    other = watching.file.with_name("other.mmdb")
    write_database(other, {"198.51.100.0/24": TEXAS})
    following = watching.databases.prepare([other])
    assert watching.subdivision == "CA"
    following.take_effect()
    assert watching.subdivision == "TX"
    assert [file.path for file in watching.databases.files] == [other]


async def test_a_reload_with_a_file_that_broke_meanwhile_keeps_what_was_read(watching: Watching) -> None:
    watching.file.write_bytes(b"broken")
    watching.databases.prepare([watching.file]).take_effect()
    assert watching.subdivision == "CA"


def test_a_reload_that_names_another_file_which_is_broken_is_refused(watching: Watching) -> None:
    with pytest.raises(Unreadable, match=r"other\.mmdb cannot be read"):
        watching.databases.prepare([watching.file, watching.file.with_name("other.mmdb")])
    assert watching.subdivision == "CA"


async def test_a_process_that_starts_while_a_file_is_broken_serves_without_it_until_it_is_right(tmp_path: Path) -> None:
    file = tmp_path / "city.mmdb"
    databases = Databases()
    databases.catch_up([file]).take_effect()
    geo = Geo(Networks([]), databases)
    assert geo.place(CLIENT).country == ""
    assert databases.files[0].alarm.endswith("none is in use")
    write_database(file, {"198.51.100.0/24": CALIFORNIA})
    assert databases.is_due(10) is False
    assert databases.is_due(11)
    await databases.refresh(11)
    assert geo.place(CLIENT).country == "US"
    assert databases.files[0].alarm == ""


def test_nothing_to_watch_is_never_due() -> None:
    assert not Databases()
    assert not Databases().is_due(100.0)
