"""The configuration: what holds, what its file would change, and taking that over."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from steer.config import Change
from steer.control.api_bodies import Body, Reason
from steer.control.api_call import Call, Endpoint, answer
from steer.control.api_input import body_of
from steer.control.tokens import Role


class Reload(Body):
    """Take over what the configuration file says now."""

    reason: Reason


def config_etag(call: Call) -> str:
    return f'"{call.context.config_hash}"'


async def show_config(call: Call) -> web.Response:
    return answer(call.context.redacted_config(), etag=config_etag(call))


async def show_diff(call: Call) -> web.Response:
    found = await call.context.diff()
    return answer({"changes": [change_view(change) for change in found]}, etag=config_etag(call))


async def reload(call: Call) -> web.Response:
    wanted = await body_of(call.request, Reload)
    call.require_unmoved(config_etag(call))
    before = call.context.config_hash
    found = await call.context.reload()
    after = call.context.config_hash
    shown = [change_view(change) for change in found]
    call.record(
        "config.reload", {"config": call.context.name}, wanted.reason, before, {"hash": after, "changes": shown}
    )
    return answer({"config_hash": after, "changes": shown}, etag=config_etag(call))


def change_view(change: Change) -> dict[str, Any]:
    """`text` is all of it for people; `before` and `after` are JSON as text, null where there is nothing."""
    return {
        "path": change.path,
        "kind": change.kind,
        "before": change.before,
        "after": change.after,
        "needs_restart": change.needs_restart,
        "text": str(change),
    }


ENDPOINTS = (
    Endpoint("GET", "/api/v1/config", show_config, "The configuration, secrets hidden"),
    Endpoint("GET", "/api/v1/config/diff", show_diff, "What a reload of its file would change"),
    Endpoint(
        "POST",
        "/api/v1/config/reload",
        reload,
        "Take over what the configuration file says now, or leave everything as it is",
        Role.ADMIN,
        body=Reload,
    ),
)
