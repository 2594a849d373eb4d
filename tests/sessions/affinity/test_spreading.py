from __future__ import annotations

from typing import Any

import msgpack
import pytest

from steer.sessions.affinity import known as known_module
from steer.sessions.affinity import spreading
from steer.sessions.affinity.known import Known
from steer.sessions.affinity.learned import MemoryTable, digest
from steer.sessions.affinity.quota import MOST_WRITES
from steer.sessions.affinity.spreading import LEARNED, Spreading
from steer.steering.model import Affinity
from tests.kit.clock import ManualClock
from tests.sessions.affinity.places import topology
from tests.sessions.affinity.test_learned import Memory

IDLE = 1200.0
HEADER = Affinity("header", "x-conversation-id", idle=IDLE, longest=3 * IDLE)
AFFINITIES = {"www": HEADER}
CLIENT = "192.0.2.1"
A, B = digest("www", b"a"), digest("www", b"b")


class Town:
    """Control and workers, and a channel between them that packs what it carries."""

    def __init__(self, workers: int = 2) -> None:
        self.clock = ManualClock()
        self.log = Memory()
        self.workers = {number: Known(self.clock) for number in range(workers)}
        self.messages = 0
        self.start_control()

    def start_control(self) -> None:
        self.spreading = Spreading(self._tell, lambda: frozenset(self.workers))
        self.spreading.begin(MemoryTable(topology(HEADER), self.clock, self.log, self.spreading))
        for worker in self.workers:
            self.spreading.meet(worker)

    def start_worker(self, number: int) -> None:
        self.workers[number] = Known(self.clock)
        self.spreading.meet(number)

    def _tell(self, worker: int, value: object) -> None:
        kind, records, gone = msgpack.unpackb(msgpack.packb(value))
        assert kind == LEARNED
        self.workers[worker].hear(records, gone, AFFINITIES)

    def tick(self) -> None:
        self.clock.advance(0.1)
        for number, worker in self.workers.items():
            news = worker.take_news()
            if news:
                self.messages += 1
                claims, ended = msgpack.unpackb(msgpack.packb(news))
                self.spreading.take(number, claims, ended)
        self.spreading.tick()

    def learn(self, worker: int, key: bytes, datacentre: str) -> None:
        self.workers[worker].learn(key, "www", datacentre, HEADER, CLIENT)

    def where(self, key: bytes) -> list[str | None]:
        """As each worker knows it. Asking is a request, and keeps it from being idle."""
        entries = [worker.find(key, HEADER) for worker in self.workers.values()]
        return [entry.datacentre if entry is not None else None for entry in entries]

    def where_at(self, worker: int, key: bytes) -> str | None:
        entry = self.workers[worker].find(key, HEADER)
        return entry.datacentre if entry is not None else None


@pytest.fixture
def town() -> Town:
    return Town()


def test_what_one_worker_learns_all_know_a_tick_later(town: Town) -> None:
    town.learn(0, A, "wellington")
    assert town.where(A) == ["wellington", None]
    town.tick()
    assert town.where(A) == ["wellington", "wellington"]


def test_of_two_workers_that_see_it_at_once_one_is_right_for_both(town: Town) -> None:
    town.learn(0, A, "wellington")
    town.learn(1, A, "auckland")
    town.tick()
    town.tick()
    assert town.where(A) == ["wellington", "wellington"]


def test_a_move_is_known_to_all(town: Town) -> None:
    town.learn(0, A, "wellington")
    town.tick()
    entry = town.workers[1].find(A, HEADER)
    assert entry is not None
    town.workers[1].move(entry, "auckland", CLIENT)
    assert town.where(A) == ["wellington", "auckland"]
    town.tick()
    assert town.where(A) == ["auckland", "auckland"]


def test_an_end_is_known_to_all_and_the_key_may_begin_anew_at_once(town: Town) -> None:
    town.learn(0, A, "wellington")
    town.tick()
    town.workers[1].end(A)
    town.clock.advance(0.01)
    town.learn(1, A, "auckland")
    town.tick()
    town.tick()
    assert town.where(A) == ["auckland", "auckland"]
    town.workers[0].end(A)
    town.tick()
    assert town.where(A) == [None, None]


def test_a_touch_that_crosses_an_end_does_not_undo_it(town: Town) -> None:
    town.learn(0, A, "wellington")
    town.tick()
    town.clock.advance(IDLE / 8)
    town.workers[0].end(A)
    assert town.where_at(1, A) == "wellington"
    town.tick()
    town.tick()
    assert town.where(A) == [None, None]


def test_idle_is_exact_for_the_worker_that_serves_it_and_an_eighth_longer_for_the_others(town: Town) -> None:
    town.learn(0, A, "wellington")
    town.learn(0, B, "wellington")
    town.tick()
    town.clock.advance(IDLE - 0.2)
    assert town.where_at(0, A) == "wellington"
    town.clock.advance(IDLE + 1)
    assert town.where_at(0, A) is None
    assert town.where_at(1, B) is None, "nobody has asked for it"


def test_longest_counts_from_the_first_request(town: Town) -> None:
    town.learn(0, A, "wellington")
    for _ in range(6):
        town.clock.advance(IDLE / 2 - 0.2)
        assert town.where(A) == ["wellington", "wellington" if town.messages else None]
        town.tick()
    town.clock.advance(2)
    assert town.where(A) == [None, None]


def test_a_busy_key_costs_eight_messages_in_its_idle_time(town: Town) -> None:
    town.learn(0, A, "wellington")
    town.tick()
    for number in range(1000):
        town.where_at(number % 2, A)
        town.tick()
        town.clock.advance(IDLE / 1000 - 0.1)
    assert 6 <= town.messages - 1 <= 9


def test_a_worker_that_begins_is_told_everything(town: Town) -> None:
    town.learn(0, A, "wellington")
    town.learn(0, B, "auckland")
    town.tick()
    town.start_worker(1)
    assert (town.where_at(1, A), town.where_at(1, B)) == ("wellington", "auckland")


def test_a_full_table_reaches_it_in_parts_and_never_older_than_what_changed_meanwhile(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spreading, "MOST_AT_ONCE", 10)
    keys = [digest("www", b"%d" % number) for number in range(35)]
    for key in keys:
        town.learn(0, key, "wellington")
    for _ in range(5):
        town.tick()
    town.start_worker(1)
    assert sum(town.where_at(1, key) is not None for key in keys) == 10
    entry = town.workers[0].find(keys[0], HEADER)
    assert entry is not None
    town.workers[0].move(entry, "auckland", CLIENT)
    for _ in range(5):
        town.tick()
    assert [town.where_at(1, key) for key in keys] == ["auckland"] + ["wellington"] * 34


def test_another_control_process_knows_what_the_one_before_knew_or_the_workers_know(town: Town) -> None:
    town.learn(0, A, "wellington")
    town.tick()
    town.start_control()
    assert town.where(A) == ["wellington", "wellington"]
    town.log.kept.clear()
    town.start_control()
    town.start_worker(1)
    town.clock.advance(IDLE / 8)
    assert town.where(A) == ["wellington", None]
    town.tick()
    assert town.where(A) == ["wellington", "wellington"]


def test_while_control_is_away_what_waits_is_bounded_and_nothing_is_lost(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.learn(0, A, "wellington")
    entry = town.workers[0].find(A, HEADER)
    assert entry is not None
    town.workers[0].move(entry, "auckland", CLIENT)
    for _ in range(50):
        town.clock.advance(IDLE / 8)
        if town.where_at(0, A) is None:
            town.learn(0, A, "auckland")
    news: list[Any] = town.workers[0].take_news()
    assert len(news[0]) == 1
    monkeypatch.setattr(known_module, "MOST_AT_ONCE", 3)
    for number in range(8):
        town.learn(1, digest("www", b"%d" % number), "wellington")
    assert [len(town.workers[1].take_news()[0]) for _ in range(3)] == [3, 3, 2]
    assert town.workers[1].take_news() == []


def test_a_move_that_waits_with_a_touch_behind_it_is_still_a_move(town: Town) -> None:
    town.learn(0, A, "wellington")
    town.tick()
    entry = town.workers[0].find(A, HEADER)
    assert entry is not None
    town.workers[0].move(entry, "auckland", CLIENT)
    town.clock.advance(IDLE / 4)
    town.where_at(0, A)
    town.tick()
    assert town.where(A) == ["auckland", "auckland"]


def test_one_client_fills_nobody(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(MOST_WRITES + 50):
        town.learn(0, digest("www", b"%d" % number), "wellington")
    town.tick()
    assert len(list(town.spreading.table.records())) == MOST_WRITES
    monkeypatch.setattr(known_module, "MOST_KEYS", MOST_WRITES)
    town.workers[0].learn(A, "www", "wellington", HEADER, "192.0.2.2")
    assert town.where_at(0, A) is None
