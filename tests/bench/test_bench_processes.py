"""What was started is ended, with its children, whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.meter import process_tree, processes
from bench.processes import CannotStart, Ended, accepts, free_ports, run_to_end, running, started, uninterrupted

CPU = min(os.sched_getaffinity(0))
SERVE = """
import signal, socket, subprocess, sys
signal.signal(signal.SIGTERM, {on_term})
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
while True: listener.accept()
"""


def server(on_term: str = "signal.SIG_DFL") -> list[str]:
    return [sys.executable, "-c", SERVE.format(on_term=on_term)]


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """As in a program of its own, whatever tests before this have left."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_program_runs_on_its_cpu_and_ends_with_the_block_and_its_child_too(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with running("server", [*server(), str(port)], CPU, tmp_path, [port]) as program:
        assert accepts(port)
        assert os.sched_getaffinity(program.pid) == {CPU}
        family = process_tree(program.pid)
        assert len(family) == 2
    assert not accepts(port)
    assert not processes().keys() & set(family)


def test_a_child_of_a_program_that_died_is_ended_too(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with running("server", [*server(), str(port)], CPU, tmp_path, [port]) as program:
        _, child = process_tree(program.pid)
        os.kill(program.pid, signal.SIGKILL)
        program.process.wait()
        assert child in processes()
    assert child not in processes()


def test_a_program_that_does_not_heed_sigterm_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.processes.END_S", 0.1)
    (port,) = free_ports(1)
    with running("server", [*server("signal.SIG_IGN"), str(port)], CPU, tmp_path, [port]) as program:
        family = process_tree(program.pid)
    assert program.process.returncode == -signal.SIGKILL
    assert not processes().keys() & set(family)


def test_a_program_that_ends_at_once_is_told_with_its_last_words(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "import sys; sys.exit('no such listener')"]
    starting = running("server", argv, CPU, tmp_path, free_ports(1))
    with pytest.raises(CannotStart, match="server ended with 1:\nno such listener"), starting:
        pytest.fail("the block was entered")


def test_a_program_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    ended = run_to_end([sys.executable, "-c", "import signal; signal.pause()"], CPU, tmp_path, timeout_s=0.1)
    assert ended.status is None
    assert "did not end within 0.1 s" in ended.last_line


def test_the_reason_of_a_failure_is_the_last_line() -> None:
    assert Ended(1, "", "Traceback\n  File\nLoadFailed: answered 502\n").last_line == "LoadFailed: answered 502"
    assert Ended(1, "unable to connect\n", "").last_line == "unable to connect"
    assert Ended(3, "", "").last_line == "ended with 3 without a word"


def test_a_signal_in_the_middle_of_a_start_comes_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    children: list[int] = []
    start = subprocess.Popen

    def start_and_interrupt(*args: object, **options: object) -> subprocess.Popen[str]:
        process: subprocess.Popen[str] = start(*args, **options)  # type: ignore[call-overload]
        children.append(process.pid)
        signal.raise_signal(signal.SIGINT)
        return process

    monkeypatch.setattr(subprocess, "Popen", start_and_interrupt)
    with pytest.raises(KeyboardInterrupt), started([*server(), "0"], CPU, tmp_path):
        pytest.fail("the block was entered")
    assert len(children) == 1
    assert children[0] not in processes()


def test_a_signal_that_was_put_off_is_not_lost() -> None:
    steps: list[str] = []

    def interrupted_work() -> None:
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
            steps.append("after the signal")
        steps.append("after the block")

    with pytest.raises(KeyboardInterrupt):
        interrupted_work()
    assert steps == ["after the signal"]


def test_free_ports_differ_and_are_free() -> None:
    ports = free_ports(5)
    assert len(set(ports)) == 5
    assert not any(accepts(port) for port in ports)
