"""The access log: one JSON object a line, written in batches.

A file takes a batch in one append. A pipe or a terminal takes only what it can without blocking: a reader that stops
reading loses lines (they are counted and said), it does not stop the proxy.
"""

from __future__ import annotations

import os
import select
import stat
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

MAX_WAITING = 4 * 1024 * 1024
"""Bytes kept for a reader that does not read; more than a second of a busy worker's lines."""
PIPE_BUF = 4096
"""What a pipe that is ready takes without blocking (POSIX.1 write, {PIPE_BUF} on Linux)."""


class AccessLog:
    """`add` keeps a line, `flush` writes all of them. `target`: "stdout", "off" or a path."""

    def __init__(self, target: str) -> None:
        self.on = target != "off"
        self._lines: list[str] = []
        self.add: Callable[[str], None] = self._lines.append
        """A line, ended. The list's own method, for it is called for each request."""
        self._waiting = b""
        self.dropped = 0
        self._fd = -1
        if self.on:
            self._fd = sys.stdout.fileno() if target == "stdout" else _open(target)
            self._is_file = stat.S_ISREG(os.fstat(self._fd).st_mode)

    def flush(self) -> None:
        """Write what has come since the last flush. Called each tick, and before the worker ends."""
        if not self._lines and not self._waiting:
            return
        batch = self._waiting + "".join(self._lines).encode()
        self._lines.clear()
        self._waiting = b""
        try:
            rest = self._append(batch) if self._is_file else self._trickle(batch)
        except OSError:
            rest = b""
            self.dropped += batch.count(b"\n")
        if len(rest) > MAX_WAITING:
            self.dropped += rest.count(b"\n")
            rest = b""
        self._waiting = rest

    def _append(self, batch: bytes) -> bytes:
        return batch[os.write(self._fd, batch) :]

    def _trickle(self, batch: bytes) -> bytes:
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        at = 0
        while at < len(batch) and any(event & select.POLLOUT for _, event in poll.poll(0)):
            at += os.write(self._fd, batch[at : at + PIPE_BUF])
        return batch[at:]


def _open(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)


class Stamp:
    """Monotonic time as the wall time that it is, in text. The costly part is made anew each second, and so is the
    difference between the two clocks: somebody may set the wall's. The rest is made once for each millisecond, in which
    a busy worker has some thirty requests."""

    def __init__(self) -> None:
        self._until = 0.0
        self._second = 0.0
        self._to_second = ""
        self._begun = self._over = 0.0
        self._text = ""

    def text(self, now: float) -> str:
        """`now` is monotonic seconds -> 2026-08-22T10:00:00.000Z."""
        if not self._begun <= now < self._over:
            self._begin_millisecond(now)
        return self._text

    def _begin_millisecond(self, now: float) -> None:
        if not self._second <= now < self._until:
            self._begin_second(now)
        milliseconds = int((now - self._second) * 1000)
        self._begun, self._over = now, self._second + (milliseconds + 1) / 1000
        self._text = f"{self._to_second}{milliseconds:03d}Z"

    def _begin_second(self, now: float) -> None:
        wall = time.time() - time.monotonic() + now
        self._to_second = datetime.fromtimestamp(int(wall), UTC).strftime("%Y-%m-%dT%H:%M:%S.")
        self._second = now - wall % 1
        self._until = self._second + 1


def escaped(target: bytes) -> str:
    """A target (visible ASCII) as it stands inside a JSON string."""
    text = target.decode("ascii")
    return text.replace("\\", "\\\\").replace('"', '\\"') if '"' in text or "\\" in text else text
