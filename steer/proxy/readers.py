"""Responses that their clients do not take at present: each holds a place at a node meanwhile.

As with bodies that do not come (`uploads.py`), a client may have as many of them as there are places free in the pool:
one alone holds half. But a response is under way when it turns out that it is not taken, so it is looked at each tick,
and those of a client with too many end, the longest held first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

HELD_S = 0.25
"""Whose response has stood for less is not slow yet: ordinary clients make pauses of milliseconds."""


class Response(Protocol):
    """As much of an exchange as this needs."""

    def client_gone(self) -> None:
        """Break it off. It is let go of on the way."""


class Readers:
    """Of one worker."""

    __slots__ = ("_held", "keys")

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], dict[Response, float]] = {}
        """Pool and client -> responses and since when, the longest held first."""
        self.keys: dict[Response, tuple[str, str]] = {}

    def hold(self, response: Response, pool: str, client: str, now: float) -> None:
        """It is not taken any more. Saying it again changes nothing. `now`: monotonic seconds."""
        if response not in self.keys:
            key = self.keys[response] = (pool, client)
            self._held.setdefault(key, {})[response] = now

    def let_go(self, response: Response) -> None:
        """It is taken again, or over."""
        key = self.keys.pop(response, None)
        if key is not None:
            held = self._held[key]
            del held[response]
            if not held:
                del self._held[key]

    def make_room(self, free: Callable[[str], int], now: float) -> int:
        """End what clients have too many of, where `free` says how many places a pool has left. Returns how many."""
        ended = 0
        for (pool, _), held in tuple(self._held.items()):
            room = free(pool)
            for response, since in tuple(held.items()):
                if len(held) <= room or now - since < HELD_S:
                    break
                response.client_gone()
                room += 1
                ended += 1
        return ended
