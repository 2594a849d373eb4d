"""When a write happened: a stamp of 20 digits, from a hybrid logical clock.

    1795170353395 0001 001      13 digits of milliseconds, 4 of a counter, 3 of the site

Fixed width, so that stamps compare as text. (Digits only: Redis' Lua compares text by the locale, where digits are
safe.)

The clock is Kulkarni and Demirbas' (Logical Physical Clocks, OPODIS 2014): its milliseconds are the latest of the
engine's time and of every stamp seen; the counter breaks ties. So a clock that is set back does not set stamps back.

A clock is kept as 17 digits: a stamp without a site.
"""

from __future__ import annotations

import re
from typing import NamedTuple

COUNTER_LIMIT = 4096
"""12 bits: a score of the change index, milliseconds x 4096 + counter, is then exact in a double until 2039."""
NEVER = "0" * 20
"""Sorts before every stamp: what was never written."""
_STAMP = re.compile(r"[0-9]{20}")


class Parts(NamedTuple):
    """A stamp taken apart."""

    ms: int
    counter: int
    site: int


def stamp_of(ms: int, counter: int, site: int) -> str:
    """The 20 digits."""
    return f"{ms:013d}{counter:04d}{site:03d}"


def is_stamp(text: str) -> bool:
    """20 digits, a counter and a site in range."""
    if not _STAMP.fullmatch(text):
        return False
    parts = parts_of(text)
    return parts.counter < COUNTER_LIMIT and parts.site >= 1


def parts_of(stamp: str) -> Parts:
    """Of a stamp or, with site 0, of a clock. `NEVER` is all zero."""
    return Parts(int(stamp[:13]), int(stamp[13:17]), int(stamp[17:20] or 0))


def clock_of(ms: int, counter: int) -> str:
    """The 17 digits that a bucket keeps."""
    return f"{ms:013d}{counter:04d}"


def tick(clock: str, now_ms: int) -> str:
    """The clock after one write at the engine's time: later than it was, and than `now_ms` never earlier."""
    ms, counter, _ = parts_of(clock)
    if now_ms > ms:
        return clock_of(now_ms, 0)
    counter += 1
    return clock_of(ms + 1, 0) if counter >= COUNTER_LIMIT else clock_of(ms, counter)


def witness(clock: str, stamp: str) -> str:
    """The clock after a stamp was seen: the next tick is later than both."""
    return max(clock, stamp[:17])


def score_of(stamp: str) -> int:
    """The place of a stamp in a change index. The site does not count: two sites' ties share a place."""
    ms, counter, _ = parts_of(stamp)
    return ms * COUNTER_LIMIT + counter
