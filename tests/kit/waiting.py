"""Waits for a condition, never for a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

PATIENCE = 15.0
"""Seconds that a condition may take on a busy machine before its test fails."""
PAUSE = 0.005


def wait_until(is_so: Callable[[], object], what: str, within: float = PATIENCE) -> float:
    """Returns the seconds that it took."""
    began = time.monotonic()
    while not is_so():
        assert time.monotonic() - began < within, f"not within {within} s: {what}"
        time.sleep(PAUSE)
    return time.monotonic() - began


async def until(is_so: Callable[[], object], what: str, within: float = PATIENCE) -> float:
    """The same while other tasks run."""
    began = time.monotonic()
    while not is_so():
        assert time.monotonic() - began < within, f"not within {within} s: {what}"
        await asyncio.sleep(PAUSE)
    return time.monotonic() - began
