"""A supervisor's part of an upgrade: what it says to the version before it, and to the one after it (`upgrade.py`)."""

from __future__ import annotations

import logging
import selectors
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from steer.runtime.upgrade import SERVES, WORKERS, Inherited, Successor

logger = logging.getLogger("steer.runtime")

ORPHANS_END = 1.0
"""Seconds for a single without a supervisor to let go of the state."""


class Reign(Protocol):
    """What changes hands: the supervisor."""

    def start_singles(self, at: float) -> None: ...
    def end_singles(self) -> None: ...
    def begin_drain(self) -> None: ...


class Succession:
    """At most one neighbour on each side. A neighbour that dies leaves the edge to this version."""

    def __init__(self, reign: Reign, inherited: Inherited | None, selector: selectors.BaseSelector) -> None:
        self._reign = reign
        self._selector = selector
        self._before: socket.socket | None = inherited.link if inherited is not None else None
        self._after: Successor | None = None
        self._was_told_of_workers = False
        self._gives_state = False

    def begin(self) -> None:
        """Listen to the version before this one, if there is one."""
        if self._before is not None:
            self._selector.register(self._before, selectors.EVENT_READ, self._hear_before)

    @property
    def is_under_way(self) -> bool:
        """A version after this one has been started."""
        return self._after is not None

    @property
    def shares_sockets(self) -> bool:
        """Another version accepts from the same sockets."""
        return self._after is not None or self._before is not None

    def close_links(self) -> None:
        for link in (self._before, self._after.link if self._after is not None else None):
            if link is not None:
                link.close()

    # The version before this one...

    def say_workers_accept(self) -> None:
        """Once: it can let go of the state."""
        if self._before is not None and not self._was_told_of_workers:
            self._was_told_of_workers = True
            self._tell_before(WORKERS)

    def say_serves(self) -> None:
        """It is not needed any more."""
        if self._before is not None:
            self._tell_before(SERVES)
            self._forget_before()

    def _hear_before(self) -> None:
        """It has let go of the state; or it has died, and then so have its children."""
        assert self._before is not None
        with suppress(BlockingIOError, ConnectionError):
            if self._before.recv(16):
                self._reign.start_singles(0.0)
                return
        logger.warning("the version before this one is gone")
        self._reign.start_singles(time.monotonic() + ORPHANS_END)
        self._forget_before()

    def _tell_before(self, word: bytes) -> None:
        assert self._before is not None
        with suppress(OSError):
            self._before.send(word)

    def _forget_before(self) -> None:
        assert self._before is not None
        self._selector.unregister(self._before)
        self._before.close()
        self._before = None

    # The one after it...

    def start_next(self, listening: Sequence[socket.socket], snapshot: bytes | None, generation: int) -> None:
        try:
            self._after = Successor(listening, snapshot, generation)
        except OSError as error:
            logger.error("SIGUSR2: a new version cannot be started: %s", error.strerror)
            return
        logger.info("SIGUSR2: started a new version as process %d", self._after.pid)
        self._selector.register(self._after.link, selectors.EVENT_READ, self._hear_after)

    def mind(self, has_state: bool) -> None:
        """Tell the next version that the state is free; do not wait for it for ever."""
        if self._after is None or not self._selects_after():
            return
        if self._gives_state and not has_state:
            self._after.give_state()
        if self._after.is_late:
            self._after.end()

    def _hear_after(self) -> None:
        assert self._after is not None
        said = self._after.hear()
        if WORKERS in said:
            logger.info("the new version's workers accept: ending what owns the state, so that its own can begin")
            self._gives_state = True
            self._reign.end_singles()
        if SERVES in said:
            logger.info("the new version serves: draining")
            self._reign.begin_drain()
            self._selector.unregister(self._after.link)
        elif not said:
            self._go_on_alone()

    def _selects_after(self) -> bool:
        """It has not said yet that it serves."""
        assert self._after is not None
        return self._after.link in self._selector.get_map()

    def _go_on_alone(self) -> None:
        assert self._after is not None
        logger.error("the new version (process %d) has ended before it served: going on", self._after.pid)
        self._selector.unregister(self._after.link)
        self._after.link.close()
        self._after = None
        self._gives_state = False
        self._reign.start_singles(0.0)
