"""What the HTTP door answers when it says no: problem details (RFC 9457), and what the store's errors become."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import web

from steer.store.errors import Conflict, EngineDown, Indeterminate, Late, StoreError, TooLarge, WrongKind

KINDS: dict[str, tuple[int, str]] = {
    "malformed": (400, "The request cannot be read"),
    "unauthorised": (401, "A valid bearer token is needed"),
    "forbidden": (403, "The token is not for this namespace"),
    "not_found": (404, "There is no such thing"),
    "method_not_allowed": (405, "The resource does not have this method"),
    "too_slow": (408, "The request's body took too long"),
    "wrong_kind": (409, "The record is a hash, which this door does not show"),
    "moved_on": (412, "The record is not as the condition says"),
    "too_large": (413, "The id or the value is too large"),
    "wrong_host": (421, "This Host name is not answered"),
    "internal": (500, "Something went wrong inside"),
    "busy": (503, "Too many requests are under way"),
    "unavailable": (503, "The session store is unavailable; nothing was written"),
    "refused": (503, "The session store takes no writes now; nothing was written"),
    "indeterminate": (504, "No answer in time: a write may have happened; send it again with the same Idempotency-Key"),
}
"""Every problem: name -> (status, title)."""

RETRY = {"Retry-After": "1"}
"""Seconds. An engine is back, or its failover done, after a few of them."""


@dataclass(eq=False)
class Problem(Exception):
    """Raised anywhere in a handler; the outermost middleware turns it into the answer."""

    kind: str
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 0
    """0: the status of the kind."""

    def response(self) -> web.Response:
        default, title = KINDS[self.kind]
        status = self.status or default
        body = {"type": f"about:blank#{self.kind}", "title": title, "status": status, "detail": self.detail}
        text = json.dumps(body).encode()
        answer = web.Response(body=text, status=status, headers=self.headers, content_type="application/problem+json")
        if self.kind == "too_slow":
            answer.force_close()
        return answer


def of_store_error(error: StoreError) -> Problem:
    """Of an engine's own words nothing goes out: they may name hosts."""
    match error:
        case Conflict():
            return Problem("moved_on", error.message, {"ETag": f'"{error.stamp}"'} if error.stamp else {})
        case WrongKind():
            return Problem("wrong_kind", error.message)
        case TooLarge():
            return Problem("too_large", error.message)
        case EngineDown() | Late():
            return Problem("unavailable", "try again", RETRY)
        case Indeterminate():
            return Problem("indeterminate", "the answer did not come in time", RETRY)
    return Problem("refused", error.message, RETRY)


def of_http_error(error: web.HTTPException) -> Problem:
    """What the HTTP library says by itself: no route, wrong method, body too large."""
    kind = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}.get(error.status, "malformed")
    headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    return Problem(kind, error.reason, headers, status=error.status)
