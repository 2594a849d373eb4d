"""Learned keys: which datacentre a conversation is in, by the key that its client sends.

    worker  ControlLink ── learned [claims, ended] ──▶ control: `Table` ── learned [records, gone] ──▶ other workers
            `Known`: a copy                             first come, first kept

**Record**: key (hashed with its service), datacentre, when it was first and last seen. **Claim**: what a worker says it
has seen; the first claim for a key holds, a later one only refreshes it, unless it says from where the key has moved.

Claims go into a `Table` and do not wait; what holds comes out of `on_record` and `on_gone`, whoever caused it.
`MemoryTable` keeps all in this process, and in a journal on disk; `shared.SharedTable` shares it with other edges.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Protocol

from steer.clock import Clock
from steer.sessions.affinity.quota import Quota
from steer.steering.model import Affinity, Topology

MOST_KEYS = 65_536
"""Records in all: 20 MiB in each process, and 54 new conversations a second of 20 minutes each. Past it the one that
was not seen for longest is forgotten: its client is placed by the hash of its key, where it mostly was before."""
TOUCHES = 8
"""A record is refreshed at most so often within its service's `idle`, whoever sees it: so a busy conversation costs
eight messages in that time, and who only heard of it may keep it an eighth longer."""
REMEMBER_ENDED = 60.0
"""Seconds for which a key that has ended cannot be claimed again by who had not heard of it."""
CROSSING = 5.0
"""Seconds within which claims of two workers may cross on their way: then the one that saw the key first is right."""
ECHO = 1.0
"""Seconds by which a record must have been seen later for that to be news: less is what this edge has said itself."""
SWEEP_EVERY = 30.0
"""Seconds between two looks at all records for those that are over: ten milliseconds for a full table."""

NOBODY = -1


def digest(service: str, key: bytes) -> bytes:
    """16 bytes that stand for a key: its text may be personal, and stays out of files and messages."""
    return blake2b(key, digest_size=16, key=service.encode()[:64], person=b"steer learned").digest()


def id_of(key: bytes) -> int:
    """int64 of a digest, for counting who is still there."""
    return int.from_bytes(key[:8], "big", signed=True)


@dataclass(frozen=True, slots=True)
class Record:
    """Where a key is. Times are wall seconds. `key` is a `digest`."""

    key: bytes
    service: str
    datacentre: str
    first: float
    last: float


@dataclass(frozen=True, slots=True)
class Claim:
    """`moved_from`: the datacentre that this key was known to be in; empty: it was not known, or is where it was."""

    record: Record
    client: str
    moved_from: str = ""


def is_over(record: Record, affinity: Affinity, now: float) -> bool:
    """Idle for too long, or too old. Others may have seen it up to an eighth of `idle` later than they said."""
    if now > record.last + affinity.idle * (1 + 1 / TOUCHES):
        return True
    return affinity.longest is not None and now > record.first + affinity.longest


class Table(Protocol):
    """See the module."""

    def claim(self, claim: Claim, worker: int) -> None: ...
    def end(self, key: bytes, at: float, worker: int) -> None:
        """The conversation is over, since wall time `at`."""

    def records(self) -> Iterator[Record]:
        """All that hold, those seen last first."""

    def get(self, key: bytes) -> Record | None: ...
    def tick(self) -> None:
        """Ten times a second."""

    def follow(self, topology: Topology) -> None:
        """Another configuration holds."""

    def close(self) -> None: ...


class Listener(Protocol):
    """Who hears what holds. `by` is the worker that said so itself, or NOBODY."""

    def on_record(self, record: Record, by: int) -> None: ...
    def on_gone(self, key: bytes, by: int) -> None: ...


class Log(Protocol):
    """Where records outlive the process: `journal.Journal`."""

    def load(self) -> Iterator[Record]: ...
    def put(self, record: Record) -> None: ...
    def drop(self, key: bytes) -> None: ...
    def tick(self, records: Callable[[], Iterator[Record]], count: int) -> None: ...
    def close(self) -> None: ...


class MemoryTable:
    """The `Table` of one edge."""

    def __init__(self, topology: Topology, clock: Clock, log: Log, listener: Listener) -> None:
        self._clock = clock
        self._log = log
        self._listener = listener
        self._quota = Quota()
        self._records: OrderedDict[bytes, Record] = OrderedDict()
        """The one that was seen last is the last."""
        self._ended: OrderedDict[bytes, float] = OrderedDict()
        self._sweep_at = 0.0
        self._set(topology)
        self._take_over()

    def __repr__(self) -> str:
        return f"<MemoryTable [{len(self._records)} keys]>"

    def _set(self, topology: Topology) -> None:
        self._affinities = learning(topology)
        self._datacentres = frozenset(topology.datacentres)

    def _take_over(self) -> None:
        now = self._clock.wall()
        for record in sorted(self._log.load(), key=lambda record: record.last)[-MOST_KEYS:]:
            if self._holds(record, now):
                self._records[record.key] = record

    def _holds(self, record: Record, now: float) -> bool:
        affinity = self._affinities.get(record.service)
        return affinity is not None and record.datacentre in self._datacentres and not is_over(record, affinity, now)

    def follow(self, topology: Topology) -> None:
        self._set(topology)
        self._sweep()

    def records(self) -> Iterator[Record]:
        return reversed(self._records.values())

    def get(self, key: bytes) -> Record | None:
        return self._records.get(key)

    def claim(self, claim: Claim, worker: int) -> None:
        record, now = claim.record, self._clock.wall()
        known = self._records.get(record.key)
        if known is not None and not self._holds(known, now):
            self._forget(known.key, NOBODY)
            known = None
        if record.first <= self._ended.get(record.key, -1.0) or not self._holds(record, now):
            self._listener.on_gone(record.key, NOBODY)
        elif known is None:
            self._learn(claim, worker, now)
        elif 0 < known.first - record.first < CROSSING and not claim.moved_from:
            self._keep(replace(record, last=max(known.last, record.last)), worker)
        elif claim.moved_from == known.datacentre != record.datacentre:
            self._keep(replace(known, datacentre=record.datacentre, last=max(known.last, record.last)), worker)
        else:
            self._refresh(known, record, worker)

    def _learn(self, claim: Claim, worker: int, now: float) -> None:
        if not self._quota.take(claim.client, now):
            self._listener.on_gone(claim.record.key, NOBODY)
            return
        self._make_room()
        self._keep(claim.record, worker)

    def _make_room(self) -> None:
        if len(self._records) >= MOST_KEYS:
            self._forget(next(iter(self._records)), NOBODY)

    def adopt(self, record: Record) -> None:
        """What all edges have agreed upon: it holds, whatever was known here."""
        known = self._records.get(record.key)
        if record.first <= self._ended.get(record.key, -1.0) or not self._holds(record, self._clock.wall()):
            return
        if known is None:
            self._make_room()
        elif (known.datacentre, known.first) == (record.datacentre, record.first) and record.last < known.last + ECHO:
            return
        last = record.last if known is None else max(known.last, record.last)
        self._keep(replace(record, last=last), NOBODY)

    def affinity(self, service: str) -> Affinity | None:
        """None: it learns no keys (any more)."""
        return self._affinities.get(service)

    def _refresh(self, known: Record, seen: Record, worker: int) -> None:
        """What the worker says of where the key is counts only as far as it is right."""
        is_right = (seen.datacentre, seen.first) == (known.datacentre, known.first)
        self._keep(replace(known, last=max(known.last, seen.last)), worker if is_right else NOBODY)

    def _keep(self, record: Record, worker: int) -> None:
        self._records[record.key] = record
        self._records.move_to_end(record.key)
        self._log.put(record)
        self._listener.on_record(record, worker)

    def end(self, key: bytes, at: float, worker: int) -> None:
        self._ended[key] = at
        self._ended.move_to_end(key)
        if len(self._ended) > MOST_KEYS:
            self._ended.popitem(last=False)
        if key in self._records:
            self._forget(key, worker)

    def _forget(self, key: bytes, worker: int) -> None:
        del self._records[key]
        self._log.drop(key)
        self._listener.on_gone(key, worker)

    def tick(self) -> None:
        now = self._clock.wall()
        while self._ended and next(iter(self._ended.values())) + REMEMBER_ENDED < now:
            self._ended.popitem(last=False)
        if now >= self._sweep_at:
            self._sweep()
        self._log.tick(self.records, len(self._records))

    def _sweep(self) -> None:
        now = self._clock.wall()
        self._sweep_at = now + SWEEP_EVERY
        for record in [record for record in self._records.values() if not self._holds(record, now)]:
            self._forget(record.key, NOBODY)

    def close(self) -> None:
        self._log.close()


def learning(topology: Topology) -> Mapping[str, Affinity]:
    """The services that learn keys."""
    affinities = {service.name: service.affinity for service in topology.services.values()}
    return {name: affinity for name, affinity in affinities.items() if affinity and affinity.kind != "cookie"}
