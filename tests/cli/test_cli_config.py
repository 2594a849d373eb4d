from __future__ import annotations

import json

from steer.config import Change
from tests.cli.conftest import Run
from tests.kit.admin import RunningAdmin

HARMLESS = Change("pools.web.timeouts.connect", '"1s"', '"2s"')
FIXED = Change("edge.workers", "1", "2", "needs a restart: so it is")


def answering(admin: RunningAdmin, *changes: Change) -> None:
    async def found() -> tuple[Change, ...]:
        return changes

    admin.context.reload = admin.context.diff = found


async def test_diff_has_a_line_for_each_change(admin: RunningAdmin, run: Run) -> None:
    answering(admin, HARMLESS)
    result = await run("config", "diff")
    assert (result.exit_code, result.stdout) == (0, f"{HARMLESS}\n")


async def test_diff_says_no_where_a_restart_is_needed(admin: RunningAdmin, run: Run) -> None:
    answering(admin, HARMLESS, FIXED)
    result = await run("config", "diff")
    assert (result.exit_code, result.stdout) == (1, f"{HARMLESS}\n{FIXED}\n")


async def test_no_change_is_said(admin: RunningAdmin, run: Run) -> None:
    answering(admin)
    for words in (("config", "diff"), ("config", "reload", "--reason", "to be sure")):
        result = await run(*words)
        assert (result.exit_code, result.stdout) == (0, "nothing has changed\n")


async def test_reload_tells_what_it_changed(admin: RunningAdmin, run: Run) -> None:
    answering(admin, HARMLESS)
    result = await run("config", "reload", "--reason", "slow nodes", "--json")
    assert result.exit_code == 0
    assert [change["path"] for change in json.loads(result.stdout)["changes"]] == [HARMLESS.path]


async def test_a_wrong_configuration_has_a_line_for_each_problem(admin: RunningAdmin, run: Run) -> None:
    result = await run("config", "reload", "--reason", "new nodes")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "steer.yaml:3: pools.web: is not there\nsteer.yaml:4: is odd\n"


async def test_reload_needs_a_reason(admin: RunningAdmin, run: Run) -> None:
    result = await run("config", "reload")
    assert result.exit_code == 2
    assert "a change needs --reason" in result.stderr
