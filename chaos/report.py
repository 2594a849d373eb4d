"""The report of a run: the model that its JSON is made of, and how it comes out of a result."""

from __future__ import annotations

import platform
import re
import subprocess
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version

from pydantic import BaseModel, ConfigDict

from bench.machine import commit, machine
from chaos.checks import CHECKS
from chaos.engines import PROGRAM, faketime
from chaos.evidence import Breach
from chaos.history import Op, of_key
from chaos.rig import Result

SHOWN = 24
"""Operations of a history at most; around those that the breach names."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Story(_Part):
    """A breach, and the operations of its key: that one of all breaches of the promise with the fewest."""

    promise: str
    key: str
    what: str
    operations: tuple[str, ...]


class Report(_Part):
    """One run. `breaches` by promise; `operations` by kind and outcome; `latency` in milliseconds, of what was answered
    ok; `lost_with_site`: acknowledged `local` writes that went with a site, by loss, as is said that they may."""

    seed: int
    seconds: float
    engines: str
    through: str
    replication: str
    control: str
    profile: str
    left_out: tuple[str, ...]
    commit: str
    changed: bool
    machine: dict[str, str]
    versions: dict[str, str]
    faults: tuple[str, ...]
    operations: dict[str, dict[str, int]]
    acknowledged: dict[str, int]
    latency: dict[str, float]
    converged: float | None
    moves: int
    lost_with_site: tuple[int, ...]
    max_pending: int
    breaches: dict[str, int]
    stories: tuple[Story, ...]

    @property
    def holds(self) -> bool:
        return not any(self.breaches.values())


def report(result: Result, profile: str, left_out: Sequence[str]) -> Report:
    plan, (name, changed) = result.plan, commit()
    found = Counter(breach.promise for breach in result.breaches)
    return Report(
        seed=plan.seed,
        seconds=plan.seconds,
        engines=plan.engines,
        through=plan.through,
        replication=plan.replication,
        control=plan.control,
        profile=profile,
        left_out=tuple(left_out),
        commit=name,
        changed=changed,
        machine=machine(),
        versions=versions(),
        faults=tuple(f"{step.at:.1f} s: {step}" for step in plan.steps),
        operations=operations(result.ops),
        acknowledged=dict(Counter(op.acknowledge for op in result.ops if op.is_write and op.outcome == "ok")),
        latency=latency(result.ops),
        converged=result.converged,
        moves=result.moves,
        lost_with_site=tuple(result.lost_locally.values()),
        max_pending=plan.max_pending,
        breaches={name: found[name] for name in CHECKS},
        stories=stories(result.ops, result.breaches),
    )


def versions() -> dict[str, str]:
    """Of what took part."""
    said = subprocess.run([str(PROGRAM), "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"v=(\S+)", said)
    return {
        "redis": found[1] if found else "unknown",
        "redis-py": version("redis"),
        "python": platform.python_version(),
        "libfaketime": "installed" if faketime() else "not installed",
    }


def operations(ops: Sequence[Op]) -> dict[str, dict[str, int]]:
    counted: dict[str, Counter[str]] = {}
    for op in ops:
        counted.setdefault(op.f, Counter())[op.outcome] += 1
    return {f: dict(counts) for f, counts in sorted(counted.items())}


def latency(ops: Sequence[Op]) -> dict[str, float]:
    took = sorted((op.ended - op.began) * 1000 for op in ops if op.outcome == "ok")
    if not took:
        return {}
    at = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {name: round(took[min(len(took) - 1, int(share * len(took)))], 1) for name, share in at.items()}


def stories(ops: Sequence[Op], breaches: Sequence[Breach]) -> tuple[Story, ...]:
    """One for each promise."""
    told = []
    for promise in CHECKS:
        of_promise = [breach for breach in breaches if breach.promise == promise]
        if of_promise:
            shortest = min(of_promise, key=lambda breach: len(of_key(ops, breach.key)))
            told.append(Story(**vars_of(shortest), operations=lines(of_key(ops, shortest.key), shortest.what)))
    return tuple(told)


def vars_of(breach: Breach) -> dict[str, str]:
    return {"promise": breach.promise, "key": breach.key, "what": breach.what}


def lines(ops: Sequence[Op], what: str) -> tuple[str, ...]:
    """All if they are few; else those that the breach is about, and their neighbours."""
    words = set(re.findall(r"[\w-]+", what))
    named = [n for n, op in enumerate(ops) if {op.value, op.seen, op.stamp} & words]
    near = {n for at in named for n in range(at - 2, at + 3)}
    shown = [op for n, op in enumerate(ops) if len(ops) <= SHOWN or n in near]
    return tuple(op.line() for op in shown[:SHOWN])
