"""A child process, seen from the supervisor: forked, heard, ended, started again after a pause."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

from steer.errors import SteerError
from steer.runtime.frames import FrameSplitter

logger = logging.getLogger("steer.runtime")

NOT_STARTABLE = os.EX_CONFIG
"""Exit status of a child that would fail the same way again: before the edge was ever ready, it ends the edge."""

HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP, signal.SIGUSR2)

_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15  # linux/prctl.h
_libc = ctypes.CDLL(None, use_errno=True)


class Backoff:
    """How long to wait before a start: not at all the first time, then 0.1 s doubling to 5 s.

    Forgotten after 10 s of life. 5 s: a worker that cannot live costs the edge its share of the capacity, not the
    processor as well.
    """

    FIRST = 0.1
    MOST = 5.0
    FORGOTTEN_AFTER = 10.0

    def __init__(self) -> None:
        self._delay = 0.0

    def next_delay(self, lived: float) -> float:
        """Seconds to wait, after a life of so many seconds."""
        if lived >= self.FORGOTTEN_AFTER:
            self._delay = 0.0
        delay = self._delay
        self._delay = min(self.MOST, max(self.FIRST, delay * 2))
        return delay


@dataclass(slots=True)
class Process:
    """For the life of one process."""

    pid: int
    link: socket.socket
    """The supervisor's end, non-blocking."""
    born: float
    heard: float
    """When it last said anything. Monotonic, like `born`."""
    is_ready: bool = False
    was_killed: bool = False
    inbox: FrameSplitter = field(default_factory=FrameSplitter)

    def send(self, data: bytes) -> None:
        """Orders are few and small: what does not fit is for a process that is stopped, and silence deals with it."""
        try:
            self.link.send(data)
        except OSError as error:
            logger.debug("process %d did not take an order: %s", self.pid, error)

    def kill(self) -> None:
        """At once, also when it is stopped."""
        self.was_killed = True
        os.kill(self.pid, signal.SIGKILL)


@dataclass(slots=True)
class Place:
    """For the life of the edge: the processes that hold it come and go. `slot` is None for the control process."""

    name: str
    slot: int | None
    process: Process | None = None
    backoff: Backoff = field(default_factory=Backoff)
    start_at: float = 0.0
    """Monotonic; counts only while there is no process."""

    def can_serve(self, now: float, silent: float) -> bool:
        """Has a process that is ready and was heard within `silent` seconds."""
        return self.process is not None and self.process.is_ready and now - self.process.heard <= silent


def start(name: str, work: Callable[[socket.socket], int], forget: Callable[[], None]) -> Process:
    """Fork a child. It closes what is not its own (`forget`), works on its end of the socketpair, and exits."""
    ours, theirs = socket.socketpair()
    parent = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    # A signal to a child that still has the supervisor's wake-up descriptor would look like one to the supervisor.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
    pid = os.fork()
    if pid == 0:
        ours.close()
        _live(name, lambda: work(theirs), forget, parent, mask)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    theirs.close()
    ours.setblocking(False)
    now = time.monotonic()
    return Process(pid, ours, born=now, heard=now)


def describe_end(status: int) -> str:
    """A wait status in words."""
    code = os.waitstatus_to_exitcode(status)
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"


def _live(
    name: str, work: Callable[[], int], forget: Callable[[], None], parent: int, mask: set[signal.Signals | int]
) -> NoReturn:
    status = 1
    try:
        _start_fresh(name, parent)
        forget()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        status = work()
    except SteerError as error:
        logger.error("%s cannot start: %s", name, error)
        status = NOT_STARTABLE
    except BaseException:
        logger.exception("%s crashed", name)
    finally:
        # Not sys.exit: the supervisor's own frames are still on this stack.
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _start_fresh(name: str, parent: int) -> None:
    """No handler of the supervisor's. Others than SIGTERM are for it alone: a terminal's reach the whole group."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    _libc.prctl(_PR_SET_NAME, f"steer {name}"[:15].encode(), 0, 0, 0)
    _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != parent:  # it died before the line above
        os._exit(1)
