"""Overrides: list, set and lift them. Each change is in the audit with how its target was before and after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from steer.control import views
from steer.control.api_bodies import OverrideChange, Removal, Target
from steer.control.api_call import PAGE, REASON, Call, Endpoint, answer, etag_of, page
from steer.control.api_input import body_of, removal_of, require_known
from steer.control.asking import fits_kind
from steer.control.problems import ApiProblem, not_found
from steer.control.tokens import Role
from steer.errors import Unacceptable
from steer.steering.snapshot import DatacentreStatus, GroupStatus, NodeStatus


def overrides_etag(call: Call) -> str:
    return etag_of([override.id for override in call.context.keeper.overrides()])


async def list_overrides(call: Call) -> web.Response:
    overrides = call.context.keeper.overrides()
    return page(call, map(views.override_view, overrides), "id", etag=overrides_etag(call))


async def create_override(call: Call) -> web.Response:
    return do_override(call, await body_of(call.request, OverrideChange))


def do_override(call: Call, change: OverrideChange) -> web.Response:
    call.require_unmoved(overrides_etag(call))
    require_known_target(call, change.target)
    _require_fitting_target(change)
    target = change.target.model_dump(exclude_none=True)
    before = _target_record(call, target)
    override = call.context.keeper.override(
        change.kind,
        node=change.target.node,
        datacentre=change.target.datacentre,
        group=change.target.group,
        owner=call.who,
        reason=change.reason,
        expires_in=change.expires_in,
        force=change.force,
    )
    call.record(f"override.{change.kind}", target, change.reason, before, _target_record(call, target))
    return _created(call, views.override_view(override))


def _created(call: Call, shown: Mapping[str, Any]) -> web.Response:
    """What is done at once and does not stay (restore) has no address."""
    stays = any(override.id == shown["id"] for override in call.context.keeper.overrides())
    location = f"/api/v1/overrides/{shown['id']}" if stays else None
    return answer(shown, status=201 if stays else 200, etag=overrides_etag(call), location=location)


async def lift_override(call: Call) -> web.Response:
    return do_lift(call, call.named("id"), await removal_of(call.request))


def do_lift(call: Call, id: str, removal: Removal) -> web.Response:
    keeper = call.context.keeper
    before = next((override for override in keeper.overrides() if override.id == id), None)
    if before is None:
        raise not_found("override", id)
    call.require_unmoved(overrides_etag(call))
    lifted = views.override_view(keeper.lift(id, owner=call.who, reason=removal.reason))
    call.record("override.lift", dict(before.target), removal.reason, views.override_view(before), None)
    return answer(lifted, etag=overrides_etag(call))


def require_known_target(call: Call, target: Target) -> None:
    """Raises a problem that names the place."""
    topology = call.context.keeper.topology
    known = {
        "node": tuple(node.name for node in topology.nodes),
        "datacentre": topology.datacentres,
        "group": tuple(topology.groups),
    }
    for what, name in target.model_dump(exclude_none=True).items():
        require_known(what, name, known[what], f"target.{what}")


def _require_fitting_target(change: OverrideChange) -> None:
    try:
        fits_kind(change.kind, change.target.model_dump(exclude_none=True))
    except Unacceptable as error:
        raise ApiProblem("unacceptable", str(error), "target") from None


def _target_record(call: Call, target: Mapping[str, str]) -> dict[str, Any]:
    """How the target is now: the node's state, or the datacentre's for each of the groups."""
    snapshot = call.context.keeper.snapshot
    if "node" in target:
        node = snapshot.nodes.get(target["node"], NodeStatus())
        return {"state": str(node.state), "cause": node.cause, "drained": node.drained}
    if "datacentre" not in target:
        return {"held": snapshot.groups.get(target["group"], GroupStatus()).held}
    groups = [target["group"]] if "group" in target else list(call.context.keeper.topology.groups)
    return {
        group: str(
            snapshot.groups.get(group, GroupStatus()).datacentres.get(target["datacentre"], DatacentreStatus()).state
        )
        for group in groups
    }


ENDPOINTS = (
    Endpoint("GET", "/api/v1/overrides", list_overrides, "What operators have set, and why", query=PAGE),
    Endpoint(
        "POST",
        "/api/v1/overrides",
        create_override,
        "Drain, eject or restore a node or a datacentre; hold a group, or release it (restore)",
        Role.OPERATOR,
        body=OverrideChange,
        status=201,
    ),
    Endpoint(
        "DELETE",
        "/api/v1/overrides/{id}",
        lift_override,
        "Lift an override before it expires",
        Role.OPERATOR,
        query=(REASON,),
        body=Removal,
    ),
)
