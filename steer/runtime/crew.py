"""The children as a group: who lives, what they say, who died."""

from __future__ import annotations

import logging
import os
import selectors
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from steer.runtime import processes
from steer.runtime.frames import BrokenFrame
from steer.runtime.orders import Order, Report, give, read_report
from steer.runtime.processes import Place, Process

logger = logging.getLogger("steer.runtime")

READ = 256 * 1024
"""More than a socketpair holds: one read empties it, so nobody is judged silent whose heartbeat waits to be read."""


class Crew:
    """`places` for the life of the edge. A place's link is in the selector, with the place as its data."""

    def __init__(self, places: Sequence[Place], selector: selectors.BaseSelector) -> None:
        self.places = places
        self.snapshot: bytes | None = None
        """The last one that control gave."""
        self.configuration: bytes | None = None
        """The last one that a reload brought."""
        self._selector = selector

    def living(self) -> Iterator[tuple[Place, Process]]:
        for place in self.places:
            if place.process is not None:
                yield place, place.process

    @property
    def is_ready(self) -> bool:
        """Every place has a process that said so."""
        return all(place.process is not None and place.process.is_ready for place in self.places)

    def start(self, place: Place, work: Callable[[socket.socket], int], forget: Callable[[], None]) -> None:
        place.process = processes.start(place.name, work, forget)
        self._selector.register(place.process.link, selectors.EVENT_READ, place)

    def order(self, place: Place, order: Order, slot: int = -1) -> None:
        """Nothing happens if the place is empty."""
        if place.process is not None:
            place.process.send(give(order, slot))

    def hear(self, place: Place) -> bool:
        """Read once. False when there is nothing more to come."""
        process = place.process
        assert process is not None, "a link is registered only while its process lives"
        try:
            data = process.link.recv(READ)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self._unregister(process)
            return False
        self._read_reports(process, data)
        return True

    def bury(self) -> list[tuple[Place, Process, int]]:
        """Those that died since the last time, with their wait status. Their places are empty now."""
        dead: list[tuple[Place, Process, int]] = []
        with suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG)) != (0, 0):
                pid, status = found
                dead += [(place, process, status) for place, process in self.living() if process.pid == pid]
        for place, process, _ in dead:
            self._hear_out(place, process)
            process.link.close()
            place.process = None
        return dead

    def kill_lost(self, lost: float) -> None:
        """Those that were silent for so many seconds."""
        now = time.monotonic()
        for place, process in self.living():
            silence = now - process.heard
            if silence > lost and not process.was_killed:
                logger.error("%s (pid %d) was silent for %.1f s: killing it", place.name, process.pid, silence)
                process.kill()

    def close_links(self) -> None:
        """A child that is left sees the end of its socketpair, drains and ends."""
        for _, process in self.living():
            process.link.close()

    def _hear_out(self, place: Place, process: Process) -> None:
        # What it said before it died counts: it may be the newest snapshot.
        while self.hear(place):
            pass
        self._unregister(process)

    def _unregister(self, process: Process) -> None:
        with suppress(KeyError):
            self._selector.unregister(process.link)

    def _read_reports(self, process: Process, data: bytes) -> None:
        process.heard = time.monotonic()
        try:
            for body in process.inbox.feed(data):
                self._take(process, *read_report(body))
        except BrokenFrame as error:
            logger.error("process %d says what is no report (%s): killing it", process.pid, error)
            process.kill()

    def _take(self, process: Process, report: Report, content: bytes) -> None:
        if report is Report.READY:
            process.is_ready = True
        elif report is Report.SNAPSHOT:
            self.snapshot = content
        elif report is Report.CONFIGURATION:
            self.configuration = content
