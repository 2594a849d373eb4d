"""Control's side of learned keys: takes what workers claim, tells the others what holds.

A worker is told what others have said, or what is not as it thought; never its own words. One that has just begun is
told everything, those keys first that were seen last.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from steer.sessions.affinity.learned import Claim, Record, Table

LEARNED = "learned"
"""The kind of message, both ways: [kind, pid, [claims, ended]] from workers, [kind, records, gone] to them."""

MOST_AT_ONCE = 8192
"""Records in one message: 0.8 MiB, less than may wait for a worker before it is dropped as too slow. A full table
reaches a new worker within a second."""


class Spreading:
    """Call `tick` ten times a second. `tell` sends a message to one worker, `workers` are those that are connected."""

    def __init__(self, tell: Callable[[int, object], None], workers: Callable[[], frozenset[int]]) -> None:
        self._tell = tell
        self._workers = workers
        self._table: Table | None = None
        self._changed: dict[bytes, int] = {}
        """Key -> the worker that said so itself."""
        self._gone: dict[bytes, int] = {}
        self._backlogs: dict[int, list[bytes]] = {}

    def begin(self, table: Table) -> None:
        self._table = table

    @property
    def table(self) -> Table:
        assert self._table is not None
        return self._table

    # The table's side...

    def on_record(self, record: Record, by: int) -> None:
        self._changed[record.key] = by

    def on_gone(self, key: bytes, by: int) -> None:
        self._changed.pop(key, None)
        self._gone[key] = by

    # The workers' side...

    def take(self, worker: int, claims: list[Any], ended: list[Any]) -> None:
        """Raises ValueError or TypeError for anything that `Known` does not send."""
        for key, at in ended:
            self.table.end(key, at, worker)
        for claim in claims:
            self.table.claim(_claim(claim), worker)

    def meet(self, worker: int) -> None:
        """It has connected, and may know nothing."""
        self._backlogs[worker] = [record.key for record in self.table.records()]
        self._send_backlog(worker)

    def lose(self, worker: int) -> None:
        self._backlogs.pop(worker, None)

    def tick(self) -> None:
        self.table.tick()
        self._send_changes()
        for worker in tuple(self._backlogs):
            self._send_backlog(worker)

    def _send_changes(self) -> None:
        gone, self._gone = self._gone, {}
        changed = [self._changed.popitem() for _ in range(min(len(self._changed), MOST_AT_ONCE))]
        if not gone and not changed:
            return
        for worker in self._workers():
            news = self._records([key for key, by in changed if by != worker])
            ends = [key for key, by in gone.items() if by != worker]
            if news or ends:
                self._tell(worker, [LEARNED, news, ends])

    def _send_backlog(self, worker: int) -> None:
        backlog = self._backlogs[worker]
        records = self._records(backlog[:MOST_AT_ONCE])
        del backlog[:MOST_AT_ONCE]
        if not backlog:
            del self._backlogs[worker]
        if records:
            self._tell(worker, [LEARNED, records, []])

    def _records(self, keys: list[bytes]) -> list[list[Any]]:
        """As they are now: one may have changed, or gone, since it was put on the list."""
        records = (self.table.get(key) for key in keys)
        return [[r.key, r.service, r.datacentre, r.first, r.last] for r in records if r is not None]


def _claim(plain: list[Any]) -> Claim:
    key, service, datacentre, first, last, client, before = plain
    return Claim(Record(key, service, datacentre, first, last), client, before)
