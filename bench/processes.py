"""Starting a program on one CPU, waiting until it serves, and ending it with all its children."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bench.meter import process_tree, processes

PIPE = subprocess.PIPE
Stream = int | IO[bytes]

START_S = 20.0
"""A proxy that does not serve by then never will."""
END_S = 5.0
"""Time to end by itself after SIGTERM; then SIGKILL, so that no port stays taken."""


class CannotStart(Exception):
    """A program ended, or did not serve in time. The message ends with what it said."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What a program said, and its exit status (None: it was ended by us)."""

    status: int | None
    output: str
    errors: str

    @property
    def last_line(self) -> str:
        """The last thing it said: the reason, where it failed."""
        lines = (self.errors.strip() or self.output.strip()).splitlines()
        return lines[-1] if lines else f"ended with {self.status} without a word"


@dataclass(frozen=True, slots=True)
class Running:
    """A program that runs. `output` is the file with its standard output, `errors` the one with its standard error."""

    name: str
    process: subprocess.Popen[str]
    output: Path
    errors: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def last_words(self) -> str:
        """The end of what it wrote, standard error first."""
        said = [path.read_text(errors="replace").strip()[-1500:] for path in (self.errors, self.output)]
        return "\n".join(text for text in said if text)


@contextlib.contextmanager
def started(
    argv: Sequence[str], cpu: int, folder: Path, stdout: Stream = PIPE, stderr: Stream = PIPE, stdin: Stream = PIPE
) -> Iterator[subprocess.Popen[str]]:
    """A program and its children on one CPU, until the block is left: then all of them have ended."""
    # taskset execs, so the process id is the program's. A session of its own: Ctrl-C is for us, and we end what we
    # started in order; and its members can be found when the program itself is gone.
    command = ["taskset", "-c", str(cpu), *argv]
    process = None
    try:
        with uninterrupted():
            process = subprocess.Popen(
                command, cwd=folder, stdin=stdin, stdout=stdout, stderr=stderr, text=True, start_new_session=True
            )
        yield process
    finally:
        if process is not None:
            end(process)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Puts SIGINT and SIGTERM off to the end of the block. In the middle of a fork, they would lose us the child."""
    came: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda received, _: came.append(received)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for each in came:
            signal.raise_signal(each)


def run_to_end(argv: Sequence[str], cpu: int, folder: Path, timeout_s: float) -> Ended:
    """What a program said. One that takes longer is ended, with None as its status."""
    with started(argv, cpu, folder) as process:
        try:
            output, errors = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            return Ended(None, "", f"{argv[0]} did not end within {timeout_s:g} s")
        return Ended(process.returncode, output, errors)


@contextlib.contextmanager
def running(name: str, argv: Sequence[str], cpu: int, folder: Path, ports: Sequence[int]) -> Iterator[Running]:
    """The program, from when all `ports` accept until the block is left: then it and its children have ended."""
    output, errors = folder / "stdout", folder / "stderr"
    with (
        # Appending: so the files can be emptied while it runs.
        output.open("ab") as out,
        errors.open("ab") as err,
        started(argv, cpu, folder, out, err, subprocess.DEVNULL) as process,
    ):
        program = Running(name, process, output, errors)
        _wait_until_accepting(program, ports)
        yield program


def _wait_until_accepting(program: Running, ports: Sequence[int]) -> None:
    deadline = time.monotonic() + START_S
    waiting = list(ports)
    while waiting:
        if program.process.poll() is not None:
            raise CannotStart(f"{program.name} ended with {program.process.returncode}:\n{program.last_words()}")
        if time.monotonic() > deadline:
            raise CannotStart(f"{program.name} does not accept on {waiting}:\n{program.last_words()}")
        waiting = [port for port in waiting if not accepts(port)]
        if waiting:
            time.sleep(0.02)


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def end(process: subprocess.Popen[str]) -> None:
    """SIGTERM to the program, SIGKILL to what is left of its session and its tree after `END_S`."""
    family = processes()
    tree = process_tree(process.pid, family) if process.poll() is None else ()
    born = {pid: family[pid].born for pid in tree if pid in family}
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(END_S)
    _kill_rest(process.pid, born)
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


def _kill_rest(session: int, born: Mapping[int, int]) -> None:
    """SIGKILL to all of that session and of that tree, until none of them lives."""
    deadline = time.monotonic() + END_S
    while time.monotonic() < deadline:
        # An id may be somebody else's by now: the session, or the time of birth, tells whose it is.
        rest = [pid for pid, each in processes().items() if each.session == session or born.get(pid) == each.born]
        if not rest:
            return
        for pid in rest:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)


def free_ports(count: int) -> list[int]:
    """TCP ports of 127.0.0.1 that nobody has now."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
