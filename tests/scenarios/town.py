"""A small town: origins of two datacentres and one edge in front of them, as real processes."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from steer.demo.certificates import Authority
from tests.kit.edge import EdgeProcess, Tree, bind, free_port
from tests.kit.processes import children, holders
from tests.kit.waiting import wait_until
from tests.scenarios.traffic import HOST, LOCAL, Connection, Response, ask_once

PINNED = "stack-dr.cwp.example"
HOSTNAMES = (HOST, "stack.cwp.example", PINNED)


def configuration(workers: int = 4, **nodes: tuple[str, ...]) -> Tree:
    """Active-active over wellington and auckland, one node each unless `nodes` says otherwise. Ready to be changed."""
    names = nodes or {"wellington": ("wlg-1",), "auckland": ("akl-1",)}
    placed = {
        datacentre: [{"name": name, "address": f"http://{LOCAL}:{free_port()}"} for name in members]
        for datacentre, members in names.items()
    }
    return {
        "version": 1,
        "edge": {
            "name": "edge-a",
            "workers": workers,
            "state": "state",
            "reveal": True,
            "drain": "10s",
            "log": {"access": "access.log"},
        },
        "listeners": [{"name": "http", "bind": bind()}],
        "admin": {"bind": bind(), "tokens": "tokens.yaml"},
        "datacentres": {"wellington": {"id": 1}, "auckland": {"id": 2}},
        "pools": {"web": {"nodes": placed}},
        "groups": {"website": {"mode": "active-active", "weights": {"wellington": 50, "auckland": 50}}},
        "services": {
            "www": {
                "hostnames": [HOST],
                "pinned_hostnames": {"stack.cwp.example": "wellington", PINNED: "auckland"},
                "group": "website",
                "routes": [{"path": "/", "pool": "web"}],
            }
        },
    }


class Origin:
    """The server of one node."""

    def __init__(self, name: str, datacentre: str, port: int) -> None:
        self.name = name
        self.port = port
        self._command = [sys.executable, "-m", "steer.demo.origin", "--name", name]
        self._command += ["--datacentre", datacentre, "--port", str(port)]
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self._command)

    def wait_until_listening(self) -> None:
        def listens() -> bool:
            assert self.process.poll() is None, f"{self.name} ended"
            with suppress(OSError), socket.create_connection((LOCAL, self.port), timeout=1):
                return True
            return False

        wait_until(listens, f"{self.name} listens")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """It stays there and does nothing more."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    async def fail(self, status: int) -> None:
        """From now on it answers this."""
        async with await Connection.open(self.port) as connection:
            await connection.ask(f"/.origin/break?status={status}", method="POST")

    async def mend(self) -> None:
        async with await Connection.open(self.port) as connection:
            await connection.ask("/.origin/mend", method="POST")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the access log. Times are wall times."""

    began: float
    ended: float
    fields: Mapping[str, Any]

    @classmethod
    def read(cls, line: str) -> Entry:
        fields = json.loads(line)
        ended = datetime.fromisoformat(fields["time"]).timestamp()
        return cls(ended - fields["duration_us"] / 1e6, ended, fields)

    @property
    def was_retried(self) -> bool:
        return bool(self.fields["retries"])


class Edge(EdgeProcess):
    """One that tests ask while other tasks run."""

    # Its processes.

    @property
    def workers(self) -> list[int]:
        """Of `--workers 0`: the one process that is all."""
        found = [pid for pid, name in children(self.process.pid).items() if name.startswith("steer worker")]
        return sorted(found) or [self.process.pid]

    @property
    def control(self) -> int:
        (pid,) = [pid for pid, name in children(self.process.pid).items() if name == "steer control"]
        return pid

    def has_other_control(self, gone: int) -> bool:
        """Another control process than this one runs."""
        return any(name == "steer control" and pid != gone for pid, name in children(self.process.pid).items())

    def holder(self, connection: Connection) -> int:
        """The worker that this connection belongs to."""
        return holders(self.port(), self.workers)[connection.port]

    async def connect_to_each_worker(self) -> dict[int, Connection]:
        """Process id of the worker -> a connection that it has."""
        found: dict[int, Connection] = {}
        for _ in range(200):
            connection = await Connection.open(self.port())
            await connection.ask("/.steer/health")
            if found.setdefault(self.holder(connection), connection) is not connection:
                await connection.close()
            if len(found) == len(self.workers):
                return found
        raise AssertionError(f"200 connections, all for {list(found)} of {self.workers}")

    # What it says.

    async def ask(self, path: str = "/", host: str = HOST, source: str = LOCAL) -> Response:
        return await ask_once(self.port(), path, host, source)

    async def wait_for_answer(self, is_right: Callable[[Response], bool]) -> None:
        """Ask until the answer is right."""
        deadline = time.monotonic() + 15
        while not is_right(answer := await self.ask()):
            assert time.monotonic() < deadline, f"still {answer}"

    async def api(self, path: str, method: str = "GET", **body: Any) -> Any:
        """What the admin API answers; its problems are answers too. `status` is put into a problem by the API."""
        response = await self._call(path, method, body)
        return json.loads(response.body)

    async def _call(self, path: str, method: str, body: Mapping[str, Any]) -> Response:
        fields = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json", "Connection": "close"}
        async with await Connection.open(self.admin_port) as connection:
            content = json.dumps(body).encode() if body else b""
            return await connection.ask(f"/api/v1{path}", f"{LOCAL}:{self.admin_port}", method, fields, content)

    async def node(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = await self.api(f"/nodes/{name}")
        return found

    async def wait_for_node(self, name: str, state: str, within: float = 15.0) -> dict[str, Any]:
        deadline = time.monotonic() + within
        while (found := await self.node(name))["state"] != state:
            assert time.monotonic() < deadline, f"{name} is not {state} after {within} s: {found}"
            await asyncio.sleep(0.01)
        return found

    async def wait_for_workers(self, number: int) -> None:
        """Until so many have reported to control. It may be about to start."""
        deadline = time.monotonic() + 15
        while True:
            with suppress(OSError, EOFError):
                # A control process that just began may not know the token that it is about to write: 401.
                if len((await self.api("/status")).get("workers", ())) == number:
                    return
            assert time.monotonic() < deadline, f"control does not know {number} workers"
            await asyncio.sleep(0.01)

    async def wait_for_requests(self, number: int) -> None:
        """Until control has heard of so many in all, and of all that was seen before them."""

        async def counted() -> float:
            async with await Connection.open(self.admin_port) as connection:
                host = f"{LOCAL}:{self.admin_port}"
                lines = (await connection.ask("/metrics", host, fields={"Connection": "close"})).body.decode()
            return sum(
                float(line.split()[-1]) for line in lines.splitlines() if line.startswith("steer_requests_total{")
            )

        deadline = time.monotonic() + 15
        while (found := await counted()) < number:
            assert time.monotonic() < deadline, f"control knows of {found} requests, not of {number}"
            await asyncio.sleep(0.01)

    async def command(self, *arguments: str) -> tuple[int, str, str]:
        """`steer ARGUMENTS` -> exit status, standard output, standard error."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "steer",
            *arguments,
            env=self.for_commands,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        assert process.returncode is not None
        return process.returncode, output.decode(), errors.decode()

    def entries(self) -> list[Entry]:
        """The access log so far, in the order in which the requests ended."""
        return sorted((Entry.read(line) for line in self.access_log), key=lambda entry: entry.ended)


@dataclass(frozen=True)
class Town:
    edge: Edge
    origins: Mapping[str, Origin]
    """By node."""


@contextmanager
def town(folder: Path, tree: Tree, *options: str, own: Collection[str] = ()) -> Iterator[Town]:
    """An origin for each node of the configuration, but for those that are the test's own, and the edge."""
    origins = {
        node["name"]: Origin(node["name"], datacentre, urlsplit(node["address"]).port or 0)
        for pool in tree["pools"].values()
        for datacentre, nodes in pool["nodes"].items()
        for node in nodes
        if node["name"] not in own
    }
    edge = Edge(folder, tree, *options)
    try:
        for origin in origins.values():
            origin.wait_until_listening()
        edge.wait_until_ready()
        yield Town(edge, origins)
    finally:
        edge.end()
        for origin in origins.values():
            origin.kill()


class Trust:
    """An authority, and the certificates that it has signed in this folder. `client` trusts it."""

    def __init__(self, folder: Path) -> None:
        self.certificate, self.key = folder / "www.pem", folder / "www.key"
        self._authority = Authority.make()
        self.client = ssl.create_default_context(cadata=self._authority.pem.decode())
        self.renew()

    def renew(self) -> None:
        """Put another certificate, with another key, in the place of the one before."""
        self._authority.issue(HOSTNAMES, self.certificate, self.key)

    @property
    def served(self) -> bytes:
        """What a client should be shown: the certificate in its binary form."""
        return ssl.PEM_cert_to_DER_cert(self.certificate.read_text())


def over_tls(tree: Tree, folder: Path) -> Trust:
    """Give the listener a certificate."""
    trust = Trust(folder)
    pair = {"certificate": trust.certificate.name, "key": trust.key.name}
    tree["listeners"][0]["tls"] = {"certificates": [pair]}
    return trust
