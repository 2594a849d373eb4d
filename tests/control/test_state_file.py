from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from steer.control.state_file import LOCK, NAME, NotKept, StateFile
from steer.errors import SteerError

FLUSHED = "import sys; from pathlib import Path; from steer.control.state_file import StateFile;"
FOREVER = f"""
{FLUSHED}
state = StateFile(Path(sys.argv[1]), print)
count = state.load().get("count", 0)
while True:
    count += 1
    state.save({{"count": count, "ballast": "x" * (count * 997 % 60_000)}})
    print(count, flush=True)
"""
DIES_AT_STEP = f"""
import os, signal
{FLUSHED}
state = StateFile(Path(sys.argv[1]), print)
state.save({{"count": 1}})
state.save({{"count": 2}})
steps = 0
def deadly(call):
    def step(*arguments):
        global steps
        if steps == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        steps += 1
        return call(*arguments)
    return step
os.fsync, os.replace = deadly(os.fsync), deadly(os.replace)
state.save({{"count": 3}})
"""


@contextlib.contextmanager
def opened(folder: Path, warnings: list[str] | None = None) -> Iterator[StateFile]:
    state = StateFile(folder, (warnings if warnings is not None else []).append)
    try:
        yield state
    finally:
        state.close()


def test_a_first_start_has_no_state_and_makes_the_folder_for_its_owner_alone(tmp_path: Path) -> None:
    warnings: list[str] = []
    with opened(tmp_path / "state", warnings) as state:
        assert state.load() == {}
    assert warnings == []
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700


def test_what_was_saved_is_there_after_a_new_start(tmp_path: Path) -> None:
    content = {"overrides": [{"owner": "Māia", "expires": None, "since": 1.25}], "number": 2**53}
    with opened(tmp_path) as state:
        state.save({"number": 1})
        state.save(content)
    with opened(tmp_path) as state:
        assert state.load() == content
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600


def test_a_write_that_was_begun_is_finished_by_close(tmp_path: Path) -> None:
    with opened(tmp_path) as state:
        state.save_soon({"number": 1})
    with opened(tmp_path) as state:
        assert state.load() == {"number": 1}


def test_writes_keep_the_order_in_which_they_were_asked_for(tmp_path: Path) -> None:
    with opened(tmp_path) as state:
        state.save_soon({"number": 1, "ballast": "x" * 1_000_000})
        state.save({"number": 2})
        assert state.load() == {"number": 2}


def test_a_second_edge_in_the_same_folder_is_refused_and_told_by_whom(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(SteerError, match=f"in use by another edge, process {os.getpid()}"):
        StateFile(tmp_path, print)
    with opened(tmp_path):
        assert (tmp_path / LOCK).exists()


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SteerError, match="cannot be used: Not a directory"):
        StateFile(tmp_path / "file" / "state", print)


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (b"", "is not whole"),
        (b'{"format": 1, "checksum": "00", "sta', "is not whole"),
        (b"\xff\xfe\x00", "is not whole"),
        (b"[]", "is not whole"),
        (b'{"format": 1, "checksum": "00", "state": {"number": 3}}', "does not have the checksum"),
    ],
)
def test_a_broken_file_is_kept_aside_and_the_previous_generation_used(
    tmp_path: Path, broken: bytes, reason: str
) -> None:
    with opened(tmp_path) as state:
        state.save({"number": 1})
        state.save({"number": 2})
    (tmp_path / NAME).write_bytes(broken)
    warnings: list[str] = []
    with opened(tmp_path, warnings) as state:
        assert state.load() == {"number": 1}
        state.save({"number": 4})
        assert state.load() == {"number": 4}
    assert len(warnings) == 1
    assert reason in warnings[0]
    assert (tmp_path / f"{NAME}.broken").read_bytes() == broken


def test_a_single_flipped_bit_is_noticed(tmp_path: Path) -> None:
    with opened(tmp_path) as state:
        state.save({"weights": {"wellington": 90}})
    content = (tmp_path / NAME).read_bytes()
    (tmp_path / NAME).write_bytes(content.replace(b"90", b"80"))
    warnings: list[str] = []
    with opened(tmp_path, warnings) as state:
        assert state.load() == {}
    assert "checksum" in warnings[0]


def test_with_both_generations_broken_the_edge_starts_without_state_and_says_so(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"{")
    (tmp_path / f"{NAME}.previous").write_bytes(b"{")
    warnings: list[str] = []
    with opened(tmp_path, warnings) as state:
        assert state.load() == {}
    assert len(warnings) == 2
    assert warnings[1].endswith("starting without any state")


def test_a_file_of_a_newer_steer_is_an_error_and_stays(tmp_path: Path) -> None:
    content = json.dumps({"format": 2, "checksum": "", "state": {}})
    (tmp_path / NAME).write_text(content)
    with opened(tmp_path) as state, pytest.raises(SteerError, match="of format 2, this steer knows 1"):
        state.load()
    assert (tmp_path / NAME).read_text() == content


def test_on_a_full_disk_a_save_is_refused_and_the_older_state_stays(tmp_path: Path) -> None:
    with opened(tmp_path) as state:
        state.save({"number": 1})
        (tmp_path / f"{NAME}.new").symlink_to("/dev/full")
        with pytest.raises(NotKept, match="No space left on device"):
            state.save({"number": 2})
        assert state.load() == {"number": 1}
        (tmp_path / f"{NAME}.new").unlink()
        state.save({"number": 3})
        assert state.load() == {"number": 3}


def test_a_write_in_the_background_says_that_it_failed(tmp_path: Path) -> None:
    with opened(tmp_path) as state:
        (tmp_path / f"{NAME}.new").symlink_to("/dev/full")
        assert isinstance(state.save_soon({"number": 1}).exception(), NotKept)
        assert state.load() == {}


@pytest.mark.parametrize("step", range(4))
def test_a_death_before_any_step_of_a_write_leaves_what_was_acknowledged(tmp_path: Path, step: int) -> None:
    child = subprocess.run([sys.executable, "-c", DIES_AT_STEP, tmp_path, str(step)], check=False)
    assert child.returncode == -signal.SIGKILL
    warnings: list[str] = []
    with opened(tmp_path, warnings) as state:
        # Only when both renames are done, before the folder is synced, is it the state that was not acknowledged.
        assert state.load() == {"count": 3 if step == 3 else 2}
    assert warnings == []


def test_killed_at_random_moments_what_was_acknowledged_is_always_there(tmp_path: Path) -> None:
    dice, warnings = random.Random(2), list[str]()
    for _ in range(8):
        acknowledged = run_until_killed(tmp_path, dice)
        with opened(tmp_path, warnings) as state:
            assert state.load()["count"] in (acknowledged, acknowledged + 1)
    assert warnings == []


def run_until_killed(folder: Path, dice: random.Random) -> int:
    """The last count that was acknowledged before the kill."""
    with subprocess.Popen([sys.executable, "-c", FOREVER, folder], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(dice.randint(1, 20))]
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(dice.random() * 0.01)
        child.kill()
        lines += child.stdout.readlines()
    return int(lines[-1])
