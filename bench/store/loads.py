"""The loads of one place: redis-benchmark as it is installed, and the paced client of our own."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import asdict, dataclass
from typing import Literal

from bench.loads import LoadFailed
from bench.machine import ROOT
from bench.processes import run_to_end
from bench.proxies import program
from bench.store.paced import Pace, Seen
from bench.store.places import Place

CONNECTIONS = 50
KEYS = 10_000
SIZE = 1024
"""Bytes of a value: a session of a shop or a content management system has 0.5 to 4 KiB."""
PACE = 1000
"""Single GETs a second: what 50 connections ask for in a closed loop would measure nothing but the place's speed."""

Kind = Literal["set", "get"]


@dataclass(frozen=True, slots=True)
class Load:
    """`pipeline` 0: paced. `most` is the p99 in milliseconds over that of a Redis, `rate` what must be reached."""

    name: str
    kind: Kind
    pipeline: int
    rate: int | None = None
    over_ms: float | None = None


LOADS = (
    Load("SET, pipelined 16", "set", 16, rate=10_000),
    Load("GET, pipelined 16", "get", 16, rate=20_000),
    Load("SET, single", "set", 1),
    Load("GET, single", "get", 1),
    Load(f"GET, {PACE:,}/s", "get", 0, over_ms=1.0),
)


@dataclass(frozen=True, slots=True)
class Sample:
    """One load on one place. Microseconds of CPU are for each command: of the process that serves, and of the Redis
    behind it."""

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    engine_us: float


def sample(place: Place, load: Load, commands: int, cpu: int) -> Sample:
    """`commands` of this load, from `cpu`. Raises LoadFailed, ProcessEnded."""
    before = place.cpu_ns()
    seen = paced(place.port, commands, cpu) if not load.pipeline else benchmark(place.port, load, commands, cpu)
    own, engine = place.used(before, place.cpu_ns())
    return Sample(seen.per_second, seen.p50_ms, seen.p99_ms, own / 1e3 / commands, engine / 1e3 / commands)


def benchmark(port: int, load: Load, commands: int, cpu: int) -> Seen:
    """redis-benchmark, which ends itself at the first error among the replies."""
    words = ["-p", str(port), "-t", load.kind, "-d", str(SIZE), "-c", str(CONNECTIONS), "-P", str(load.pipeline)]
    argv = [program("redis-benchmark"), *words, "-n", str(commands), "-r", str(KEYS), "-e", "--csv"]
    ended = run_to_end(argv, cpu, ROOT, timeout_s=120)
    rows = [row for row in csv.reader(ended.output.splitlines()) if row[:1] == [load.kind.upper()]]
    if ended.status != 0 or not rows:
        raise LoadFailed(ended.last_line)
    _, rate, _, _, p50, _, p99, _ = rows[0]
    return Seen(float(rate), float(p50), float(p99))


def paced(port: int, commands: int, cpu: int) -> Seen:
    """GETs at `PACE`, each timed from when it was due."""
    argument = json.dumps(asdict(Pace(port, PACE, commands / PACE, CONNECTIONS, KEYS)))
    ended = run_to_end([sys.executable, "-m", "bench.store.paced", argument], cpu, ROOT, timeout_s=120)
    if ended.status != 0:
        raise LoadFailed(ended.last_line)
    return Seen(**json.loads(ended.output))
