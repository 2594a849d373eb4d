"""Start the echo edge in a process of its own, talk to it, and leave nothing of it behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypedDict

from tests.kit.waiting import wait_until
from tests.runtime.echo_edge import Settings

PATIENCE = 10.0
"""Seconds that an answer, or an end, may take on a busy machine."""


class Snapshot(TypedDict):
    number: int
    pid: int
    """Of the control process that published it."""


class Client:
    """One connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)

    def ask(self, line: str) -> str:
        self.socket.sendall(f"{line}\n".encode())
        return self.read()

    def read(self) -> str:
        answer = b""
        while not answer.endswith(b"\n"):
            part = self.socket.recv(4096)
            if not part:
                raise EOFError("closed before the answer's end")
            answer += part
        return answer.decode().strip()

    def close(self) -> None:
        self.socket.close()


class RunningEdge:
    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process = process
        self.port = 0
        self._log = log
        self._clients: list[Client] = []

    @property
    def log(self) -> str:
        return self._log.read_text()

    def await_ready(self) -> None:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("ready "), f"no `ready` but {line!r}; log:\n{self.log}"
        self.port = int(line.split()[1])

    def connect(self) -> Client:
        client = Client(self.port)
        self._clients.append(client)
        return client

    def ask(self, line: str) -> str:
        """On a new connection, closed after it."""
        client = Client(self.port)
        try:
            return client.ask(line)
        finally:
            client.close()

    def snapshot(self) -> Snapshot | None:
        """As the worker that happens to answer has it."""
        answer: Snapshot | None = json.loads(self.ask("snapshot"))
        return answer

    def await_snapshot(self, after: int = 0) -> Snapshot:
        """One with a higher number, when all workers have it."""
        last: list[Snapshot | None] = []

        def is_everywhere() -> bool:
            last[:] = [self.snapshot() for _ in range(20)]
            return last[0] is not None and last[0]["number"] > after and all(each == last[0] for each in last)

        wait_until(is_everywhere, f"a snapshot after {after} in every worker")
        assert last[0] is not None
        return last[0]

    def workers(self) -> set[int]:
        """Pids of those that answered: enough questions to meet all of two or three."""
        return {int(self.ask("who")) for _ in range(40)}

    def children(self) -> list[int]:
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def close(self) -> None:
        for client in self._clients:
            client.close()
        left = [*self.children(), self.process.pid] if self.process.poll() is None else []
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()


@contextmanager
def running(runtime_dir: Path, **changes: Any) -> Iterator[RunningEdge]:
    """An edge that was started; `await_ready` is the caller's. Settings as in echo_edge."""
    settings: Settings = {
        "runtime_dir": str(runtime_dir),
        "workers": 2,
        "drain": 5.0,
        "silent": 2.0,
        "lost": 30.0,
        "worker": "echo",
    }
    log = runtime_dir / "log"
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.runtime.echo_edge", json.dumps({**settings, **changes})],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    edge = RunningEdge(process, log)
    try:
        yield edge
    finally:
        edge.close()
