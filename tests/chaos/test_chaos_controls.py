"""The rig can see: a store without one of its guards, or of another design, is found broken within seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.engines import faketime
from chaos.profiles import CONTROLS, control_plan
from chaos.rig import run
from chaos.settings import Control
from tests.kit.redis import needs_redis

FOUND_BY: dict[Control, set[str]] = {
    "replica": {"lost"},
    "double-write": {"diverged"},
    "no-tombstones": {"resurrected"},
    "wall-clock": {"disordered"},
    "no-not-after": {"late"},
}


@needs_redis
@pytest.mark.parametrize("control", CONTROLS)
async def test_a_store_without_its_guard_is_found_broken(control: Control, tmp_path: Path) -> None:
    if control == "wall-clock" and faketime() is None:
        pytest.skip("libfaketime is not installed (scripts/need faketime)")
    result = await run(control_plan(1, control), tmp_path / "run", print)
    assert FOUND_BY[control] <= {breach.promise for breach in result.breaches}


def test_each_control_has_its_promise() -> None:
    assert FOUND_BY.keys() == CONTROLS.keys()
