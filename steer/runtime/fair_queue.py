"""Things that wait, each under a key: taken from the keys in turns, so that a key with many keeps no other waiting.

The room is bounded, and a key may have as much of it as is still free (Choudhury and Hahne, "Dynamic queue length
thresholds", 1998): one key alone gets half, the next one a half of what is left, and a newcomer always finds a place
unless there are thousands of keys. No search for the longest queue is needed, so a flood costs the same few steps each.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """At most `room` things, under any hashable key (here: text)."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._size = 0
        self._waiting: dict[str, deque[T]] = {}
        """In the order of their turns; a key with nothing is not there."""

    def __len__(self) -> int:
        return self._size

    def add(self, key: str, thing: T) -> bool:
        """False: there is no room for one more of this key."""
        waiting = self._waiting.get(key)
        if (len(waiting) if waiting is not None else 0) >= self._room - self._size:
            return False
        if waiting is None:
            waiting = self._waiting[key] = deque()
        waiting.append(thing)
        self._size += 1
        return True

    def take(self, is_held: Callable[[str], bool] = lambda _: False) -> T | None:
        """The first of the key whose turn it is, but for keys that are held; None: nothing is left then."""
        key = next((key for key in self._waiting if not is_held(key)), None)
        if key is None:
            return None
        waiting = self._waiting.pop(key)
        thing = waiting.popleft()
        if waiting:
            self._waiting[key] = waiting
        self._size -= 1
        return thing

    def drain(self) -> Iterator[T]:
        """All that waits; nothing does afterwards."""
        while (thing := self.take()) is not None:
            yield thing
