"""The detectors that look at the last seconds of a node, and of its peers: failure share, peers, slow.

Runs (`detectors.py`) catch a node that fails at everything. These catch one that fails at some of it: half of it
(`failure_share`), clearly more than others that do the same work (`peers`), or much more slowly (`slow`).

A node's peers are the other available nodes of its pool in its datacentre; where there are none there, those of the
pool elsewhere. Their requests are pooled, so that one of them that fails too weighs no more than its part.

`failure_share` cannot tell a node that fails from a page that fails, so no client and no path may stand out among the
failures that it counts. `peers` can (a page fails everywhere): there clients may not stand out, since a client may be
tied to one node, and more than one path must fail.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

from steer.steering.detectors import FAILURE_SHARE, PEERS, SLOW, Alarm
from steer.steering.latencies import Latencies
from steer.steering.model import Ejection, Mode
from steer.steering.proportions import newcombe
from steer.steering.window import Tally, Window

if TYPE_CHECKING:
    from steer.steering.records import Record

LOOK_EVERY = 0.5
"""Seconds between two looks at all nodes: a twentieth of the shortest default window."""

SLOW_WINDOW = 10.0
"""Seconds. Three of them make half a minute: a deployment or a full garbage collection is over by then."""

LEAST_ANSWERS = 20
"""Of a window for a p95: of fewer it is just the slowest one."""


class Track:
    """What the windows hold of one node, for as long as it is serving without a break."""

    def __init__(self, rules: Ejection) -> None:
        self._rules = rules
        self.share = Window(rules.share.window)
        self.peers = Window(rules.peers.window)
        self.latencies = Latencies(SLOW_WINDOW)
        self.slow_windows = 0
        """In a row, up to the last whole one."""

    def succeed(self, count: int, mono: float) -> None:
        self.share.succeed(count, mono)
        self.peers.succeed(count, mono)

    def fail(self, client: str, path: str, mono: float) -> None:
        self.share.fail(client, path, mono)
        self.peers.fail(client, path, mono)

    def clear(self) -> None:
        self.share.clear()
        self.peers.clear()
        self.latencies.clear()
        self.slow_windows = 0


@dataclass(frozen=True, slots=True)
class Reading:
    """What one detector sees of a node now: in words, in numbers, and whether that is enough to act."""

    detector: str
    mode: Mode
    says: str
    is_enough: bool = False
    numbers: Mapping[str, float] = field(default_factory=dict)


class Lookout:
    """When to look, and what has been looked at already."""

    def __init__(self) -> None:
        self._next = 0.0
        self._window = 0

    def alarms(self, pools: Sequence[Sequence[Record]], mono: float) -> Iterator[tuple[Record, Alarm]]:
        """What is enough, node after node: act on each before the next, since it changes who are whose peers."""
        if mono < self._next:
            return
        self._next = mono + LOOK_EVERY
        if int(mono // SLOW_WINDOW) != self._window:
            self._window = int(mono // SLOW_WINDOW)
            for pool in pools:
                _count_slow_windows(pool, mono)
        for pool in pools:
            for record in pool:
                yield from _alarms_of(record, pool, mono)


def _alarms_of(record: Record, pool: Sequence[Record], mono: float) -> Iterator[tuple[Record, Alarm]]:
    rules = record.pool.ejection
    looks = (
        (rules.share.mode, record.track.share.seen(mono).share >= rules.share.share, share_reading),
        (rules.peers.mode, record.track.peers.seen(mono).share > rules.peers.difference, peers_reading),
        (rules.slow.mode, record.track.slow_windows >= rules.slow.windows, slow_reading),
    )
    for mode, is_worth_reading, read in looks:
        if mode is not Mode.OFF and is_worth_reading and record.is_available:
            reading = read(record, pool, mono)
            if reading.is_enough:
                yield record, Alarm(reading.detector, mode, reading.says)


def readings(record: Record, pool: Sequence[Record], mono: float) -> tuple[Reading, ...]:
    """All three, for `explain`; without those that are off. `pool`: all records of its pool."""
    found = (read(record, pool, mono) for read in (share_reading, peers_reading, slow_reading))
    return tuple(reading for reading in found if reading.mode is not Mode.OFF)


def peers_of(record: Record, pool: Sequence[Record]) -> list[Record]:
    others = [other for other in pool if other is not record and other.is_available]
    return [other for other in others if other.node.datacentre == record.node.datacentre] or others


# Failure share...


def share_reading(record: Record, pool: Sequence[Record], mono: float) -> Reading:
    rule, window = record.pool.ejection.share, record.track.share
    counted = window.by_clients_and_paths(mono)
    says = f"{_failed(counted)} in {rule.window:g} s{_left_out(window.seen(mono), counted)}"
    if counted.requests < rule.requests:
        says += f"; it takes {rule.requests} requests"
    else:
        says += f"; it takes {rule.share:.0%}".replace("%", " %")
    is_enough = counted.requests >= rule.requests and counted.share >= rule.share
    return Reading(FAILURE_SHARE, rule.mode, says, is_enough, _numbers(counted))


# Against its peers...


def peers_reading(record: Record, pool: Sequence[Record], mono: float) -> Reading:
    """Newcombe's 95 % interval of how much more of its requests fail than of its peers' (`proportions.newcombe`)."""
    rule, window = record.pool.ejection.peers, record.track.peers
    peers = peers_of(record, pool)
    own = window.by_clients(mono)
    others = sum((peer.track.peers.by_clients(mono) for peer in peers), Tally())
    says = f"{_failed(own)} in {rule.window:g} s{_left_out(window.seen(mono), own)}"
    numbers = {**_numbers(own), "peers": len(peers), "peer_failures": others.failures, "peer_requests": others.requests}
    if not peers:
        return Reading(PEERS, rule.mode, f"{says}; it has no peers now", numbers=numbers)
    says += f"; of its peers {_failed(others)}"
    if own.requests < rule.requests or others.requests < rule.requests:
        return Reading(PEERS, rule.mode, f"{says}; it takes {rule.requests} requests on each side", numbers=numbers)
    interval = newcombe(own.failures, own.requests, others.failures, others.requests)
    says += (
        f": with 95 % confidence {_points(interval.low)} to {_points(interval.high)} points more than they; "
        f"it takes more than {_points(rule.difference)}"
    )
    numbers |= {"low": interval.low, "high": interval.high}
    return Reading(PEERS, rule.mode, says, interval.low > rule.difference, numbers)


# Slow...


def slow_reading(record: Record, pool: Sequence[Record], mono: float) -> Reading:
    rule = record.pool.ejection.slow
    own, others = _p95(record, mono), _median_p95(record, pool, mono)
    if own is None or others is None:
        whose = "it" if own is None else "its peers"
        says = f"{whose} gave fewer than {LEAST_ANSWERS} answers in {SLOW_WINDOW:g} s"
        return Reading(SLOW, rule.mode, says)
    says = (
        f"p95 {own:.3g} s, the median of its peers' {others:.3g} s: slow in {record.track.slow_windows} windows of "
        f"{SLOW_WINDOW:g} s in a row; it takes {rule.windows} over {rule.floor:g} s and {rule.times:g} x its peers"
    )
    is_enough = record.track.slow_windows >= rule.windows
    return Reading(SLOW, rule.mode, says, is_enough, {"p95": own, "peers_p95": others})


def _count_slow_windows(pool: Sequence[Record], mono: float) -> None:
    """One more window is whole. One with too few answers ends a row of slow ones."""
    slow = [_is_slow(record, pool, mono) for record in pool]
    for record, is_slow in zip(pool, slow, strict=True):
        record.track.slow_windows = record.track.slow_windows + 1 if is_slow else 0


def _is_slow(record: Record, pool: Sequence[Record], mono: float) -> bool:
    rule = record.pool.ejection.slow
    own = _p95(record, mono)
    if own is None or own <= rule.floor:
        return False  # as nearly all are: only the others are compared with the whole pool
    others = _median_p95(record, pool, mono)
    return others is not None and own > rule.times * others


def _median_p95(record: Record, pool: Sequence[Record], mono: float) -> float | None:
    found = [p95 for peer in peers_of(record, pool) if (p95 := _p95(peer, mono)) is not None]
    return median(found) if found else None


def _p95(record: Record, mono: float) -> float | None:
    return record.track.latencies.of_last_window(mono, LEAST_ANSWERS)


# Words...


def _failed(tally: Tally) -> str:
    return f"{100 * tally.share:.1f} % of {tally.requests} requests failed"


def _left_out(seen: Tally, counted: Tally) -> str:
    left_out = seen.failures - counted.failures
    return f" (not counted: {left_out} failures that only one client or one path bears out)" if left_out else ""


def _points(share: float) -> str:
    return f"{100 * share:.1f}".removesuffix(".0")


def _numbers(tally: Tally) -> dict[str, float]:
    return {"failures": tally.failures, "requests": tally.requests}
