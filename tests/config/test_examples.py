"""The example configurations: each is right, and uses what is not built as listed here."""

from __future__ import annotations

from pathlib import Path

import pytest

from steer.config import load, unbuilt

EXAMPLES = Path(__file__).parents[2] / "config"

NOT_BUILT = {
    "active-active.yaml": set[str](),
    "regional-canary.yaml": {"plans"},
    "passive-cluster.yaml": {
        "groups.transfer.failover.plan",
        "groups.transfer.failback.plan",
        "groups.transfer.readiness",
        "plans",
    },
    "ecosystem-swap.yaml": {
        "edges.edge-witness.role",
        "coordination",
        "groups.tasks-portal.failover.automatic",
        "groups.tasks-portal.failback.automatic",
    },
    "pilot-light.yaml": {
        "edges.edge-witness.role",
        "coordination",
        "groups.django.writes",
        "groups.django.failover.automatic",
        "groups.django.failover.plan",
        "groups.django.failback.plan",
        "groups.django.rpo_probe",
        "plans",
        "drills",
        "notifications",
    },
}


def test_every_example_is_listed_here() -> None:
    assert {path.name for path in EXAMPLES.glob("*.yaml")} == {*NOT_BUILT, "reference.yaml"}


@pytest.mark.parametrize("name", NOT_BUILT)
def test_an_example_is_right_and_uses_what_is_listed(name: str) -> None:
    config = load(EXAMPLES / name, {}, check_files=False)
    found = unbuilt(config)
    assert {problem.path for problem in found} == NOT_BUILT[name]
    assert all(problem.message == "is not built yet" and problem.hint for problem in found)


def test_what_is_not_built_is_named_with_its_line() -> None:
    config = load(EXAMPLES / "pilot-light.yaml", {}, check_files=False)
    place = EXAMPLES / "pilot-light.yaml"
    found = next(str(problem) for problem in unbuilt(config) if problem.path == "groups.django.writes")
    line = 1 + place.read_text()[: place.read_text().index("writes:")].count("\n")
    assert found == f"{place}:{line}: groups.django.writes: is not built yet (writing at one site only)"


def test_the_recovery_plans_are_read_step_by_step() -> None:
    plan = load(EXAMPLES / "pilot-light.yaml", {}, check_files=False).plans["fail-over"]
    assert [step.kind for step in plan.steps] == ["fence", "exec", "http", "check", "shift", "notify"]
    assert [step.runs_in_drill for step in plan.steps] == [False, False, True, True, True, True]
    assert [step.repeats_on_takeover for step in plan.steps] == [False, False, False, True, True, False]
    assert plan.objective.rto == 600.0
    assert plan.steps[1].promotes
