"""Accepts from one listening socket, as much as one turn of the loop has time for, and hands it to the entrance."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Callable
from math import inf
from socket import IPPROTO_TCP, TCP_NOTSENT_LOWAT, socket

from steer.runtime.door import Door
from steer.runtime.entrance import Entrance

logger = logging.getLogger("steer.runtime")

ACCEPTED_AT_ONCE = 32
"""In one turn of the loop, for each listening socket: a third of a millisecond."""
PAUSE_S = 0.2
"""When the process has no descriptors left: meanwhile the kernel's queue fills, but the loop does not spin."""
COMPLAIN_S = 10.0
"""Between two lines in the log about it."""
EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
UNSENT = 128 * 1024
"""Bytes of one connection that the kernel takes beyond what it may send at once. By itself it takes 4 MiB of who reads
nothing, and the edge learns late that it does."""
EXHAUSTION = "descriptors"
"""The word for the counters."""


class Listening:
    """Accepts from a listening socket, which is its to close. `door` is asked each time: it may be another by then."""

    def __init__(self, listening: socket, entrance: Entrance, door: Callable[[], Door]) -> None:
        self._listening = listening
        self._entrance = entrance
        self._door = door
        self._complained = -inf
        self._loop = asyncio.get_running_loop()
        listening.setsockopt(IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT)  # connections have it from here
        self._loop.add_reader(listening, self._accept)

    def close(self) -> None:
        """Those accepted go on. Closing twice does nothing."""
        if self._listening.fileno() >= 0:
            self._loop.remove_reader(self._listening)
            self._listening.close()

    def accept_all(self) -> None:
        """Also those that wait beyond what one turn of the loop may take."""
        while self._accept() == ACCEPTED_AT_ONCE:
            pass

    def _accept(self) -> int:
        for count in range(ACCEPTED_AT_ONCE):
            try:
                connection, peer = self._listening.accept()
            except OSError as error:
                self._look_at(error)
                return count
            connection.setblocking(False)
            self._entrance.arrive(connection, peer[0], self._door())
        return ACCEPTED_AT_ONCE

    def _look_at(self, error: OSError) -> None:
        """Nobody waits, or one that has waited has gone (accept(2) hands on what happened to it): that is all right."""
        if error.errno in EXHAUSTED:
            self._pause(error)
        elif error.errno == errno.EINVAL:  # shut, by another process that has it
            self._loop.remove_reader(self._listening)

    def _pause(self, error: OSError) -> None:
        now = self._loop.time()
        if now >= self._complained + COMPLAIN_S:
            self._complained = now
            logger.error("cannot accept: %s", error.strerror)
        self._door().refused(EXHAUSTION)
        self._loop.remove_reader(self._listening)
        self._loop.call_later(PAUSE_S, self._resume)

    def _resume(self) -> None:
        if self._listening.fileno() >= 0:
            self._loop.add_reader(self._listening, self._accept)
