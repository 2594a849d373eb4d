"""Real redis-servers that are started, killed, stopped, emptied, and whose clock is set."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic

from steer.demo.ports import Ports

PROGRAM = shutil.which("redis-server", path="/usr/local/bin:/usr/bin:/usr/local/sbin:/usr/sbin")
ROOT = Path(__file__).parents[1]
PATIENCE = 15.0
_PORTS = Ports()
_FIRST_PORT = 20_000 + os.getpid() * 61 % 12_000
"""Somewhere else for each run, so that two at once seldom meet."""
LIBRARIES = ("/usr/lib/*/faketime/libfaketime.so.1", "/usr/lib/faketime/libfaketime.so.1")


class CannotStart(Exception):
    """redis-server or a store process does not start; the message says why."""


def faketime() -> str | None:
    """The library that gives a process a clock of its own; None if it is not installed."""
    return next((str(path) for pattern in LIBRARIES for path in Path("/").glob(pattern.lstrip("/"))), None)


def libc() -> str:
    """The C library, whose allocator comes first then. libfaketime does not get along with Redis' own: jemalloc asks
    for the time before libfaketime is ready to say it."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return next(line.split()[-1] for line in lines if Path(line.split()[-1]).name.startswith("libc.so"))


def free_port() -> int:
    """For a server that is killed and started again: none that Linux may give to a client meanwhile."""
    return _PORTS.near(_FIRST_PORT)


def begun(command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """A process in a session of its own, so that Ctrl-C is ours alone; what it says goes to the log."""
    with log.open("ab") as said:
        return subprocess.Popen(
            command,
            env=environment,
            cwd=ROOT,
            stdout=said,
            stderr=said,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )


class RedisProcess:
    """One redis-server with an append-only file. `has_clock`: `set_clock` works."""

    def __init__(self, folder: Path, options: Sequence[str] = (), *, has_clock: bool = False) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.port = free_port()
        self._options = list(options)
        self._clock = folder / "clock" if has_clock else None
        self._process: subprocess.Popen[bytes] | None = None
        self.set_clock(0.0)

    async def start(self) -> None:
        """When it answers, or when another fault has killed it meanwhile. Raises CannotStart."""
        if PROGRAM is None:
            raise CannotStart("redis-server is not installed: scripts/need redis-server")
        command = [PROGRAM, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", ""]
        command += ["--appendonly", "yes", "--logfile", "redis.log", *self._options]
        await self._run(command)

    async def _run(self, command: Sequence[str]) -> None:
        self._process = started = begun(command, self.folder / "said", self._environment())
        end = monotonic() + PATIENCE
        while self._process is started and not await self.answers():
            if monotonic() > end or (self._process is started and started.poll() is not None):
                raise CannotStart(f"redis-server does not start: {self.last_words()}")
            await asyncio.sleep(0.02)

    @property
    def is_running(self) -> bool:
        return self._process is not None

    async def answers(self) -> bool:
        return (await self.ask("PING")).startswith(b"+PONG")

    def last_words(self) -> str:
        """The end of its log."""
        log = self.folder / "redis.log"
        return log.read_text(errors="replace")[-1000:] if log.exists() else "it wrote no log"

    def _environment(self) -> dict[str, str] | None:
        library = faketime()
        if self._clock is None or library is None:
            return None
        return os.environ | {
            "LD_PRELOAD": f"{library}:{libc()}",
            "FAKETIME_TIMESTAMP_FILE": str(self._clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    async def ask(self, command: str) -> bytes:
        """The reply to an inline command, if it is short; nothing if nobody answers."""
        writer = None
        try:
            async with asyncio.timeout(PATIENCE):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.write(command.encode() + b"\r\n")
                return await reader.read(1 << 16)
        except (OSError, TimeoutError):
            return b""
        finally:
            if writer:
                writer.close()

    def kill(self) -> None:
        """As a crash does: -9."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def empty(self) -> None:
        """Its disk is gone as well. Only while it is dead."""
        shutil.rmtree(self.folder / "appendonlydir", ignore_errors=True)

    def stop(self) -> None:
        if self._process:
            self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        if self._process:
            self._process.send_signal(signal.SIGCONT)

    def set_clock(self, ahead: float) -> None:
        """Seconds from the machine's."""
        if self._clock:
            new = self._clock.with_suffix(".new")
            new.write_text(f"{ahead:+.3f}\n")
            new.replace(self._clock)


class SentinelProcess(RedisProcess):
    """One Sentinel that watches a master under the name `web`, and alone decides."""

    def __init__(self, folder: Path, master: int) -> None:
        super().__init__(folder)
        self._config = folder / "sentinel.conf"
        self.begin_anew(master)

    def begin_anew(self, master: int) -> None:
        """As on its first day. Only while it is dead."""
        self._config.write_text(
            f"sentinel monitor web 127.0.0.1 {master} 1\n"
            "sentinel down-after-milliseconds web 800\n"
            "sentinel failover-timeout web 5000\n"
        )

    async def start(self) -> None:
        assert PROGRAM
        own = ["--sentinel", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        await self._run([PROGRAM, str(self._config), *own, "--logfile", "redis.log"])
