from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from steer.sessions.affinity import learned as module
from steer.sessions.affinity.learned import (
    NOBODY,
    Claim,
    MemoryTable,
    Record,
    digest,
    id_of,
    is_over,
    learning,
)
from steer.sessions.affinity.quota import MOST_WRITES
from steer.steering.model import Affinity
from tests.kit.clock import ManualClock
from tests.sessions.affinity.places import topology

IDLE, LONGEST = 1200.0, 3600.0
HEADER = Affinity("header", "x-conversation-id", idle=IDLE, longest=LONGEST)


class Memory:
    """A log that keeps lines."""

    def __init__(self) -> None:
        self.kept: dict[bytes, Record] = {}

    def load(self) -> Iterator[Record]:
        return iter(list(self.kept.values()))

    def put(self, record: Record) -> None:
        self.kept[record.key] = record

    def drop(self, key: bytes) -> None:
        self.kept.pop(key, None)

    def tick(self, records: Callable[[], Iterator[Record]], count: int) -> None: ...
    def close(self) -> None: ...


class Place:
    """A table, its log, and what it said: (key, datacentre or "gone", by)."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.log = Memory()
        self.said: list[tuple[bytes, str, int]] = []
        self.start()

    def start(self) -> None:
        self.table = MemoryTable(topology(HEADER), self.clock, self.log, self)

    def on_record(self, record: Record, by: int) -> None:
        self.said.append((record.key, record.datacentre, by))

    def on_gone(self, key: bytes, by: int) -> None:
        self.said.append((key, "gone", by))

    def claim(
        self,
        key: bytes,
        datacentre: str,
        worker: int = 0,
        first: float | None = None,
        moved_from: str = "",
        client: str = "192.0.2.1",
    ) -> None:
        now = self.clock.wall()
        record = Record(key, "www", datacentre, now if first is None else first, now)
        self.table.claim(Claim(record, client, moved_from), worker)

    def where(self, key: bytes) -> str | None:
        record = self.table.get(key)
        return record.datacentre if record is not None else None


A, B = digest("www", b"a"), digest("www", b"b")


@pytest.fixture
def place() -> Place:
    return Place()


def test_the_first_claim_holds_and_who_came_second_is_told(place: Place) -> None:
    place.claim(A, "wellington", worker=1)
    place.clock.advance(0.1)
    place.claim(A, "auckland", worker=2)
    assert place.where(A) == "wellington"
    assert place.said == [(A, "wellington", 1), (A, "wellington", NOBODY)]


def test_of_claims_that_cross_the_one_that_saw_it_first_holds(place: Place) -> None:
    now = place.clock.wall()
    place.claim(A, "auckland", worker=2)
    place.claim(A, "wellington", worker=1, first=now - 0.1)
    assert place.where(A) == "wellington"
    assert place.said == [(A, "auckland", 2), (A, "wellington", 1)]
    place.claim(A, "auckland", worker=2, first=now - 600)
    assert place.where(A) == "wellington"


def test_a_key_moves_from_where_it_is_and_from_nowhere_else(place: Place) -> None:
    place.claim(A, "wellington")
    first = place.clock.wall()
    place.claim(A, "wellington", first=first, moved_from="auckland")
    assert place.where(A) == "wellington"
    place.claim(A, "auckland", first=first, moved_from="wellington")
    assert place.where(A) == "auckland"
    place.claim(A, "auckland", first=first, moved_from="wellington")
    assert place.where(A) == "auckland"


def test_idle_counts_from_the_last_time_and_longest_from_the_first(place: Place) -> None:
    place.claim(A, "wellington")
    first = place.clock.wall()
    for _ in range(2):
        place.clock.advance(IDLE)
        place.claim(A, "wellington", first=first)
        place.table.tick()
        assert place.where(A) == "wellington"
    place.clock.advance(IDLE)
    place.table.tick()
    assert place.where(A) == "wellington"
    place.clock.advance(1)
    place.claim(A, "auckland")
    assert place.where(A) == "auckland", "it was over, and began anew"


def test_one_that_nobody_touched_goes_by_itself(place: Place) -> None:
    place.claim(A, "wellington")
    place.clock.advance(IDLE * 9 / 8 + module.SWEEP_EVERY + 1)
    place.table.tick()
    assert place.where(A) is None
    assert place.said[-1] == (A, "gone", NOBODY)
    assert place.log.kept == {}


def test_who_only_heard_of_it_keeps_it_an_eighth_longer() -> None:
    record = Record(A, "www", "wellington", 0.0, 100.0)
    assert not is_over(record, HEADER, 100 + IDLE * 9 / 8)
    assert is_over(record, HEADER, 100 + IDLE * 9 / 8 + 1)
    assert is_over(record, HEADER, LONGEST + 1)


def test_an_end_holds_against_those_who_had_not_heard_of_it_and_not_against_a_new_beginning(place: Place) -> None:
    place.claim(A, "wellington", worker=1)
    first = place.clock.wall()
    place.clock.advance(1)
    place.table.end(A, place.clock.wall(), 1)
    assert place.said[-1] == (A, "gone", 1)
    place.claim(A, "wellington", worker=2, first=first)
    assert place.where(A) is None
    assert place.said[-1] == (A, "gone", NOBODY)
    place.clock.advance(0.1)
    place.claim(A, "auckland", worker=2)
    assert place.where(A) == "auckland"


def test_a_claim_that_makes_no_sense_is_refused(place: Place) -> None:
    place.claim(A, "christchurch")
    now = place.clock.wall()
    place.table.claim(Claim(Record(B, "nobody", "wellington", now, now), "192.0.2.1"), 0)
    assert list(place.table.records()) == []
    assert [said for _, said, _ in place.said] == ["gone", "gone"]


def test_one_client_adds_a_hundred_a_minute_whatever_the_worker(place: Place) -> None:
    for number in range(MOST_WRITES + 20):
        place.claim(digest("www", b"%d" % number), "wellington", worker=number % 4)
    assert len(list(place.table.records())) == MOST_WRITES
    place.claim(A, "wellington", client="192.0.2.2")
    assert place.where(A) == "wellington"


def test_the_one_that_was_not_seen_for_longest_makes_room(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_KEYS", 3)
    keys = [digest("www", b"%d" % number) for number in range(4)]
    first = place.clock.wall()
    for key in keys[:3]:
        place.claim(key, "wellington")
    place.claim(keys[0], "wellington", first=first)
    place.claim(keys[3], "wellington")
    assert [record.key for record in place.table.records()] == [keys[3], keys[0], keys[2]]
    assert (keys[1], "gone", NOBODY) in place.said


def test_it_is_the_same_after_a_restart(place: Place) -> None:
    place.claim(A, "wellington")
    place.claim(B, "auckland")
    place.table.end(B, place.clock.wall(), 0)
    place.clock.advance(60)
    place.start()
    assert (place.where(A), place.where(B)) == ("wellington", None)
    place.clock.advance(IDLE * 2)
    place.start()
    assert place.where(A) is None


def test_a_reload_keeps_what_its_services_and_datacentres_still_are(place: Place) -> None:
    place.claim(A, "wellington")
    place.table.follow(topology(HEADER))
    assert place.where(A) == "wellington"
    place.table.follow(topology(HEADER, service="other"))
    assert place.where(A) is None


def test_only_services_with_keys_learn() -> None:
    assert learning(topology(HEADER)) == {"www": HEADER}
    assert learning(topology(Affinity("cookie", "steer"))) == {}
    assert learning(topology()) == {}


def test_a_digest_tells_services_apart_and_hides_the_key() -> None:
    assert len(A) == 16
    assert digest("www", b"a") == A != digest("other", b"a")
    assert digest("www", b"x" * 256) != digest("www", b"x" * 255)
    assert -(2**63) <= id_of(A) < 2**63
