"""What one worker knows of learned keys: a copy of control's table, and what it has to tell control.

A request asks here and never waits: what this worker sees counts for it at once, what others see comes within a tick.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from steer.clock import Clock
from steer.sessions.affinity.learned import MOST_KEYS, TOUCHES
from steer.sessions.affinity.quota import Quota
from steer.steering.model import Affinity

MOST_AT_ONCE = 5000
"""Claims in one message: half a megabyte. The rest goes with the next tick."""


class Entry:
    """`until` (wall) is when it is idle for too long: exact for what this worker saw itself."""

    __slots__ = ("datacentre", "first", "key", "service", "told", "until")

    def __init__(self, key: bytes, service: str, datacentre: str, first: float, until: float) -> None:
        self.key = key
        self.service = service
        self.datacentre = datacentre
        self.first = first
        self.until = until
        self.told = first
        """When control heard of it last, from whomever."""


class Known:
    """For the life of the worker: a reload leaves it as it is."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._quota = Quota()
        self._entries: dict[bytes, Entry] = {}
        self._claims: dict[bytes, list[Any]] = {}
        """One for each key, so that there are never more than keys while control is away."""
        self._ended: deque[list[Any]] = deque(maxlen=MOST_KEYS)

    def __repr__(self) -> str:
        return f"<Known [{len(self._entries)} keys]>"

    # A request's side...

    def find(self, key: bytes, affinity: Affinity) -> Entry | None:
        """Where this key is; asking keeps it from being idle."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        now = self._clock.wall()
        if now > entry.until or (affinity.longest is not None and now > entry.first + affinity.longest):
            del self._entries[key]
            return None
        entry.until = now + affinity.idle
        if now - entry.told >= affinity.idle / TOUCHES:
            entry.told = now
            self._claim(entry, now, "", "")
        return entry

    def learn(self, key: bytes, service: str, datacentre: str, affinity: Affinity, client: str) -> None:
        """It was not known, and this is where it was served. Another worker may have been faster: then that holds."""
        now = self._clock.wall()
        if key in self._entries or len(self._entries) >= MOST_KEYS or not self._quota.take(client, now):
            return
        entry = self._entries[key] = Entry(key, service, datacentre, now, now + affinity.idle)
        self._claim(entry, now, client, "")

    def move(self, entry: Entry, datacentre: str, client: str) -> None:
        """Its datacentre is lost to it, and this is where it was served instead."""
        if self._entries.get(entry.key) is entry and entry.datacentre != datacentre:
            before, entry.datacentre = entry.datacentre, datacentre
            self._claim(entry, self._clock.wall(), client, before)

    def end(self, key: bytes) -> None:
        """The conversation is over."""
        self._entries.pop(key, None)
        self._ended.append([key, self._clock.wall()])

    def _claim(self, entry: Entry, now: float, client: str, before: str) -> None:
        waiting = self._claims.get(entry.key)
        if waiting is not None and waiting[3] == entry.first:
            client, before = client or waiting[5], waiting[6] or before
        self._claims[entry.key] = [entry.key, entry.service, entry.datacentre, entry.first, now, client, before]

    # Control's side...

    def take_news(self) -> list[Any]:
        """For control: [claims, ended], once; empty where there is nothing to tell."""
        if not self._claims and not self._ended:
            return []
        keys = list(islice(self._claims, MOST_AT_ONCE))
        ended = [self._ended.popleft() for _ in range(min(len(self._ended), MOST_AT_ONCE))]
        return [[self._claims.pop(key) for key in keys], ended]

    def hear(self, records: Iterable[list[Any]], gone: Iterable[bytes], affinities: Mapping[str, Affinity]) -> None:
        """From control: [key, service, datacentre, first, last] of what holds now, and the keys of what does not."""
        for key in gone:
            self._entries.pop(key, None)
        for key, service, datacentre, first, last in records:
            affinity = affinities.get(service)
            if affinity is not None:
                self._hear(key, service, datacentre, first, last, affinity)

    def _hear(self, key: bytes, service: str, datacentre: str, first: float, last: float, affinity: Affinity) -> None:
        until = last + affinity.idle * (1 + 1 / TOUCHES)
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = Entry(key, service, datacentre, first, until)
        entry.datacentre, entry.first = datacentre, first
        entry.until, entry.told = max(entry.until, until), max(entry.told, last)
