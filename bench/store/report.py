"""The report of a run: its JSON, and the table made of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from pydantic import BaseModel, ConfigDict

from bench.ratios import ratio
from bench.store.engines import Memory
from bench.store.loads import LOADS, Load, Sample
from bench.store.shipping import Shipped

TITLES = {
    "redis": "Redis straight",
    "memory": "steer, memory engine",
    "engine": "steer over a Redis",
    "sealed": "steer over a Redis, sealed",
}
HEAD = (
    *("load", "place", "commands/s", "CPU", "1 s / CPU", "CPU, times Redis (least to greatest)"),
    *("the Redis behind", "p50 ms", "p99 ms", "must be"),
)
QUIET_MS = 5.0
"""A Redis whose own p99 is above this was kept from its CPU: a difference to it says nothing."""
SHIPPED = 10_000
"""Records a second that a shipper must carry."""
TIMES = 1.6
"""Times the memory of a plain string that a session may cost."""


class Result(BaseModel):
    """One load on one place, round by round; `broken` says why there are no more."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    load: str
    place: str
    samples: tuple[Sample, ...]
    broken: str = ""


class Report(BaseModel):
    """`busy`: load averages over one minute at the beginning and at the end."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    started: str
    commit: str
    changed: bool
    machine: dict[str, str]
    versions: dict[str, str]
    rounds: int
    busy: tuple[float, float]
    results: tuple[Result, ...]
    memory: Memory
    shipped: Shipped
    shipped_through_an_edge: Shipped


def render(report: Report) -> str:
    """The page."""
    machine = "; ".join(f"{key}: {value}" for key, value in report.machine.items())
    versions = ", ".join(f"{name} {number}" for name, number in report.versions.items())
    changes = " with changes that are not committed" if report.changed else ""
    return "\n".join(
        [
            "# What the session store costs beside a Redis",
            "",
            f"{report.started}, commit {report.commit}{changes}. {machine}. {versions}. "
            f"{report.rounds} rounds in turns; load average {report.busy[0]:.1f} before, {report.busy[1]:.1f} after. "
            "The method: the docstring of `bench/store`.",
            "",
            "Medians of the rounds. CPU is of the process that serves, in microseconds for each command; "
            "`1 s / CPU` is what it would serve with a CPU of its own.",
            "",
            *_loads(report.results),
            "",
            _shipped("A shipper carried", report.shipped),
            "",
            _shipped("Through an edge of the other site it carried", report.shipped_through_an_edge),
            "",
            _memory(report.memory),
            "",
        ]
    )


def _loads(results: Sequence[Result]) -> list[str]:
    lines = [f"| {' | '.join(HEAD)} |", "|" + " --- |" * len(HEAD)]
    for load in LOADS:
        by_place = {each.place: each for each in results if each.load == load.name}
        lines += [_row(load, each, by_place.get("redis")) for each in by_place.values()]
    return lines


def _row(load: Load, result: Result, straight: Result | None) -> str:
    title = TITLES[result.place]
    if not result.samples:
        return f"| {load.name} | {title} | broken: {result.broken} |" + " |" * 7
    rate, cpu = middle(result, lambda it: it.per_second), middle(result, lambda it: it.cpu_us)
    cells = [load.name, title, f"{rate:,.0f}", f"{cpu:.1f}", f"{1e6 / cpu:,.0f}", _times(result, straight)]
    engine = middle(result, lambda it: it.engine_us)
    cells += [f"{engine:.1f}" if engine else ""]
    cells += [f"{middle(result, lambda it: it.p50_ms):.2f}", f"{middle(result, lambda it: it.p99_ms):.2f}"]
    return f"| {' | '.join([*cells, verdict(load, result, straight)])} |"


def middle(result: Result, of: Callable[[Sample], float]) -> float:
    return median(map(of, result.samples))


def _times(result: Result, straight: Result | None) -> str:
    if straight is None or straight is result:
        return ""
    pairs = ratio([it.cpu_us for it in result.samples], [it.cpu_us for it in straight.samples])
    return f"**{pairs.median:.1f}** ({pairs.least:.1f} to {pairs.greatest:.1f})" if pairs else ""


def verdict(load: Load, result: Result, straight: Result | None) -> str:
    """What must be, and whether it was."""
    if result is straight:
        return ""
    if load.rate is not None:
        return met(f"{load.rate:,}/s", middle(result, lambda it: it.per_second) >= load.rate)
    if load.over_ms is None or straight is None or not straight.samples:
        return ""
    own = middle(straight, lambda it: it.p99_ms)
    over = middle(result, lambda it: it.p99_ms) - own
    if own > QUIET_MS:
        return f"p99 at most {load.over_ms:g} ms over Redis: nothing to say, Redis itself took {own:.0f} ms"
    return met(f"p99 at most {load.over_ms:g} ms over Redis ({over:+.2f})", over <= load.over_ms)


def met(words: str, is_met: bool) -> str:
    return f"{words}: {'met' if is_met else '**missed**'}"


def _shipped(who: str, it: Shipped) -> str:
    rate = met(f"{SHIPPED:,}/s", it.per_second >= SHIPPED)
    edge = f", {it.edge_us:.1f} us of that edge" if it.edge_us else ""
    return (
        f"{who} {it.per_second:,.0f} records/s ({rate}), for {it.cpu_us:.1f} us of its CPU, "
        f"{it.source_us:.1f} us of the Redis that it reads, {it.target_us:.1f} us of the other{edge}, each."
    )


def _memory(it: Memory) -> str:
    times = it.waiting / it.plain
    return (
        f"A session of 1 KiB takes {it.plain:,.0f} bytes as a plain string, {it.record:,.0f} as a record "
        f"({it.record / it.plain:.2f} times), {it.waiting:,.0f} while it waits for a peer as well "
        f"({met(f'{times:.2f} times, at most {TIMES:g}', times <= TIMES)})."
    )
