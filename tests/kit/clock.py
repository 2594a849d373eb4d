"""A clock that stands still until a test moves it."""

from __future__ import annotations


class ManualClock:
    """Meets `steer.clock.Clock`. Wall and monotonic time move together."""

    def __init__(self, monotonic: float = 1000.0, wall: float = 1_700_000_000.0) -> None:
        self._monotonic = monotonic
        self._wall = wall

    def monotonic(self) -> float:
        return self._monotonic

    def wall(self) -> float:
        return self._wall

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass on both."""
        if seconds < 0:
            raise ValueError(f"time does not go back: {seconds}")
        self._monotonic += seconds
        self._wall += seconds

    def start_monotonic_anew(self) -> None:
        """What a reboot does."""
        self._monotonic = 0.0
