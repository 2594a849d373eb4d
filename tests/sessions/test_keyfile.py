from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from steer.errors import SteerError
from steer.sessions.keyfile import WatchedRing, ensure_ring, read_ring, rotate_file
from steer.sessions.keyring import KNOWN_AFTER, Ring
from tests.sessions.affinity.places import WALL

KEY = "A" * 43
ENTRY = f'{{id: 00c0ffee, state: active, made: "2030-01-01T00:00:00+00:00", key: {KEY}}}'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "affinity.yaml"


def test_it_is_made_at_first_for_its_owner_alone_and_stays_what_it_is(file: Path) -> None:
    ring = ensure_ring(file, WALL)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert ensure_ring(file, WALL + 1) == read_ring(file) == ring
    assert ring.active.made == WALL


def test_processes_that_make_it_at_once_have_the_same_keys(file: Path) -> None:
    rings: list[Ring] = []
    threads = [threading.Thread(target=lambda: rings.append(ensure_ring(file, WALL))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rings == [rings[0]] * 8


def test_a_rotation_is_in_the_file_when_it_returns(file: Path) -> None:
    first = ensure_ring(file, WALL)
    before, added = rotate_file(file, WALL + 100, 1800.0)
    assert (before, read_ring(file)) == (first, added)
    _, done = rotate_file(file, WALL + 100 + KNOWN_AFTER, 1800.0)
    assert read_ring(file) == done
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("keys: [", "cannot be read"),
        ("[]", "is no ring of keys"),
        ("keys: []", "is no ring of keys"),
        (f"keys: [{', '.join([ENTRY] * 9)}]", "is no ring of keys"),
        (f"keys: [{ENTRY}, {ENTRY.replace('00c0ffee', '00c0ffef')}]", "must have one active key"),
        (f"keys: [{ENTRY.replace('active', 'next')}]", "must have one active key"),
        (f"keys: [{ENTRY}, {ENTRY.replace('active', 'old')}]", "two keys have the same id"),
        ("keys: [{id: 00c0ffee}]", r"keys\[0\]: must have id, state, made, key"),
        (f"keys: [{ENTRY.replace('00c0ffee', 'c0ffee')}]", r"keys\[0\].id: must be 8 hexadecimal digits"),
        (f"keys: [{ENTRY.replace('active', 'open')}]", r"keys\[0\].state: must be one of next, active, old"),
        (f"keys: [{ENTRY.replace(KEY, KEY[1:])}]", r"keys\[0\].key: must be 32 bytes"),
        (f"keys: [{ENTRY.replace('2030-01-01T00:00:00+00:00', 'soon')}]", r"keys\[0\].made: must be a time"),
    ],
)
def test_what_is_wrong_with_it_is_said_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "keys.yaml"
    file.write_text(text)
    with pytest.raises(SteerError, match=said) as raised:
        ensure_ring(file, WALL)
    assert str(file) in str(raised.value)
    assert KEY[1:] not in str(raised.value)


def test_a_folder_that_cannot_be_written_is_an_error_with_the_key_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    with pytest.raises(SteerError, match=r"affinity_keys\.file"):
        ensure_ring(tmp_path / "plain" / "keys.yaml", WALL)


def test_a_changed_file_is_followed_when_it_has_rested_for_one_look(file: Path) -> None:
    ensure_ring(file, WALL)
    watched = WatchedRing(file)
    assert not watched.look()
    _, after = rotate_file(file, WALL + 100, 1800.0)
    assert not watched.look()
    assert watched.look()
    assert (watched.ring, watched.alarm) == (after, "")
    assert not watched.look()


def test_who_rotates_knows_at_once(file: Path) -> None:
    ensure_ring(file, WALL)
    watched = WatchedRing(file)
    _, after = watched.rotate(WALL + 100, 1800.0)
    assert watched.ring == after == read_ring(file)
    assert not watched.look()


@pytest.mark.parametrize("what", ["broken", "gone"])
def test_the_keys_stay_while_the_file_is_wrong_and_it_is_an_alarm(file: Path, what: str) -> None:
    ring = ensure_ring(file, WALL)
    text = file.read_text()
    watched = WatchedRing(file)
    if what == "broken":
        file.write_text("keys: 1")
    else:
        file.unlink()
    assert not watched.look()
    assert not watched.look()
    assert watched.ring == ring
    assert "the keys stay as they were" in watched.alarm
    file.write_text(text)
    watched.look()
    watched.look()
    assert (watched.ring, watched.alarm) == (ring, "")
