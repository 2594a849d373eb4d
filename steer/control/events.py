"""What happened at this edge, newest last: for people, for the log and for whoever listens.

An event says when (wall time), what kind of thing happened, to what, and why. The ring keeps the last
1,000; each is also a JSON line on standard error when its level is at least the configured one.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import TextIO

from steer.clock import Clock

MOST = 1_000
"""Events kept: an hour of a bad day (a hundred nodes that fail and come back five times), under 1 MiB."""


class Level(IntEnum):
    """How much an event should worry a person. The names in lower case are those of `edge.log.level`."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40


@dataclass(frozen=True, slots=True)
class Event:
    """`number` counts from 1 since this process started; `time` is wall time in seconds."""

    number: int
    time: float
    kind: str
    what: str
    reason: str
    level: Level = Level.INFO

    def line(self) -> str:
        """The event as the log shows it: one line of JSON, time in UTC as RFC 3339 says."""
        fields = {"time": rfc3339(self.time), "level": self.level.name.lower(), "event": self.kind}
        return json.dumps({**fields, "what": self.what, "reason": self.reason}, ensure_ascii=False)


def rfc3339(wall: float) -> str:
    """Wall seconds -> UTC with milliseconds: 2026-08-22T10:00:00.000Z."""
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Listener = Callable[[Event], None]


class Events:
    """The ring, its listeners and its log. `stream` None: standard error as it is at that moment."""

    def __init__(self, clock: Clock, level: Level = Level.INFO, stream: TextIO | None = None, most: int = MOST) -> None:
        self._clock = clock
        self._level = level
        self._stream = stream
        self._ring: deque[Event] = deque(maxlen=most)
        self._listeners: list[Listener] = []
        self._last = 0

    def record(self, kind: str, what: str, reason: str = "", level: Level = Level.INFO) -> Event:
        """Keep it, log it, tell the listeners, in this order."""
        self._last += 1
        event = Event(self._last, self._clock.wall(), kind, what, reason, level)
        self._ring.append(event)
        self._log(event)
        for listener in tuple(self._listeners):
            listener(event)
        return event

    def since(self, number: int = 0) -> tuple[Event, ...]:
        """Those after this number that are still kept, oldest first."""
        return tuple(event for event in self._ring if event.number > number)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call the listener, which must not raise, with each event from now on. The answer ends that."""
        self._listeners.append(listener)

        def stop() -> None:
            with contextlib.suppress(ValueError):
                self._listeners.remove(listener)

        return stop

    def _log(self, event: Event) -> None:
        if event.level < self._level:
            return
        # A reader of the log that went away must not take the edge with it.
        with contextlib.suppress(OSError, ValueError):
            print(event.line(), file=self._stream or sys.stderr, flush=True)
