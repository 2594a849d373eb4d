"""What operators hear of the databases of places."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

from steer.control.databases import DatabaseWatch
from steer.control.events import Events, Level
from steer.geo.databases import Databases
from tests.kit.clock import ManualClock
from tests.kit.places import CALIFORNIA, TEXAS, write_database


class Heard:
    """A watch over one file, and the events since it was asked last."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.events = Events(ManualClock(), stream=StringIO())
        self.databases = Databases()
        self.databases.catch_up([file]).take_effect()
        self.watch = DatabaseWatch(self.databases, self.events)
        self._last = 0
        self._mono = 0.0

    async def news(self) -> list[tuple[str, Level, str]]:
        for _ in range(4):
            self._mono += 1
            if self.databases.is_due(self._mono):
                await self.databases.refresh(self._mono)
            self.watch.tell()
        found = self.events.since(self._last)
        self._last += len(found)
        return [(event.kind, event.level, event.reason) for event in found]


async def test_an_alarm_is_told_once_and_its_end_too(tmp_path: Path) -> None:
    file = tmp_path / "city.mmdb"
    write_database(file, {"198.51.100.0/24": CALIFORNIA})
    heard = Heard(file)
    assert await heard.news() == []
    file.write_bytes(b"broken")
    ((kind, level, reason),) = await heard.news()
    assert (kind, level) == ("database_refused", Level.ERROR)
    assert reason.endswith("; what was read before stays in use")
    assert await heard.news() == []
    assert heard.watch.views()[0].alarm == reason
    write_database(file, {"198.51.100.0/24": TEXAS})
    ((kind, level, reason),) = await heard.news()
    assert (kind, level) == ("database_read", Level.INFO)
    assert reason.startswith("Test-City, built 20")
    assert heard.watch.views()[0].alarm == ""


async def test_a_process_that_starts_without_a_file_says_so_at_once(tmp_path: Path) -> None:
    file = tmp_path / "city.mmdb"
    heard = Heard(file)
    assert [kind for kind, _, _ in await heard.news()] == ["database_refused"]
    assert (heard.watch.views()[0].built, heard.watch.views()[0].kind) == (None, "")
    write_database(file, {"198.51.100.0/24": TEXAS})
    assert [kind for kind, _, _ in await heard.news()] == ["database_read"]


async def test_a_file_that_another_configuration_brings_is_no_news(tmp_path: Path) -> None:
    file, other = tmp_path / "city.mmdb", tmp_path / "asn.mmdb"
    write_database(file, {"198.51.100.0/24": CALIFORNIA})
    write_database(other, {"198.51.100.0/24": {"autonomous_system_number": 64500}}, kind="Test-ASN")
    heard = Heard(file)
    heard.databases.prepare([file, other]).take_effect()
    assert await heard.news() == []
    assert [view.kind for view in heard.watch.views()] == ["Test-City", "Test-ASN"]
