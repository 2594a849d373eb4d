"""Control's side of learned keys that several edges share through the store.

    workers ── claims, ends ──▶ SharedTable ── batches ──▶ store process: `stored.StoredKeys` ──▶ engine ⇄ other sites
                                    ▲  MemoryTable                     │
                                    └────────── what the store says ───┘

The edge's own table answers at once and goes on alone while the store is away. What the store says comes a moment later
and holds: all edges read the same there. What the table has not yet written is not overruled: it is written, and the
store's answer to that is what holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from steer.clock import Clock
from steer.sessions.affinity.learned import MOST_KEYS, NOBODY, TOUCHES, Claim, MemoryTable, Record
from steer.steering.model import Affinity, Topology

SHARED = "shared"
"""The kind of message, both ways: [kind, pid, [number, records, ends]] from the store process, where the batch of this
number (0: none) is in the engine; [kind, number, claims, ends] to it. Times in them are wall seconds.

record  key, service, datacentre, first, until
claim   the same, and from where it has moved
end     key, at
"""
SHARED_ALL = "shared_all"
"""[kind] to the store process: this control process is new to it, and wants to hear everything."""

BATCH = 2000
"""Claims of one message, 200 KB. The next one goes when it is in the engine."""
PATIENCE = 2.0
"""Seconds without an answer after which a batch is sent again: the store process was lost, or its engine."""
T = TypeVar("T")


def until_of(record: Record, affinity: Affinity) -> float:
    """When it is over at the latest, if nobody sees it again."""
    idle = record.last + affinity.idle * (1 + 1 / TOUCHES)
    return idle if affinity.longest is None else min(idle, record.first + affinity.longest)


class SharedTable:
    """A `Table`. `tell` sends a message to the store process, if it is there."""

    def __init__(self, table: MemoryTable, clock: Clock, tell: Callable[[object], None]) -> None:
        self._table = table
        self._clock = clock
        self._tell = tell
        # All that this edge knew before: the store may have lost it, or begun today.
        self._claims: dict[bytes, str] = {record.key: "" for record in table.records()}
        """What waits to be written, and from where it has moved."""
        self._ends: dict[bytes, float] = {}
        self._sent: tuple[dict[bytes, str], dict[bytes, float]] = ({}, {})
        self._sent_at = 0.0
        self._number = 0
        self._store = 0

    def __repr__(self) -> str:
        return f"<SharedTable [{len(self._claims) + len(self._ends)} to write] {self._table!r}>"

    # The table of this edge...

    def records(self) -> Iterator[Record]:
        return self._table.records()

    def get(self, key: bytes) -> Record | None:
        return self._table.get(key)

    def follow(self, topology: Topology) -> None:
        self._table.follow(topology)

    def close(self) -> None:
        self._table.close()

    def claim(self, claim: Claim, worker: int) -> None:
        self._table.claim(claim, worker)
        record = self._table.get(claim.record.key)
        if record is not None:
            came_here = record.datacentre == claim.record.datacentre
            self._wait(record.key, claim.moved_from if came_here else "")

    def _wait(self, key: bytes, moved_from: str) -> None:
        """Of a key that moves twice, the store knows where it was first."""
        self._claims[key] = self._claims.get(key) or moved_from
        if len(self._claims) > MOST_KEYS:
            del self._claims[next(iter(self._claims))]

    def end(self, key: bytes, at: float, worker: int) -> None:
        """Only the end of what was known is written, so that nobody fills the store with ends."""
        if self._table.get(key) is not None:
            self._claims.pop(key, None)
            self._ends[key] = at
            if len(self._ends) > MOST_KEYS:
                del self._ends[next(iter(self._ends))]
        self._table.end(key, at, worker)

    # The store...

    def meet(self, pid: int) -> None:
        """The store process has spoken; another one each time it or this process was started anew."""
        if pid != self._store:
            self._store = pid
            self._tell([SHARED_ALL])

    def hear(self, number: int, records: Iterable[list[Any]], ends: Iterable[list[Any]]) -> None:
        """Raises ValueError or TypeError for anything that `StoredKeys` does not send."""
        if number == self._number:
            self._sent = ({}, {})
        for key, service, datacentre, first, until in records:
            affinity = self._table.affinity(service)
            if affinity is not None and not self._is_unwritten(key):
                last = until - affinity.idle * (1 + 1 / TOUCHES)
                self._table.adopt(Record(key, service, datacentre, first, last))
        for key, at in ends:
            known = self._table.get(key)
            if not self._is_unwritten(key) and (known is None or known.first <= at):
                self._table.end(key, at, NOBODY)

    def _is_unwritten(self, key: bytes) -> bool:
        return key in self._claims or key in self._ends or any(key in each for each in self._sent)

    def tick(self) -> None:
        self._table.tick()
        now = self._clock.monotonic()
        if any(self._sent) and now - self._sent_at >= PATIENCE:
            self._take_back()
        if not any(self._sent) and (self._claims or self._ends):
            self._sent_at = now
            self._send()

    def _take_back(self) -> None:
        claims, ends = self._sent
        for key, moved_from in claims.items():
            if key not in self._ends:
                self._claims[key] = moved_from or self._claims.get(key, "")
        self._ends = {**ends, **self._ends}
        self._sent = ({}, {})

    def _send(self) -> None:
        self._sent = _some(self._claims), _some(self._ends)
        claims, ends = self._sent
        self._number += 1
        rows = [row for key, moved_from in claims.items() if (row := self._row(key, moved_from))]
        self._tell([SHARED, self._number, rows, [[key, at] for key, at in ends.items()]])

    def _row(self, key: bytes, moved_from: str) -> list[Any]:
        """As it is now; empty if it is over."""
        record = self._table.get(key)
        affinity = self._table.affinity(record.service) if record is not None else None
        if record is None or affinity is None:
            return []
        until = until_of(record, affinity)
        return [key, record.service, record.datacentre, record.first, until, moved_from]


def _some(waiting: dict[bytes, T]) -> dict[bytes, T]:
    """Taken out of what waits, those first that have waited for longest."""
    return {key: waiting.pop(key) for key in list(waiting)[:BATCH]}
