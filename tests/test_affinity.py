"""Affinity as the two kinds of process have it: workers with their binders and copies, control with the table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from steer.affinity import ControlAffinity, LearnedKeys, WorkerAffinity
from steer.errors import Unacceptable
from steer.proxy.binding_cookie import CookieBinder
from steer.proxy.binding_key import KeyBinder
from steer.sessions.affinity.learned import Claim, Record, digest
from steer.sessions.keyfile import WatchedRing, ensure_ring, rotate_file
from steer.sessions.keyring import KNOWN_AFTER
from steer.steering.model import Affinity, Bound
from tests.kit.clock import ManualClock
from tests.sessions.affinity.places import topology

COOKIE = Affinity("cookie", "steer")
HEADER = Affinity("header", "x-conversation-id")
CLIENT = "192.0.2.1"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def file(tmp_path: Path, clock: ManualClock) -> Path:
    file = tmp_path / "keys.yaml"
    ensure_ring(file, clock.wall())
    return file


def test_each_service_gets_the_binder_of_its_kind_and_one_without_affinity_none(clock: ManualClock, file: Path) -> None:
    worker = WorkerAffinity(clock, WatchedRing(file))
    assert isinstance(worker.binders(topology(COOKIE))["www"], CookieBinder)
    assert isinstance(worker.binders(topology(HEADER))["www"], KeyBinder)
    assert worker.binders(topology()) == {}
    assert isinstance(WorkerAffinity(clock, None).binders(topology(HEADER))["www"], KeyBinder)


def test_cookies_of_before_open_after_a_rotation_and_a_reload(clock: ManualClock, file: Path) -> None:
    worker = WorkerAffinity(clock, WatchedRing(file))
    value = cookie_of(worker)
    rotate_file(file, clock.wall() + 60, 1800.0)
    rotate_file(file, clock.wall() + 60 + KNOWN_AFTER, 1800.0)
    worker.watch()
    assert worker.watch() == ""
    assert opens(worker, value)
    assert cookie_of(worker)[:5] != value[:5]
    worker.follow(WatchedRing(file))
    assert opens(worker, value)


def test_what_is_wrong_with_the_file_is_told_while_it_is(clock: ManualClock, file: Path) -> None:
    worker = WorkerAffinity(clock, WatchedRing(file))
    value = cookie_of(worker)
    file.write_text("keys: 1")
    worker.watch()
    assert "stay as they were" in worker.watch()
    assert opens(worker, value)


def test_a_rotation_in_control_reaches_a_worker_by_the_file(tmp_path: Path, clock: ManualClock, file: Path) -> None:
    control = control_of(tmp_path, clock, WatchedRing(file), COOKIE)
    clock.advance(3600)
    control.rotate()
    clock.advance(KNOWN_AFTER)
    _, after = control.rotate()
    assert control.ring() == after
    assert after.keys[0].until == int(clock.wall() + 2 * COOKIE.idle)
    worker = WorkerAffinity(clock, WatchedRing(file))
    assert cookie_of(worker)
    control.close()


def test_without_cookies_there_is_nothing_to_rotate_or_to_watch(tmp_path: Path, clock: ManualClock) -> None:
    control = control_of(tmp_path, clock, None, HEADER)
    assert (control.ring(), control.file, control.watch()) == (None, None, "")
    with pytest.raises(Unacceptable, match="no service has cookies"):
        control.rotate()
    control.close()


def test_a_learned_key_goes_from_a_worker_through_control_to_another_and_outlives_both(
    tmp_path: Path, clock: ManualClock
) -> None:
    workers = [WorkerAffinity(clock, None) for _ in range(2)]
    keys = [LearnedKeys(worker.known, "www", HEADER) for worker in workers]
    for worker in workers:
        worker.binders(topology(HEADER))
    control = control_of(tmp_path, clock, None, HEADER, workers)
    keys[0].learn(b"conversation-1", "auckland", CLIENT)
    control.learned.take(0, *workers[0].take_news())
    control.tick()
    entry = keys[1].find(b"conversation-1")
    assert entry is not None
    assert entry.datacentre == "auckland"
    own = keys[0].find(b"conversation-1")
    assert own is not None
    assert keys[0].id_of(own) == keys[1].id_of(entry)
    control.close()

    workers[1] = WorkerAffinity(clock, None)
    workers[1].binders(topology(HEADER))
    again = control_of(tmp_path, clock, None, HEADER, workers)
    again.learned.meet(1)
    found = LearnedKeys(workers[1].known, "www", HEADER).find(b"conversation-1")
    assert found is not None
    again.close()


def test_control_knows_where_a_cookie_says_that_its_client_is(tmp_path: Path, clock: ManualClock, file: Path) -> None:
    places = topology(COOKIE)
    control = control_of(tmp_path, clock, WatchedRing(file), COOKIE)
    good = cookie_of(WorkerAffinity(clock, WatchedRing(file))).decode()

    def asked(field: str) -> Bound | None:
        return control.bound(places.services["www"], places, "/", {"cookie": field})[0]

    assert asked(f"theme=dark; __Host-steer={good}") == Bound("wellington", "wlg-web-1")
    assert asked(f"steer={good}") is None
    # Not its last character: two of that one's bits say nothing.
    assert asked(f"__Host-steer={'B' if good[0] == 'A' else 'A'}{good[1:]}") is None
    assert control.bound(places.services["www"], places, "/", {}) == (None, "")
    assert control.bound(topology().services["www"], topology(), "/", {"cookie": f"__Host-steer={good}"}) == (None, "")
    control.close()


@pytest.mark.parametrize(
    ("affinity", "target", "fields"),
    [
        (HEADER, "/", {"x-conversation-id": "talk 1"}),
        (Affinity("query", "talk"), "/chat?a=1&talk=talk%201", {}),
    ],
)
def test_control_knows_where_a_learned_key_is(
    tmp_path: Path, clock: ManualClock, affinity: Affinity, target: str, fields: dict[str, str]
) -> None:
    places, now = topology(affinity), clock.wall()
    control = control_of(tmp_path, clock, None, affinity)
    assert control.bound(places.services["www"], places, target, fields) == (None, "talk 1")
    record = Record(digest("www", b"talk 1"), "www", "auckland", now, now)
    control.learned.table.claim(Claim(record, CLIENT), 0)
    assert control.bound(places.services["www"], places, target, fields) == (Bound("auckland"), "talk 1")
    assert control.bound(places.services["www"], places, "/", {}) == (None, "")
    clock.advance(affinity.idle * 2)
    assert control.bound(places.services["www"], places, target, fields) == (None, "talk 1")
    control.close()


def control_of(
    folder: Path,
    clock: ManualClock,
    keys: WatchedRing | None,
    affinity: Affinity,
    workers: list[WorkerAffinity] | None = None,
) -> ControlAffinity:
    def tell(worker: int, value: Any) -> None:
        assert workers is not None
        workers[worker].hear(value[1], value[2])

    numbers = frozenset(range(len(workers or ())))
    return ControlAffinity(topology(affinity), clock, folder, keys, tell, lambda: numbers)


def cookie_of(worker: WorkerAffinity) -> bytes:
    binder = worker.binders(topology(COOKIE))["www"]
    assert isinstance(binder, CookieBinder)
    return bytes(binder.jar.issue("wellington", "wlg-web-1", None, True)).partition(b"=")[2].partition(b";")[0]


def opens(worker: WorkerAffinity, value: bytes) -> bool:
    binder = worker.binders(topology(COOKIE))["www"]
    assert isinstance(binder, CookieBinder)
    return binder.jar.open(value, True) is not None
