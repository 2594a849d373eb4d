"""How the last seconds went for one node: successes, and failures with whom they met, in a ring of small buckets.

A failure share says little of a node where one client asks again and again for one page that is broken. So a window
keeps, beside the numbers, which clients and which paths failed most, and counts what is out of proportion only as far
as it is borne out by somebody else: the failures of the client that failed most count no more than those of the next,
and so do the failures on the path that failed most. With one client, or one path, nothing is left.

Clients and paths come from outside and may be any number. Each bucket keeps the few that fail most (J. Misra and
D. Gries, "Finding repeated elements", Science of Computer Programming 2 (1982), 143-152): with K counters none is
counted too high, or too low by more than one (K + 1)th of all failures of its bucket.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

BUCKETS = 10
"""Of a window. The oldest falls out whole, so that a window is at times a tenth shorter than its length."""

MOST_KEYS = 16
"""Counters of a bucket for clients, and as many for paths: about 3 KiB a bucket when somebody tries to fill them, and
who fails more often than all others together is never off by more than a seventeenth."""


class Frequent:
    """The keys that come most often, by Misra and Gries, and whether there was more than one."""

    __slots__ = ("counts", "distinct")

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}
        self.distinct: set[int] = set()
        """The first two. `counts` may be empty of a thousand keys that came once."""

    def add(self, key: int) -> None:
        if len(self.distinct) < 2:
            self.distinct.add(key)
        counts = self.counts
        if key in counts or len(counts) < MOST_KEYS:
            counts[key] = counts.get(key, 0) + 1
            return
        self.counts = {known: count - 1 for known, count in counts.items() if count > 1}


@dataclass(frozen=True, slots=True)
class Tally:
    """Failures and all requests, of one node or of several."""

    failures: int = 0
    requests: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.failures + other.failures, self.requests + other.requests)

    @property
    def share(self) -> float:
        return self.failures / self.requests if self.requests else 0.0


@dataclass(slots=True)
class _Bucket:
    """What was counted within a tenth of the window. Keys are hashes: a path may be 32 KiB long."""

    number: int
    successes: int = 0
    failures: int = 0
    clients: Frequent = field(default_factory=Frequent)
    paths: Frequent = field(default_factory=Frequent)


class Window:
    """The last `length` seconds. `now` is monotonic and never goes back."""

    def __init__(self, length: float) -> None:
        self.length = length
        self._width = length / BUCKETS
        self._buckets: deque[_Bucket] = deque()
        self._successes = 0
        self._failures = 0

    def __repr__(self) -> str:
        return f"<Window of {self.length:g} s [{self._failures} failures, {self._successes} successes]>"

    def succeed(self, count: int, now: float) -> None:
        self._bucket(now).successes += count
        self._successes += count

    def fail(self, client: str, path: str, now: float) -> None:
        bucket = self._bucket(now)
        bucket.failures += 1
        bucket.clients.add(hash(client))
        bucket.paths.add(hash(path))
        self._failures += 1

    def clear(self) -> None:
        """A new beginning."""
        self._buckets.clear()
        self._successes = self._failures = 0

    def seen(self, now: float) -> Tally:
        """Everything, whoever met it."""
        self._forget(now)
        return Tally(self._failures, self._failures + self._successes)

    def by_clients(self, now: float) -> Tally:
        """Failures as far as more than one client met them, on more than one path."""
        self._forget(now)
        is_on_two = len({path for bucket in self._buckets for path in bucket.paths.distinct}) > 1
        failures = max(0, self._failures - self._excess("clients")) if is_on_two else 0
        return Tally(failures, failures + self._successes)

    def by_clients_and_paths(self, now: float) -> Tally:
        """Failures as far as neither one client nor one path stands out."""
        self._forget(now)
        failures = max(0, self._failures - max(self._excess("clients"), self._excess("paths")))
        return Tally(failures, failures + self._successes)

    def _excess(self, of: str) -> int:
        """By how many failures the first is ahead of the second."""
        counts: Counter[int] = Counter()
        for bucket in self._buckets:
            counts.update((bucket.clients if of == "clients" else bucket.paths).counts)
        first, second = [*(count for _, count in counts.most_common(2)), 0, 0][:2]
        return first - second

    def _bucket(self, now: float) -> _Bucket:
        self._forget(now)
        number = self._number(now)
        if not self._buckets or self._buckets[-1].number != number:
            self._buckets.append(_Bucket(number))
        return self._buckets[-1]

    def _forget(self, now: float) -> None:
        oldest = self._number(now) - BUCKETS + 1
        while self._buckets and self._buckets[0].number < oldest:
            gone = self._buckets.popleft()
            self._successes -= gone.successes
            self._failures -= gone.failures

    def _number(self, now: float) -> int:
        return int(now // self._width)
