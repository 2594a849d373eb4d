from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from steer.sessions.affinity import journal as module
from steer.sessions.affinity.journal import NAME, PAUSE, Journal
from steer.sessions.affinity.learned import Record, digest
from tests.kit.clock import ManualClock


def record(number: int, last: float = 2.5) -> Record:
    return Record(digest("www", b"%d" % number), "www", "wellington", 1.5, last)


class Place:
    """A folder and the journals that were written there one after another."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = ManualClock()
        self.records: dict[bytes, Record] = {}

    def open(self) -> Journal:
        return Journal(self.folder, self.clock)

    def tick(self, journal: Journal) -> None:
        """Each is due for a write, and the last one is done."""
        self.clock.advance(PAUSE)
        if journal._write is not None:
            journal._write.exception()
        journal.tick(self._all, len(self.records))
        if journal._write is not None:
            journal._write.exception()

    def _all(self) -> Iterator[Record]:
        return reversed(list(self.records.values()))

    def loaded(self) -> list[Record]:
        journal = self.open()
        try:
            return list(journal.load())
        finally:
            journal.close()

    @property
    def file(self) -> Path:
        return self.folder / NAME


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_what_was_flushed_is_there_without_a_proper_end(place: Place) -> None:
    journal = place.open()
    journal.put(record(1))
    journal.put(record(2))
    place.tick(journal)
    journal.put(record(1, last=9.5))
    journal.drop(record(2).key)
    journal.put(record(3))
    place.tick(journal)
    assert place.loaded() == [record(1, last=9.5), record(3)]
    journal.close()


def test_a_proper_end_writes_what_waits(place: Place) -> None:
    journal = place.open()
    journal.put(record(1))
    journal.close()
    assert place.loaded() == [record(1)]
    assert place.file.stat().st_mode & 0o777 == 0o600


def test_writes_come_at_most_twice_a_second(place: Place) -> None:
    journal = place.open()
    journal.put(record(1))
    place.tick(journal)
    size = place.file.stat().st_size
    journal.put(record(2))
    journal.tick(place._all, 0)
    assert journal._write is None
    assert place.file.stat().st_size == size
    journal.close()


@pytest.mark.parametrize(
    "torn", [b'["00', b"[1,2,3,4,5]\n", b'["zz"]\n', b"\xff\n", b'["00", "www", "x", "y", 1]\n', b"7\n"]
)
def test_a_line_that_is_torn_or_broken_is_passed_over_and_the_next_is_whole(place: Place, torn: bytes) -> None:
    journal = place.open()
    journal.put(record(1))
    journal.close()
    with place.file.open("ab") as file:
        file.write(torn)
    journal = place.open()
    journal.put(record(2))
    journal.close()
    assert place.loaded() == [record(1), record(2)]


def test_it_is_written_anew_when_most_lines_say_nothing_any_more(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SPARE_LINES", 20)
    place.records = {record(1).key: record(1, last=99.0), record(2).key: record(2)}
    journal = place.open()
    for last in range(100):
        journal.put(record(1, last=float(last)))
    place.tick(journal)
    longest = place.file.stat().st_size
    journal.put(record(1, last=99.0))
    place.tick(journal)
    assert place.file.stat().st_size < longest / 10
    assert place.loaded() == [record(1, last=99.0), record(2)]
    journal.put(record(3))
    place.tick(journal)
    assert record(3) in place.loaded()
    journal.close()


def test_a_disk_that_does_not_take_it_is_said_once_and_all_is_written_when_it_does(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    place.file.mkdir()
    place.records = {record(1).key: record(1)}
    journal = place.open()
    for _ in range(3):
        journal.put(record(1))
        place.tick(journal)
    place.file.rmdir()
    place.tick(journal)
    place.tick(journal)
    assert len(caplog.records) == 1
    assert place.loaded() == [record(1)]
    journal.close()


def test_what_waits_for_a_disk_is_bounded(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 10)
    place.records = {record(5).key: record(5)}
    journal = place.open()
    for number in range(25):
        journal.put(record(number))
        assert len(journal._lines) <= 10
    place.tick(journal)
    assert place.loaded() == [record(5)]
    journal.close()


def test_a_folder_without_one_says_nothing(place: Place) -> None:
    assert place.loaded() == []
