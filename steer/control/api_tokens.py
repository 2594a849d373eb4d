"""Tokens and the audit: who may change what, and who did."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

from aiohttp import web

from steer.config.units import parse_duration
from steer.control.api_bodies import Removal, TokenCreation
from steer.control.api_call import PAGE, REASON, Call, Endpoint, Query, answer, etag_of, listing, page
from steer.control.api_input import body_of, page_of, removal_of
from steer.control.moments import moment
from steer.control.problems import ApiProblem, not_found
from steer.control.tokens import Role, Token, create_token, revoke_token


def token_view(token: Token) -> dict[str, Any]:
    """Never the hash."""
    return {"name": token.name, "role": str(token.role), "expires": moment(token.expires)}


def tokens_etag(call: Call) -> str:
    return etag_of([token_view(token) for token in call.context.tokens.all()])


async def list_tokens(call: Call) -> web.Response:
    return page(call, map(token_view, call.context.tokens.all()), etag=tokens_etag(call))


async def create(call: Call) -> web.Response:
    wanted = await body_of(call.request, TokenCreation)
    call.require_unmoved(tokens_etag(call))
    expires = call.context.clock.wall() + wanted.expires_in if wanted.expires_in is not None else None
    token, secret = create_token(call.context.tokens.path, wanted.name, wanted.role, expires)
    call.record("token.create", {"token": token.name}, wanted.reason, None, token_view(token))
    location = f"/api/v1/tokens/{token.name}"
    return answer({**token_view(token), "token": secret}, status=201, etag=tokens_etag(call), location=location)


async def revoke(call: Call) -> web.Response:
    name = call.named("name")
    removal: Removal = await removal_of(call.request)
    if all(token.name != name for token in call.context.tokens.all()):
        raise not_found("token", name)
    call.require_unmoved(tokens_etag(call))
    gone = token_view(revoke_token(call.context.tokens.path, name))
    call.record("token.revoke", {"token": name}, removal.reason, gone, None)
    return answer(gone, etag=tokens_etag(call))


async def list_audit(call: Call) -> web.Response:
    limit, after = page_of(call.request)
    if after and not (after.isascii() and after.isdigit() and len(after) < 16):
        raise ApiProblem("malformed", "after must be the id of a record", "after")
    before = int(after) if after else None
    # Up to 40 MB of files: read in a thread, so that the checks go on.
    records = await asyncio.to_thread(call.context.audit.page, limit + 1, before, _since(call))
    more = len(records) > limit
    return listing(records[:limit], str(records[limit - 1]["id"]) if more else None)


def _since(call: Call) -> float | None:
    """Wall time out of `1h` (ago) or a time."""
    text = call.request.query.get("since")
    if text is None:
        return None
    try:
        return call.context.clock.wall() - parse_duration(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        detail = "must be a duration like 1h, or a time like 2030-01-01T00:00:00Z"
        raise ApiProblem("malformed", detail, "since") from None


SINCE = Query("since", "only what is not older: 1h, or a time")

ENDPOINTS = (
    Endpoint("GET", "/api/v1/tokens", list_tokens, "Tokens: names, roles and expiry", query=PAGE),
    Endpoint(
        "POST",
        "/api/v1/tokens",
        create,
        "Make a token; its secret is in this answer and nowhere else",
        Role.ADMIN,
        body=TokenCreation,
        status=201,
    ),
    Endpoint(
        "DELETE",
        "/api/v1/tokens/{name}",
        revoke,
        "Revoke a token, at once",
        Role.ADMIN,
        query=(REASON,),
        body=Removal,
    ),
    Endpoint("GET", "/api/v1/audit", list_audit, "Every change, the newest first", query=(*PAGE, SINCE)),
)
