"""What the memory engine holds of one namespace, and the operations that change it.

A change is decided (`memory_rules.py`), then logged, then done by `Shelf.do`; a restart does the same out of the log,
so that it brings back what was there. An operation is a list, as the log keeps it:

    ["r", bucket, key, packed state, packed requests, clock, sequence]   a record; with a sequence, an outbox entry too
    ["x", bucket, key]                                                   a record that is forgotten
    ["m", bucket, clock, sequence, generation, fence, acknowledged, cursors]
    ["o", bucket, id, sequence, key]                                     an outbox entry, of a dump
    ["t", bucket, id]                                                    the outbox before this id is gone
    ["c", bucket]                                                        the bucket begins anew (a dump of it follows)
    ["l", key, value or None, expires ms]                                a plain key of this site
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from steer.store.codec import pack, unpack
from steer.store.engine import Changed, Cursor, Entry, Position
from steer.store.layout import Space
from steer.store.stamp import NEVER, score_of
from steer.store.state import DELETED, UNKNOWN, State, forgotten_ms, last_stamp

LINGER_MS = 7_200_000
"""As in record.lua: a dead record stays for 2 h, so that an older state that comes late stays dead."""
Operation = list[Any]


class Kept(NamedTuple):
    """A record, and the last requests that were answered with it, packed, the newest first: eight of them apart would
    take more memory than the session."""

    state: State = UNKNOWN
    requests: bytes = b""


NOTHING = Kept()


@dataclass(slots=True)
class Bucket:
    """One of a namespace's 1024."""

    clock: str = NEVER[:17]
    sequence: int = 0
    generation: str = ""
    fence: str = ""
    acknowledged: dict[int, int] = field(default_factory=dict)
    cursors: dict[int, Cursor] = field(default_factory=dict)
    records: dict[bytes, Kept] = field(default_factory=dict)
    outbox: deque[Entry] = field(default_factory=deque)
    tidied_ms: int = 0

    def kept(self, key: bytes) -> Kept:
        return self.records.get(key, NOTHING)

    def position(self) -> Position:
        facts = (self.clock, self.sequence, self.generation, self.fence)
        return Position(*facts, dict(self.acknowledged), dict(self.cursors))

    def index(self) -> list[Changed]:
        """The change index. Made anew each time: only replication asks, and a bucket is small."""
        return sorted(Changed(score_of(last_stamp(kept.state)), key) for key, kept in self.records.items())

    def dump(self, number: int) -> Iterator[Operation]:
        """Everything, as operations."""
        yield ["c", number]
        yield self.account(number)
        yield from (["o", number, *entry] for entry in self.outbox)
        yield from (record(number, key, kept, self.clock, 0) for key, kept in self.records.items())

    def account(self, number: int) -> Operation:
        """All but records and outbox."""
        facts = [self.clock, self.sequence, self.generation, self.fence]
        return ["m", number, *facts, dict(self.acknowledged), {site: list(each) for site, each in self.cursors.items()}]


def record(number: int, key: bytes, kept: Kept, clock: str, sequence: int) -> Operation:
    """The operation that keeps this record."""
    return ["r", number, key, pack(kept.state), kept.requests, clock, sequence]


def place_of(entry_id: str) -> tuple[int, int]:
    """An entry's id, so that it compares."""
    ms, _, counter = entry_id.partition("-")
    return int(ms), int(counter or 0)


class Shelf:
    """A namespace."""

    def __init__(self) -> None:
        self.buckets: dict[int, Bucket] = {}
        self.plain: dict[bytes, tuple[bytes, int]] = {}
        self.backlog: dict[int, int] = {}
        self.plain_tidied_ms = 0
        self.next_to_tidy = 0
        self._outbox_limit = 20_000
        self._steps: dict[str, Callable[..., None]] = {
            "r": self._record,
            "x": self._forget,
            "m": self._account,
            "o": self._entry,
            "t": self._trim,
            "c": self._clear,
            "l": self._plain,
        }

    def limit_outbox(self, space: Space) -> None:
        self._outbox_limit = space.outbox

    def bucket(self, number: int) -> Bucket:
        found = self.buckets.get(number)
        if found is None:
            found = self.buckets[number] = Bucket()
        return found

    def do(self, operations: list[Operation], kept: Kept | None = None) -> None:
        """One step: all of them. `kept` is the record of the last one, if it is known and need not be unpacked."""
        for what, *rest in operations if kept is None else operations[:-1]:
            self._steps[what](*rest)
        if kept is not None:
            _, number, key, _, _, clock, sequence = operations[-1]
            self._keep(number, key, kept, clock, sequence)

    def dump(self) -> Iterator[list[Operation]]:
        """Everything, a bucket at a time."""
        for number in list(self.buckets):
            yield list(self.buckets[number].dump(number))
        yield [["l", key, value, expires] for key, (value, expires) in self.plain.items()]

    def count_backlog(self) -> None:
        """After the log was read."""
        self.backlog = {}
        for bucket in self.buckets.values():
            for site, has in bucket.acknowledged.items():
                self.backlog[site] = self.backlog.get(site, 0) + bucket.sequence - has

    def tidy(self, space: Space, number: int, now_ms: int) -> list[Operation]:
        """What is to be forgotten: as a Redis expires keys."""
        bucket = self.bucket(number)
        bucket.tidied_ms = now_ms
        return [["x", number, key] for key, kept in bucket.records.items() if expires_ms(space, kept.state) <= now_ms]

    def tidy_plain(self, now_ms: int) -> list[Operation]:
        """The plain keys that have expired."""
        self.plain_tidied_ms = now_ms
        return [["l", key, None, 0] for key, (_, expires) in self.plain.items() if expires <= now_ms]

    def _record(
        self, number: int, key: bytes, packed: dict[bytes, bytes], requests: bytes, clock: str, sequence: int
    ) -> None:
        self._keep(number, key, Kept(unpack(packed), requests), clock, sequence)

    def _keep(self, number: int, key: bytes, kept: Kept, clock: str, sequence: int) -> None:
        bucket = self.bucket(number)
        bucket.records[key] = kept
        bucket.clock = max(bucket.clock, clock)
        if sequence:
            bucket.sequence = sequence
            self._entry(number, f"{int(clock[:13])}-{int(clock[13:])}", sequence, key)

    def _forget(self, number: int, key: bytes) -> None:
        self.bucket(number).records.pop(key, None)

    def _account(
        self,
        number: int,
        clock: str,
        sequence: int,
        generation: str,
        fence: str,
        acknowledged: dict[int, int],
        cursors: dict[int, list[Any]],
    ) -> None:
        bucket = self.bucket(number)
        bucket.clock, bucket.sequence, bucket.generation, bucket.fence = clock, sequence, generation, fence
        bucket.acknowledged = dict(acknowledged)
        bucket.cursors = {site: Cursor(*each) for site, each in cursors.items()}

    def _entry(self, number: int, entry_id: str, sequence: int, key: bytes) -> None:
        outbox = self.bucket(number).outbox
        outbox.append(Entry(entry_id, sequence, key))
        while len(outbox) > self._outbox_limit:
            outbox.popleft()

    def _trim(self, number: int, before: str) -> None:
        outbox = self.bucket(number).outbox
        while outbox and place_of(outbox[0].id) < place_of(before):
            outbox.popleft()

    def _clear(self, number: int) -> None:
        self.buckets[number] = Bucket()

    def _plain(self, key: bytes, value: bytes | None, expires: int) -> None:
        if value is None:
            self.plain.pop(key, None)
        else:
            self.plain[key] = (value, expires)


def expires_ms(space: Space, state: State) -> int:
    """When a Redis would drop the key (record.lua, `expire`)."""
    grace = space.hold_ms if state.base.kind == DELETED else LINGER_MS
    return forgotten_ms(state, space.max_lifetime_ms) + grace
