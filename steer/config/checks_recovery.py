"""Do plans, drills and sessions speak of what exists?"""

from __future__ import annotations

from collections.abc import Iterator

from steer.config.checks_groups import rising
from steer.config.findings import Finding, Findings, known
from steer.config.network import is_loopback
from steer.config.schema import Config
from steer.config.schema_plans import Action, Step
from steer.config.schema_sessions import HttpDoor, RespDoor
from steer.config.schema_sessions import Namespace as SessionNamespace
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


def check_sessions(config: Config) -> Findings:
    if config.sessions is None:
        return
    resp, http = config.sessions.doors.resp, config.sessions.doors.http
    if resp:
        yield from _check_door(config, resp, "resp", "users")
    if http:
        yield from _check_door(config, http, "http", "tokens")
    for name, namespace in config.sessions.namespaces.items():
        place: Place = ("sessions", "namespaces", name)
        yield from _check_session_cookie(place, namespace)
        if namespace.hash_keys and not namespace.seal:
            yield Finding((*place, "hash_keys"), "needs seal: true", "ids alone tell little, values tell all")


def _check_session_cookie(place: Place, namespace: SessionNamespace) -> Findings:
    cookie = namespace.session_cookie
    if cookie is None:
        return
    if cookie.key.count("{value}") != 1:
        yield Finding((*place, "session_cookie", "key"), f'must have {{value}} once, got "{cookie.key}"')
    if not namespace.replicate:
        yield Finding((*place, "session_cookie"), "needs replicate: true", "other datacentres have no such records")


def _check_door(config: Config, door: RespDoor | HttpDoor, name: str, key: str) -> Findings:
    place: Place = ("sessions", "doors", name)
    namespaces = config.source.keys("sessions", "namespaces")
    users = door.users if isinstance(door, RespDoor) else door.tokens
    for user, found in users.items():
        yield from known((*place, key, user, "namespace"), "namespace", found.namespace, namespaces)
    if not users and not is_loopback(door.bind):
        yield Finding((*place, "bind"), f"must be a loopback address without {key}, got {door.bind}")


def check_replication(config: Config) -> Findings:
    if config.replication.bind and config.replication.tls is None:
        yield Finding(("replication",), "needs tls where there is bind")


CHECKS = (check_plans, check_drills, check_sessions, check_replication)
