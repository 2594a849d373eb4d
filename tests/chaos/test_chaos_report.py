"""The report: counts, the shortest history of a breach, the exit status of the command."""

from __future__ import annotations

import pytest

from chaos.__main__ import main
from chaos.evidence import Breach
from chaos.history import Op
from chaos.profiles import control_plan, plan
from chaos.render import render, summary
from chaos.report import SHOWN, Report, lines, report, stories
from chaos.rig import Result
from tests.chaos.telling import put, saw, stamp
from tests.kit.redis import needs_redis

pytestmark = needs_redis


def made(*breaches: Breach) -> Report:
    ops = [
        put("a", 1.0),
        put("b", 2.0, outcome="info", stamp=""),
        saw("a", 3.0, at=1.05),
        put("c", 4.0, key="reg:all:2"),
    ]
    wanted, left_out = plan(5, 60.0, "faults", "standalone", "sites")
    return report(Result(wanted, ops, breaches, 0.5), "faults", left_out)


def test_a_report_counts_by_kind_and_outcome() -> None:
    it = made()
    assert it.operations == {"get": {"ok": 1}, "put": {"ok": 2, "info": 1}}
    assert it.acknowledged == {"all": 2}
    assert it.holds
    assert Report.model_validate_json(it.model_dump_json()) == it


def test_a_breach_is_told_by_the_key_with_the_fewest_operations() -> None:
    it = made(Breach("lost", "reg:all:1", "a is gone"), Breach("lost", "reg:all:2", "c is gone"))
    assert it.breaches["lost"] == 2
    assert not it.holds
    (story,) = it.stories
    assert (story.key, len(story.operations)) == ("reg:all:2", 1)


def test_a_long_history_is_cut_to_what_the_breach_is_about() -> None:
    ops: list[Op] = [put(f"v{n}", float(n)) for n in range(100)]
    shown = lines(ops, f"v50, acknowledged (all) at {stamp(50.05)}; last is {stamp(20.05)}")
    assert len(shown) <= SHOWN
    assert [word for word in ("v20", "v50") if not any(f" {word} " in line for line in shown)] == []


def test_a_history_of_nothing_has_no_story() -> None:
    assert stories([], []) == ()


def test_the_page_has_seed_versions_and_every_promise() -> None:
    page = render(made(Breach("late", "reg:all:1", "a took effect 3 s after its client was told info")))
    for word in ("Seed 5", "redis", "python", "| late | 1 |", "| lost | 0 |", "the sites agreed 0.5 s after"):
        assert word in page


def test_several_runs_have_a_line_each() -> None:
    assert len(summary([made(), made()]).splitlines()) == 4


def test_the_command_refuses_what_cannot_be_run() -> None:
    with pytest.raises(SystemExit) as refused:
        main(["--minutes", "0"])
    assert refused.value.code == 2


def test_a_controls_plan_is_its_own() -> None:
    assert control_plan(1, "wall-clock").control == "wall-clock"
