"""A real edge for tests: `steer run` as a process, in a folder of its own, with a configuration of the test.

with running_edge(folder, configuration({"one": origin.port})) as edge:
    Client(edge.port("http"))
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from steer.demo.ports import Ports
from tests.kit.processes import children, is_alive
from tests.kit.waiting import wait_until

Tree = dict[str, Any]

START = 20.0
"""Seconds that an edge may take to be ready: several Python processes on a busy core."""
PATIENCE = 10.0
LAST_WORDS = 4000
"""Characters: what a failed test shows of an edge that starts again and again."""
HOST = "www.agency.example"

_PORTS = Ports()
_PROCESS = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_FIRST_PORT = 12_000 + 2_000 * (_PROCESS % 4) + os.getpid() * 61 % 500
"""Each of the test processes has 2,000 to itself: two that look at one port in the same moment both find it free. And
somewhere else for each run, so that two at once seldom meet."""


def free_port() -> int:
    return _PORTS.near(_FIRST_PORT)


def bind() -> str:
    """An address to listen on."""
    return f"127.0.0.1:{free_port()}"


def configuration(nodes: Mapping[str, int], **listeners: Tree) -> Tree:
    """One node (a port of an origin) in each datacentre, one service for `HOST`, nobody ejected. Ready to be changed.

    `listeners` by name, without `name` and `bind`; one plain listener `http` where none is given.
    """
    never = {"failures": 1, "mode": "off"}
    return {
        "version": 1,
        "edge": {"name": "edge-a", "state": "state", "drain": "5s", "log": {"access": "access.log"}},
        "listeners": [{"name": name, "bind": bind(), **rest} for name, rest in (listeners or {"http": {}}).items()],
        "admin": {"bind": bind(), "tokens": "tokens.yaml"},
        "datacentres": {name: {"id": number} for number, name in enumerate(nodes, 1)},
        "pools": {
            "web": {
                "nodes": {
                    datacentre: [{"name": f"{datacentre}-1", "address": f"http://127.0.0.1:{port}"}]
                    for datacentre, port in nodes.items()
                },
                "ejection": {"consecutive_gateway_failures": never, "consecutive_5xx": never},
            }
        },
        "groups": {"website": {"mode": "active-active", "weights": dict.fromkeys(nodes, 50)}},
        "services": {"www": {"hostnames": [HOST], "group": "website", "routes": [{"path": "/", "pool": "web"}]}},
    }


class _Plain(yaml.SafeDumper):
    """Writes out what stands twice; steer's configuration has no aliases."""

    def ignore_aliases(self, data: object) -> bool:
        return True


class EdgeProcess:
    """`steer run` with `options` in a folder of its own, started at once. It may be killed and started again."""

    def __init__(self, folder: Path, tree: Tree, *options: str) -> None:
        self.folder = folder
        self.admin_port = _port_of(tree["admin"]["bind"])
        self._ports = {entry["name"]: _port_of(entry["bind"]) for entry in tree["listeners"]}
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / "steer.yaml"
        self.file.write_text(yaml.dump(tree, Dumper=_Plain, sort_keys=False))
        self._command = [sys.executable, "-m", "steer", "run", str(self.file), *options]
        self._log = folder / "edge.log"
        self.start()

    def port(self, listener: str = "") -> int:
        """Of this listener; else of the first."""
        return self._ports[listener or next(iter(self._ports))]

    @property
    def log(self) -> str:
        """What it wrote to standard output and standard error since its start."""
        return self._log.read_text()

    @property
    def last_words(self) -> str:
        return self.log[-LAST_WORDS:]

    @property
    def token(self) -> str:
        """That of the local user, for its admin API."""
        return (self.folder / "state" / "local-token").read_text().strip()

    @property
    def for_commands(self) -> dict[str, str]:
        """The environment in which `steer COMMAND` finds it."""
        place = {"STEER_ADMIN": f"http://127.0.0.1:{self.admin_port}", "STEER_STATE": str(self.folder / "state")}
        return without_settings() | place

    @property
    def access_log(self) -> list[str]:
        """Its lines so far."""
        return (self.folder / "access.log").read_text().splitlines()

    # Its life...

    def start(self) -> None:
        with self._log.open("wb") as output:
            self.process = subprocess.Popen(
                self._command, stdout=output, stderr=subprocess.STDOUT, env=without_settings()
            )

    def wait_until_ready(self) -> None:
        def is_ready() -> bool:
            assert self.process.poll() is None, f"it ended before it was ready: {self.last_words}"
            return "ready" in self.log.splitlines()

        wait_until(is_ready, "the edge is ready", within=START)

    def terminate(self) -> None:
        """Ask it to drain."""
        self.process.terminate()

    def stop(self) -> None:
        """Drain, and insist that the end is a clean one."""
        self.terminate()
        status = self.process.wait(START)
        assert status == 0, f"steer run ended with {status}: {self.last_words}"
        assert "Traceback" not in self.log, self.last_words

    def kill(self) -> None:
        """The supervisor and its children, at once."""
        for pid in [self.process.pid, *children(self.process.pid)]:
            os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def end(self) -> None:
        """However it is, nothing of it is left."""
        pids = list(children(self.process.pid))
        if self.process.poll() is None:
            self.kill()
        wait_until(lambda: not any(map(is_alive, pids)), "the edge's processes are gone")


def without_settings() -> dict[str, str]:
    """The environment, but for what would set something of steer's."""
    return {name: value for name, value in os.environ.items() if not name.startswith("STEER_")}


class RunningEdge(EdgeProcess):
    """One that blocking tests ask: see `running_edge`."""

    def admin(self, path: str, method: str = "GET", body: Any = None) -> Any:
        """What the admin API answers, as its local user."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.admin_port}/api/v1{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return json.load(response)

    def metrics(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/metrics", timeout=PATIENCE) as response:
            text: bytes = response.read()
        return text.decode()

    def entries(self) -> list[dict[str, Any]]:
        """The access log so far."""
        return [json.loads(line) for line in self.access_log]

    def entry(self, target: str) -> dict[str, Any]:
        """The access log's line for this target, when it has been written."""
        wait_until(lambda: self._entries(target), f"the access log has {target}")
        return self._entries(target)[-1]

    def _entries(self, target: str) -> list[dict[str, Any]]:
        return [entry for entry in self.entries() if entry["target"] == target]


@contextmanager
def running_edge(folder: Path, tree: Tree, workers: int = 1) -> Iterator[RunningEdge]:
    """Ready at the beginning, and ended cleanly at the end, unless the test has ended it already."""
    edge = RunningEdge(folder, tree, "--workers", str(workers))
    try:
        edge.wait_until_ready()
        yield edge
        if edge.process.poll() is None:
            edge.stop()
    finally:
        edge.end()


def _port_of(address: str) -> int:
    return int(address.rpartition(":")[2])
