"""Do plans and drills speak of what exists?"""

from __future__ import annotations

from collections.abc import Iterator

from steer.config.checks_groups import rising
from steer.config.findings import Finding, Findings, known
from steer.config.schema import Config
from steer.config.schema_plans import Action, Step
from steer.config.source import Place


def check_plans(config: Config) -> Findings:
    for name, plan in config.plans.items():
        for place, action in _actions(plan.steps, ("plans", name, "steps")):
            yield from _check_action(config, action, place)


def _actions(steps: tuple[Step, ...], place: Place) -> Iterator[tuple[Place, Action]]:
    """Every action with its place: of steps, of what undoes them, of those in parallel."""
    for index, step in enumerate(steps):
        here = (*place, index)
        yield here, step
        if step.undo:
            yield (*here, "undo"), step.undo
        if step.parallel:
            yield from _actions(step.parallel, (*here, "parallel"))


def _check_action(config: Config, action: Action, place: Place) -> Findings:
    datacentres = config.source.keys("datacentres")
    yield from known((*place, "plan"), "plan", action.plan, config.source.keys("plans"))
    if action.check:
        yield from known((*place, "check", "pool"), "pool", action.check.pool, config.source.keys("pools"))
        yield from known((*place, "check", "datacentre"), "datacentre", action.check.datacentre, datacentres)
    if action.fence:
        yield from known((*place, "fence", "datacentre"), "datacentre", action.fence.datacentre, datacentres)
    if action.shift:
        yield from known((*place, "shift", "to"), "datacentre", action.shift.to, datacentres)
        yield from rising(action.shift.ramp, (*place, "shift", "ramp"))


def check_drills(config: Config) -> Findings:
    plans = config.source.keys("plans")
    for name, drill in config.drills.items():
        place: Place = ("drills", name)
        yield from known((*place, "group"), "group", drill.group, config.source.keys("groups"))
        yield from known((*place, "plan"), "plan", drill.plan, plans)
        yield from known((*place, "then"), "plan", drill.then, plans)
        group = config.groups.get(drill.group)
        if group:
            yield from known((*place, "rule"), "rule", drill.rule, [rule.name for rule in group.rules])
        if (drill.rule is None) is not (drill.share is None):
            yield Finding(place, "needs rule and share, or neither", "a share of a rule's clients is the partial test")


CHECKS = (check_plans, check_drills)
