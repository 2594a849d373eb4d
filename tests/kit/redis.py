"""A real redis-server of a test's own, on a free port, in a folder of its own.

    with RedisServer(tmp_path) as redis:
        redis.url

It writes an append-only file unless told otherwise, keeps no snapshots, and is killed at the end.
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from time import monotonic, sleep
from typing import Self

import pytest

PATIENCE = 10.0
PROGRAM = shutil.which("redis-server", path="/usr/local/bin:/usr/bin:/usr/local/sbin:/usr/sbin")
needs_redis = pytest.mark.skipif(PROGRAM is None, reason="redis-server is not installed (scripts/need redis-server)")


def free_port() -> int:
    """One that nobody had a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class RedisServer:
    """`environment` goes to the process: LD_PRELOAD of libfaketime, for instance."""

    def __init__(self, folder: Path, *options: str, environment: Mapping[str, str] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._options = options
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self, *more: str, until: str = "+PONG") -> None:
        """Returns when PING is answered so; again after `kill`: the same port and the same files."""
        assert PROGRAM
        command = [PROGRAM, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", ""]
        command += ["--appendonly", "yes", "--logfile", "redis.log", *self._options, *more]
        self._process = subprocess.Popen(command, env=self._environment)
        self.wait_until_it_answers(until)

    def wait_until_it_answers(self, until: str = "+PONG") -> None:
        end = monotonic() + PATIENCE
        while not self.ask("PING").startswith(until):
            if monotonic() > end or self._process is None or self._process.poll() is not None:
                raise AssertionError(f"redis-server does not start: {(self.folder / 'redis.log').read_text()}")
            sleep(0.01)

    def ask(self, command: str) -> str:
        """The first line of the reply to an inline command, "" if nobody answers."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as connection:
                connection.sendall(command.encode() + b"\r\n")
                return connection.makefile("rb").readline().decode().rstrip()
        except OSError:
            return ""

    def ask_all(self, command: str) -> str:
        """The whole of a reply that is one bulk string."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as connection:
            connection.sendall(command.encode() + b"\r\n")
            file = connection.makefile("rb")
            return file.read(int(file.readline()[1:])).decode()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process
        return self._process

    def kill(self) -> None:
        """As a crash does (-9)."""
        if self._process:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """It hangs: connections stand, nothing is answered."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)


class RedisSentinel(RedisServer):
    """One Sentinel that watches a master under the name `web`, and alone decides."""

    def __init__(self, folder: Path, master: RedisServer) -> None:
        super().__init__(folder)
        self._config = folder / "sentinel.conf"
        self._config.write_text(
            f"sentinel monitor web 127.0.0.1 {master.port} 1\n"
            "sentinel down-after-milliseconds web 500\n"
            "sentinel failover-timeout web 5000\n"
        )

    def start(self, *more: str, until: str = "+PONG") -> None:
        assert PROGRAM
        own = ["--sentinel", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        command = [PROGRAM, str(self._config), *own, "--logfile", "redis.log", *more]
        self._process = subprocess.Popen(command)
        self.wait_until_it_answers(until)
