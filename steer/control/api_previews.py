"""What-if: a change is tried on samples of real requests, and then made as it was shown, by its id.

Both take an operator: a preview changes nothing, but it is work for the edge, and takes one of a bounded number of
places.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from aiohttp import web

from steer.control.api_bodies import (
    FailbackRequest,
    FailoverRequest,
    OverrideChange,
    PreviewRequest,
    Removal,
    Target,
    WeightsChange,
)
from steer.control.api_call import Call, Endpoint, answer, etag_of
from steer.control.api_group_changes import do_fail_back, do_fail_over, do_set_weights
from steer.control.api_input import body_of, require_known
from steer.control.api_override_changes import do_lift, do_override, require_known_target
from steer.control.forecast import forecast
from steer.control.moments import moment
from steer.control.previews import Preview
from steer.control.rehearsal import Rehearsal, rehearse
from steer.control.tokens import Role
from steer.steering.snapshot import GroupStatus

View = dict[str, Any]


async def make_preview(call: Call) -> web.Response:
    wanted = await body_of(call.request, PreviewRequest)
    state = _state_of(call)
    call.require_unmoved(state)
    _require_known_names(call, wanted)
    context = call.context
    rehearsed = rehearse(context.keeper, wanted, call.who, context.clock)
    mono, totals = context.clock.monotonic(), context.totals
    found = forecast(context.keeper.topology, rehearsed, totals.samples.recent(mono), totals.live, mono)
    preview = context.previews.keep(wanted, state)
    return answer({**_head(preview, rehearsed), **found}, status=201, etag=state)


async def apply_preview(call: Call) -> web.Response:
    """Answers as the change itself does."""
    state = _state_of(call)
    preview = call.context.previews.find(call.named("id"), state)
    call.require_unmoved(state)
    response = _make(replace(call, preview=preview.id), preview.wanted)
    preview.is_applied = True
    return response


def _make(call: Call, wanted: PreviewRequest) -> web.Response:
    target, reason, force = wanted.target, wanted.reason, wanted.force
    groups = call.context.keeper.topology.groups
    match wanted.kind:
        case "weights":
            assert wanted.weights is not None, "the request was refused without"
            change = WeightsChange(
                weights=wanted.weights, rule=target.rule, reason=reason, expires_in=wanted.expires_in, force=force
            )
            return do_set_weights(call, groups[target.group or ""], change)
        case "failover":
            move = FailoverRequest(to=wanted.to, ungraceful=wanted.ungraceful, reason=reason, force=force)
            return do_fail_over(call, groups[target.group or ""], move)
        case "failback":
            return do_fail_back(call, groups[target.group or ""], FailbackRequest(reason=reason, force=force))
        case "lift":
            return do_lift(call, target.override or "", Removal(reason=reason))
        case _:
            override = OverrideChange(
                kind=wanted.kind,
                target=Target(node=target.node, datacentre=target.datacentre, group=target.group),
                reason=reason,
                expires_in=wanted.expires_in,
                force=force,
            )
            return do_override(call, override)


def _require_known_names(call: Call, wanted: PreviewRequest) -> None:
    keeper, target = call.context.keeper, wanted.target
    if target.override is not None:
        known = tuple(override.id for override in keeper.overrides())
        require_known("override", target.override, known, "target.override")
        return
    require_known_target(call, Target(node=target.node, datacentre=target.datacentre, group=target.group))
    if target.rule is not None:
        rules = tuple(rule.name for rule in keeper.topology.groups[target.group or ""].rules)
        require_known("rule", target.rule, rules, "target.rule")
    for name in wanted.weights or {}:
        require_known("datacentre", name, keeper.topology.datacentres, f"weights.{name}")
    if wanted.to is not None:
        require_known("datacentre", wanted.to, keeper.topology.datacentres, "to")


# What is shown...


def _head(preview: Preview, rehearsed: Rehearsal) -> View:
    """`verdict`: `passes`, `refused`, or `forced` where it would be made although a rule refuses."""
    wanted = preview.wanted
    verdict = "passes" if not rehearsed.is_refused else "forced" if wanted.force else "refused"
    return {
        "id": preview.id,
        **wanted.model_dump(exclude_none=True, exclude_defaults=True),
        "made": moment(preview.made),
        "expires": moment(preview.expires),
        "verdict": verdict,
        "rules": list(_rules(rehearsed)),
    }


def _rules(rehearsed: Rehearsal) -> Iterator[View]:
    for group, verdicts in rehearsed.rules.items():
        for rule, refused in verdicts.items():
            says = str(refused) if refused is not None else ""
            yield {"group": group, "rule": rule, "passes": refused is None, "says": says}


def _state_of(call: Call) -> str:
    """Names all that a preview rests on: overrides, states of nodes and datacentres, positions, the configuration.

    What moves all the time is not in it: ramps, trials, ends of ejections.
    """
    keeper = call.context.keeper
    nodes = {name: [str(n.state), n.drained, n.held] for name, n in keeper.snapshot.nodes.items()}
    groups = {name: _group_state(status) for name, status in keeper.snapshot.groups.items()}
    return etag_of([call.context.config_hash, [override.id for override in keeper.overrides()], nodes, groups])


def _group_state(status: GroupStatus) -> list[Any]:
    datacentres = {name: [str(each.state), each.until] for name, each in status.datacentres.items()}
    rules = {name: dict(weights) for name, weights in status.rules.items()}
    where = [status.at, status.leaving, status.leaving_until, dict(status.arriving), status.held]
    return [dict(status.weights), rules, datacentres, where]


ENDPOINTS = (
    Endpoint(
        "POST",
        "/api/v1/previews",
        make_preview,
        "What a change would do to the traffic of now: nothing is changed",
        Role.OPERATOR,
        body=PreviewRequest,
        status=201,
    ),
    Endpoint(
        "POST",
        "/api/v1/previews/{id}/apply",
        apply_preview,
        "Make the change of a preview, once, while nothing has changed since; answers as the change itself does",
        Role.OPERATOR,
    ),
)
