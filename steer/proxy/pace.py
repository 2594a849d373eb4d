"""Whether a client sends its body fast enough: the whole body on average, not counting when we did not read."""

from __future__ import annotations


class Pace:
    """`rate` bytes a second are asked for, after `grace` seconds for nothing (slow start, a radio that wakes up)."""

    __slots__ = ("_held_since", "_received", "_since", "grace", "rate")

    def __init__(self, now: float, rate: int, grace: float) -> None:
        self.rate = rate
        self.grace = grace
        self._since = now
        self._received = 0
        self._held_since = 0.0

    def count(self, size: int) -> None:
        self._received += size

    def hold(self, now: float) -> None:
        """We stop reading: that time is not the client's."""
        if not self._held_since:
            self._held_since = now

    def go_on(self, now: float) -> None:
        if self._held_since:
            self._since += now - self._held_since
            self._held_since = 0.0

    def patience(self, now: float) -> float:
        """Seconds left until what came is too little; 0 or less: it is."""
        if self.rate == 0:
            return self.grace
        return self._since + self.grace + self._received / self.rate - now
