"""The rig with real engines and store processes: a minute of faults under load, and every promise holds."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from chaos.engines import faketime
from chaos.rig import Plan, run
from chaos.schedule import CLOCKS, Fault, schedule
from tests.kit.redis import needs_redis

SEED, SECONDS = 3, 60.0


def faults() -> list[Fault]:
    return [fault for fault in Fault if faketime() or fault not in CLOCKS]


@needs_redis
async def test_the_store_keeps_every_promise_while_everything_breaks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = Plan(SEED, SECONDS, schedule(SEED, SECONDS, faults(), brisk=0.4), rate=120.0)
    result = await run(plan, tmp_path / "run", print)
    assert result.breaches == []
    assert result.converged is not None
    counts = Counter(op.f for op in result.ops if op.outcome == "ok")
    assert {"put", "put_fields", "get", "touch", "delete", "lock", "unlock"} <= counts.keys()


def test_that_run_has_every_fault_twice() -> None:
    counts = Counter(step.fault for step in schedule(SEED, SECONDS, list(Fault), brisk=0.4))
    assert {fault for fault in Fault if counts[fault] < 2} == set()
