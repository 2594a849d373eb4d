"""Changing a group: its weights, where it is. Each change is in the audit with how it was before and after."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web

from steer.control import views, views_groups
from steer.control.api_bodies import FailbackRequest, FailoverRequest, WeightsChange
from steer.control.api_call import Call, Endpoint, answer
from steer.control.api_input import body_of, require_known
from steer.control.api_state import find_group, group_etag
from steer.control.shares import current_weights
from steer.control.tokens import Role
from steer.steering.model import Group
from steer.steering.snapshot import GroupStatus


async def set_weights(call: Call) -> web.Response:
    group = find_group(call)
    return do_set_weights(call, group, await body_of(call.request, WeightsChange))


def do_set_weights(call: Call, group: Group, change: WeightsChange) -> web.Response:
    keeper = call.context.keeper
    call.require_unmoved(group_etag(keeper.snapshot, group))
    if change.rule is not None:
        require_known("rule", change.rule, tuple(rule.name for rule in group.rules), "rule")
    for name in change.weights:
        require_known("datacentre", name, call.context.keeper.topology.datacentres, f"weights.{name}")
    before = _weights_record(call, group)
    override = keeper.set_weights(
        group.name,
        change.weights,
        rule=change.rule,
        owner=call.who,
        reason=change.reason,
        expires_in=change.expires_in,
        force=change.force,
    )
    call.record("weights.set", dict(override.target), change.reason, before, _weights_record(call, group))
    shown = {"override": views.override_view(override), "group": views.group(call.context, group)}
    return answer(shown, etag=group_etag(keeper.snapshot, group))


def _weights_record(call: Call, group: Group) -> dict[str, Any]:
    snapshot = call.context.keeper.snapshot
    status = snapshot.groups.get(group.name, GroupStatus())
    rules = {name: dict(weights) for name, weights in status.rules.items()}
    return {"weights": current_weights(snapshot, group), "override": status.override} | (
        {"rules": rules} if rules else {}
    )


# Moves of groups.


async def fail_over(call: Call) -> web.Response:
    group = find_group(call)
    return do_fail_over(call, group, await body_of(call.request, FailoverRequest))


def do_fail_over(call: Call, group: Group, change: FailoverRequest) -> web.Response:
    if change.to is not None:
        require_known("datacentre", change.to, call.context.keeper.topology.datacentres, "to")

    def act() -> None:
        call.context.keeper.failover(
            group.name,
            change.to,
            ungraceful=change.ungraceful,
            owner=call.who,
            reason=change.reason,
            force=change.force,
        )

    return _move(call, group, "group.failover", change.reason, act)


async def fail_back(call: Call) -> web.Response:
    group = find_group(call)
    return do_fail_back(call, group, await body_of(call.request, FailbackRequest))


def do_fail_back(call: Call, group: Group, change: FailbackRequest) -> web.Response:
    def act() -> None:
        call.context.keeper.failback(group.name, owner=call.who, reason=change.reason, force=change.force)

    return _move(call, group, "group.failback", change.reason, act)


def _move(call: Call, group: Group, action: str, reason: str, act: Callable[[], None]) -> web.Response:
    """202: it has begun, and is on disk; the group says when it is over (`stage`)."""
    keeper = call.context.keeper
    call.require_unmoved(group_etag(keeper.snapshot, group))
    before = views_groups.position(call.context, group)
    act()
    after = views_groups.position(call.context, group)
    call.record(action, {"group": group.name}, reason, before, after)
    shown = {"group": views.group(call.context, group)}
    return answer(shown, status=202, etag=group_etag(keeper.snapshot, group), location=f"/api/v1/groups/{group.name}")


ENDPOINTS = (
    Endpoint(
        "PUT",
        "/api/v1/groups/{group}/weights",
        set_weights,
        "Set weights of a group's datacentres, or of one of its rules",
        Role.OPERATOR,
        body=WeightsChange,
    ),
    Endpoint(
        "POST",
        "/api/v1/groups/{group}/failover",
        fail_over,
        "Move a group that is at one datacentre to another",
        Role.OPERATOR,
        body=FailoverRequest,
        status=202,
    ),
    Endpoint(
        "POST",
        "/api/v1/groups/{group}/failback",
        fail_back,
        "Move a group back to the first datacentre of its order, by its ramp",
        Role.OPERATOR,
        body=FailbackRequest,
        status=202,
    ),
)
