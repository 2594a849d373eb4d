"""The rig with real edges: faults under load, at the doors that applications use, and every promise holds."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from chaos.engines import faketime
from chaos.rig import Plan, run
from chaos.schedule import CLOCKS, SITES, Fault, Step, schedule
from tests.kit.redis import needs_redis

SEED, SECONDS = 87, 22.0
LEFT_OUT = (Fault.MOVE, Fault.ROTATE_KEY)
"""No door has the one; the other takes the ten seconds that an operator has to wait, and has tests of its own."""


def steps(*left_out: Fault) -> list[Step]:
    return schedule(SEED, SECONDS, [fault for fault in Fault if fault not in left_out], brisk=0.4)


@needs_redis
async def test_edges_keep_every_promise_while_everything_breaks(tmp_path: Path) -> None:
    left_out = LEFT_OUT if faketime() else (*LEFT_OUT, *CLOCKS)
    plan = Plan(SEED, SECONDS, steps(*left_out), through="edges", rate=100.0, patience=60.0)
    result = await run(plan, tmp_path / "run", print)
    assert result.breaches == []
    assert result.converged is not None
    counts = Counter(op.f for op in result.ops if op.outcome == "ok")
    assert {"put", "put_fields", "get", "touch", "delete", "lock", "unlock"} <= counts.keys()


def test_that_run_has_every_fault_and_kills_a_store_child_and_a_whole_edge() -> None:
    found = steps(*LEFT_OUT)
    assert {step.fault for step in found} == {*Fault} - {*LEFT_OUT}
    assert max(sum((step.fault, step.site) == (Fault.KILL_STORE, site) for step in found) for site in SITES) >= 2
