"""The processes of a demonstration: an origin for each node, and the edge."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from steer.demo.adapt import Node
from steer.demo.leash import Leash
from steer.demo.scene import Scene
from steer.errors import SteerError

RETURNS_AFTER = 15.0
"""Seconds until a killed origin is started again: long enough to see that traffic goes on without it."""

PATIENCE = 20.0
"""Seconds that a process may take to be there; a busy machine with one core takes a few."""


class Origins:
    """One process for each node. `tend` starts again what was killed."""

    def __init__(self, scene: Scene, leash: Leash) -> None:
        self._scene = scene
        self._leash = leash
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._gone_since: dict[str, float] = {}

    def start(self, node: Node) -> None:
        command = [sys.executable, "-m", "steer.demo.origin", "--name", node.name]
        command += ["--datacentre", node.datacentre, "--port", str(node.port)]
        if node.https:
            command += ["--certificate", str(self._scene.node_certificate)]
        with (self._scene.folder / f"{node.name}.log").open("ab") as output:
            # SIGKILL, because a stopped process would sleep through any other signal.
            self._processes[node.name] = self._leash.start(command, output, signal.SIGKILL)

    def wait_until_listening(self, node: Node) -> None:
        """Raises `SteerError` when the origin ends instead."""
        process = self._processes[node.name]
        _wait_until(lambda: _answers(node.port), process, node.name, self._scene.folder / f"{node.name}.log")

    def pid(self, node: Node) -> int:
        return self._processes[node.name].pid

    def tend(self, now: float) -> Iterable[str]:
        """Start again what has been gone for long enough; yields a sentence for each change. `now` is monotonic."""
        for node in self._scene.nodes:
            process = self._processes[node.name]
            if process.poll() is None:
                continue
            if node.name not in self._gone_since:
                self._gone_since[node.name] = now
                yield f"{node.name} (pid {process.pid}) is gone; it comes back in {RETURNS_AFTER:.0f} s"
            elif now - self._gone_since[node.name] >= RETURNS_AFTER:
                del self._gone_since[node.name]
                self.start(node)
                yield f"{node.name} is back, as pid {self.pid(node)}"

    def stop(self) -> None:
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            process.wait()


class Edge:
    """`steer run` on the scene's configuration."""

    def __init__(self, scene: Scene, leash: Leash) -> None:
        self._log = scene.edge_log
        with scene.edge_log.open("ab") as output:
            command = [sys.executable, "-m", "steer", "run", str(scene.configuration)]
            self._process = leash.start(command, output, signal.SIGTERM)

    def wait_until_ready(self) -> None:
        """Raises `SteerError`, with what it said last, when the edge ends instead."""
        _wait_until(lambda: b"ready" in self._log.read_bytes().splitlines(), self._process, "the edge", self._log)

    def check(self) -> None:
        """Raises `SteerError`, with what it said last, when the edge has ended."""
        if self._process.poll() is not None:
            raise _ended(self._process, "the edge", self._log)

    def stop(self) -> None:
        """Let it finish what it has begun, and return when it has ended."""
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _wait_until(is_there: Callable[[], bool], process: subprocess.Popen[bytes], name: str, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_there():
        if process.poll() is not None:
            raise _ended(process, name, log)
        if time.monotonic() > deadline:
            raise SteerError(f"{name} was not there after {PATIENCE:.0f} s", _last_words(log))
        time.sleep(0.01)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _ended(process: subprocess.Popen[bytes], name: str, log: Path) -> SteerError:
    return SteerError(f"{name} ended with status {process.returncode}", _last_words(log))


def _last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return "it said: " + " / ".join(lines[-3:]) if lines else "it said nothing"
