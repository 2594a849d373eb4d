"""Nothing is left of a demonstration, however it ends: with real processes."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from steer.demo.leash import Leash
from tests.kit.processes import is_alive
from tests.kit.waiting import wait_until

PROGRAM = """
import signal, sys, time
from pathlib import Path
from steer.demo.leash import Leash
leash = Leash(Path(sys.argv[1]))
children = [leash.start(["sleep", "60"], sys.stdout.buffer, signal.SIGKILL) for _ in range(2)]
children[1].send_signal(signal.SIGSTOP)
print(*(child.pid for child in children), flush=True)
time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "scene").mkdir()
    (tmp_path / "scene" / "secret").write_text("x")
    return tmp_path / "scene"


def test_when_the_demonstration_is_killed_its_processes_die_even_stopped_ones_and_the_folder_goes(folder: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM, str(folder)], stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        pids = [int(pid) for pid in program.stdout.readline().split()]
        assert len(pids) == 2
        assert all(is_alive(pid) for pid in pids)
        assert folder.exists()
        program.kill()
        wait_until(lambda: not any(is_alive(pid) for pid in pids), "its children are gone")
        wait_until(lambda: not folder.exists(), "its folder is gone")


def test_the_folder_stays_until_the_last_child_has_ended(folder: Path, tmp_path: Path) -> None:
    leash = Leash(folder)
    last_act = f"sleep 0.2; cp {folder}/secret {tmp_path}/kept"
    child = leash.start(["sh", "-c", last_act], sys.stdout.buffer, signal.SIGKILL)
    leash._pipe.close()
    assert child.wait() == 0
    assert (tmp_path / "kept").exists()
    wait_until(lambda: not folder.exists(), "its folder is gone")
    leash.release()


def test_release_removes_the_folder_and_leaves_no_process(folder: Path) -> None:
    leash = Leash(folder)
    leash.release()
    assert not folder.exists()
    assert leash._sweeper.returncode == 0


def test_children_do_not_see_the_steer_settings_of_the_environment(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEER_EDGE", "another")
    leash = Leash(folder)
    with (tmp_path / "out").open("wb") as output:
        assert leash.start(["env"], output, signal.SIGKILL).wait() == 0
    leash.release()
    said = (tmp_path / "out").read_text()
    assert "PATH=" in said
    assert "STEER_" not in said
