from __future__ import annotations

from typing import Any

import pytest

from steer.sessions.affinity import shared as module
from steer.sessions.affinity.learned import NOBODY, TOUCHES, Claim, MemoryTable, Record, digest
from steer.sessions.affinity.shared import PATIENCE, SHARED, SHARED_ALL, SharedTable, until_of
from steer.steering.model import Affinity
from tests.kit.clock import ManualClock
from tests.sessions.affinity.places import topology
from tests.sessions.affinity.test_learned import Memory

IDLE, LONGEST = 1200.0, 3600.0
HEADER = Affinity("header", "x-conversation-id", idle=IDLE, longest=LONGEST)
A, B = digest("www", b"a"), digest("www", b"b")


class Place:
    """A table that shares, and what it said to the store and to its listener: (key, datacentre or "gone", by)."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.log = Memory()
        self.start()

    def start(self) -> None:
        self.told: list[Any] = []
        self.said: list[tuple[bytes, str, int]] = []
        table = MemoryTable(topology(HEADER), self.clock, self.log, self)
        self.table = SharedTable(table, self.clock, self.told.append)

    def on_record(self, record: Record, by: int) -> None:
        self.said.append((record.key, record.datacentre, by))

    def on_gone(self, key: bytes, by: int) -> None:
        self.said.append((key, "gone", by))

    def claim(self, key: bytes, datacentre: str, moved_from: str = "") -> None:
        now = self.clock.wall()
        self.table.claim(Claim(Record(key, "www", datacentre, now, now), "192.0.2.1", moved_from), 1)

    def sent(self) -> tuple[int, list[tuple[bytes, str, str]], list[bytes]]:
        """With a tick: number, (key, datacentre, moved from), keys that ended; number 0: nothing."""
        self.told.clear()
        self.table.tick()
        if not self.told:
            return 0, [], []
        ((kind, number, claims, ends),) = self.told
        assert kind == SHARED
        return number, [(row[0], row[2], row[5]) for row in claims], [key for key, _ in ends]

    def hears(self, key: bytes, datacentre: str, number: int = 0) -> None:
        now = self.clock.wall()
        self.table.hear(number, [[key, "www", datacentre, now, now + IDLE]], [])

    def where(self, key: bytes) -> str | None:
        record = self.table.get(key)
        return record.datacentre if record is not None else None


@pytest.fixture
def place() -> Place:
    return Place()


def test_a_claim_is_written_once_and_again_only_while_nobody_says_that_it_was(place: Place) -> None:
    place.claim(A, "wellington")
    assert place.sent() == (1, [(A, "wellington", "")], [])
    assert place.sent() == (0, [], [])
    place.clock.advance(PATIENCE)
    assert place.sent() == (2, [(A, "wellington", "")], [])
    place.table.hear(1, [], [])
    place.clock.advance(PATIENCE)
    assert place.sent() == (3, [(A, "wellington", "")], [])
    place.table.hear(3, [], [])
    place.clock.advance(PATIENCE)
    assert place.sent() == (0, [], [])


def test_of_a_key_that_moves_while_it_waits_the_store_hears_where_it_was_first(place: Place) -> None:
    place.hears(A, "wellington")
    place.claim(A, "auckland", moved_from="wellington")
    place.claim(A, "auckland")
    assert place.sent()[1] == [(A, "auckland", "wellington")]
    place.clock.advance(PATIENCE)
    assert place.sent()[1] == [(A, "auckland", "wellington")]


def test_what_the_store_says_holds_unless_the_edge_has_something_to_write_of_it(place: Place) -> None:
    place.claim(A, "wellington")
    place.hears(A, "auckland")
    number, *_ = place.sent()
    place.hears(A, "auckland")
    assert place.where(A) == "wellington"
    place.hears(A, "auckland", number)
    assert place.where(A) == "auckland"
    assert place.said[-1] == (A, "auckland", NOBODY)


def test_what_the_edge_said_itself_is_no_news_when_it_comes_back(place: Place) -> None:
    place.claim(A, "wellington")
    number, *_ = place.sent()
    place.said.clear()
    record = place.table.get(A)
    assert record is not None
    place.table.hear(number, [[A, "www", "wellington", record.first, until_of(record, HEADER) + 0.3]], [])
    assert place.said == []


def test_a_key_that_another_edge_saw_later_is_idle_later(place: Place) -> None:
    place.claim(A, "wellington")
    number, *_ = place.sent()
    record = place.table.get(A)
    assert record is not None
    place.table.hear(number, [[A, "www", "wellington", record.first, until_of(record, HEADER) + 60]], [])
    assert place.table.get(A) == Record(A, "www", "wellington", record.first, record.last + 60)


def test_only_the_end_of_what_was_known_is_written(place: Place) -> None:
    place.table.end(B, place.clock.wall(), 1)
    assert place.sent() == (0, [], [])
    place.hears(A, "wellington")
    place.table.end(A, place.clock.wall(), 1)
    assert place.sent() == (1, [], [A])
    place.hears(A, "wellington")
    assert place.where(A) is None


def test_an_end_elsewhere_ends_it_here_but_not_what_began_afterwards(place: Place) -> None:
    place.hears(A, "wellington")
    place.clock.advance(5)
    place.hears(B, "wellington")
    ended = place.clock.wall() - 1
    place.table.hear(0, [], [[A, ended], [B, ended]])
    assert (place.where(A), place.where(B)) == (None, "wellington")


def test_what_was_known_before_a_restart_is_written_anew(place: Place) -> None:
    place.claim(A, "wellington")
    place.start()
    assert place.sent()[1] == [(A, "wellington", "")]


def test_each_new_store_process_is_asked_for_everything_once(place: Place) -> None:
    for pid in (7, 7, 8):
        place.table.meet(pid)
    assert place.told == [[SHARED_ALL], [SHARED_ALL]]


def test_what_waits_for_a_store_that_is_away_has_a_limit(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_KEYS", 2)
    keys = [digest("www", b"%d" % number) for number in range(3)]
    for key in keys:
        place.claim(key, "wellington")
    assert [key for key, *_ in place.sent()[1]] == keys[1:]


def test_a_record_lives_in_the_store_until_it_is_idle_or_too_old() -> None:
    assert until_of(Record(A, "www", "wellington", 1000.0, 2000.0), HEADER) == 2000 + IDLE * (1 + 1 / TOUCHES)
    assert until_of(Record(A, "www", "wellington", 1000.0, 4500.0), HEADER) == 1000 + LONGEST
