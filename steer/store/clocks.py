"""Two clocks that must agree: the caller's and the engine's; and which of them is wrong where they do not.

The caller's clock is **anchored**: wall time as it was at the start, and monotonic time since. So nobody who sets this
machine's clock moves it. The engine's is what it said last.
"""

from __future__ import annotations

from steer.clock import Clock
from steer.store.stamp import parts_of


class Anchored:
    """Milliseconds since 1970 that never jump."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = clock.wall() - clock.monotonic()

    def now_ms(self) -> int:
        return int((self._clock.monotonic() + self._offset) * 1000)

    def wall_ms(self) -> int:
        """What this machine says: differs from `now_ms` by as much as somebody has set it since the start."""
        return int(self._clock.wall() * 1000)


def is_astray(engine_ms: int, sent_ms: int, received_ms: int, max_ahead_ms: int) -> bool:
    """Was the engine's time outside of the caller's, from question to answer, by more than may be?"""
    return not sent_ms - max_ahead_ms <= engine_ms <= received_ms + max_ahead_ms


def which_is_wrong(engine_ms: int, anchored_ms: int, wall_ms: int, bucket_clock: str, max_ahead_ms: int) -> str:
    """A sentence for a person. Three witnesses beside the engine: this machine's clock at the start, the same now, and
    the latest write that the engine has seen (no clock that is right can be behind that)."""
    by = f"{abs(engine_ms - anchored_ms) / 1000:.1f} s"
    ahead = "ahead of" if engine_ms > anchored_ms else "behind"
    seen_ms = parts_of(bucket_clock).ms
    if engine_ms < seen_ms - max_ahead_ms:
        return f"the engine's clock is wrong: it was set back, {by} behind this edge's and behind its own last write"
    if anchored_ms < seen_ms - max_ahead_ms:
        return f"this edge's clock is wrong: it is {by} behind the engine's, and behind the engine's last write"
    if abs(wall_ms - engine_ms) <= max_ahead_ms:
        return f"this edge's clock was set since it started: the engine's is {by} {ahead} it; restart the edge"
    if abs(wall_ms - anchored_ms) > max_ahead_ms:
        return f"the engine's clock is {by} {ahead} this edge's, which was set since it started: set both by NTP"
    return f"the engine's clock is wrong: it is {by} {ahead} this edge's"
