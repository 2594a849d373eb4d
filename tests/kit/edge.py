"""A real edge for tests: `steer run` in a process of its own and a folder of its own, with a configuration of the test.

with running_edge(folder, configuration({"one": origin.port})) as edge:
    Client(edge.port("http"))
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from steer.demo.ports import Ports

Tree = dict[str, Any]

START = 20.0
"""Seconds that an edge may take to be ready: several Python processes on a busy core."""
PATIENCE = 10.0
LAST_WORDS = 4000
"""Characters: what a failed test shows of an edge that starts again and again."""
HOST = "www.agency.example"

_PORTS = Ports()
_FIRST_PORT = 12_000 + os.getpid() * 61 % 8_000
"""Somewhere else for each run, so that two at once seldom meet."""


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


class RunningEdge:
    """See `running_edge`."""

    def __init__(self, folder: Path, tree: Tree, workers: int) -> None:
        self.folder = folder
        self._ports = {entry["name"]: _port_of(entry["bind"]) for entry in tree["listeners"]}
        self._admin = _port_of(tree["admin"]["bind"])
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "steer.yaml"
        file.write_text(yaml.dump(tree, Dumper=_Plain, sort_keys=False))
        self._errors = folder / "errors.log"
        with self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "steer", "run", str(file), "--workers", str(workers)],
                stdout=subprocess.PIPE,
                stderr=errors,
                env={name: value for name, value in os.environ.items() if not name.startswith("STEER_")},
            )

    @property
    def log(self) -> str:
        """The end of what it wrote to standard error."""
        return self._errors.read_text()[-LAST_WORDS:]

    @property
    def admin_port(self) -> int:
        return self._admin

    def port(self, listener: str = "http") -> int:
        return self._ports[listener]

    # Its life...

    def wait_until_ready(self) -> None:
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], START)
        line = self.process.stdout.readline() if readable else b""
        assert line == b"ready\n", f"the edge said {line!r} instead of ready: {self.log}"

    def terminate(self) -> None:
        """Ask it to drain."""
        self.process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """Drain, and insist that the end is a clean one."""
        self.terminate()
        status = self.process.wait(START)
        assert status == 0, f"steer run ended with {status}: {self.log}"
        assert "Traceback" not in self.log, self.log

    def kill(self) -> None:
        """What is left of it after a test that failed; its children end with it."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    # What it says...

    def admin(self, path: str, method: str = "GET", body: Any = None) -> Any:
        """What the admin API answers, as its local user."""
        token = (self.folder / "state" / "local-token").read_text().strip()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._admin}/api/v1{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return json.load(response)

    def metrics(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._admin}/metrics", timeout=PATIENCE) as response:
            text: bytes = response.read()
        return text.decode()

    def entries(self) -> list[dict[str, Any]]:
        """The access log so far."""
        return [json.loads(line) for line in (self.folder / "access.log").read_text().splitlines()]

    def entry(self, target: str) -> dict[str, Any]:
        """The access log's line for this target, when it has been written."""
        deadline = time.monotonic() + PATIENCE
        while True:
            found = [entry for entry in self.entries() if entry["target"] == target]
            if found:
                return found[-1]
            assert time.monotonic() < deadline, f"the access log has no {target}"
            select.select([], [], [], 0.02)


@contextmanager
def running_edge(folder: Path, tree: Tree, workers: int = 1) -> Iterator[RunningEdge]:
    """Ready at the beginning, and ended cleanly at the end, unless the test has ended it already."""
    edge = RunningEdge(folder, tree, workers)
    try:
        edge.wait_until_ready()
        yield edge
        if edge.process.poll() is None:
            edge.stop()
    finally:
        edge.kill()


def _port_of(address: str) -> int:
    return int(address.rpartition(":")[2])
