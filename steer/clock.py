"""Time as a parameter, so that tests can move it."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """`monotonic` for deadlines and durations (shared by all processes of one machine), `wall` for people."""

    def monotonic(self) -> float:
        """Seconds that never go back. Not comparable between machines or boots."""

    def wall(self) -> float:
        """Seconds since 1970, which an administrator may set back."""


class SystemClock:
    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.time)


class StoppedClock:
    """Stands where the other one stood."""

    def __init__(self, clock: Clock) -> None:
        self._wall, self._monotonic = clock.wall(), clock.monotonic()

    def monotonic(self) -> float:
        return self._monotonic

    def wall(self) -> float:
        return self._wall
