"""What the admin API answers when it says no: problem details (RFC 9457), and what an exception becomes.

A problem has `type` (a place in the API's own page for people), `title`, `status`, `detail`, and `path`: the
place in the request's body that is wrong (`weights.auckland`), empty when it is not about the body.
Nothing of the inside (stack, file, value of a secret) ever goes into one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from aiohttp import web

from steer.errors import ConfigError, Refused, SteerError, Unacceptable

DOCS = "/api/v1/docs"

KINDS: dict[str, tuple[int, str]] = {
    "malformed": (400, "The request cannot be read"),
    "unauthorised": (401, "A valid bearer token is needed"),
    "forbidden": (403, "The token's role does not allow this"),
    "not_found": (404, "There is no such thing"),
    "method_not_allowed": (405, "The resource does not have this method"),
    "too_slow": (408, "The request's body took too long"),
    "refused": (409, "A safety rule refuses the change"),
    "applied": (409, "The preview was applied already"),
    "moved_on": (412, "The state has moved on since it was read"),
    "too_large": (413, "The request's body is too large"),
    "unsupported_media_type": (415, "The body must be JSON"),
    "wrong_host": (421, "This Host name is not answered"),
    "unacceptable": (422, "The request asks for what cannot be"),
    "wrong_configuration": (422, "The configuration file cannot be taken over"),
    "too_many_failures": (429, "Too many failed tries to authenticate"),
    "internal": (500, "Something went wrong inside"),
    "not_done": (503, "The edge cannot do this now"),
    "http": (400, "The request was not accepted"),
}
"""Every problem that the API answers: name -> (status, title). The page for people lists them."""


@dataclass(eq=False)
class ApiProblem(Exception):
    """Raised anywhere in a handler; the outermost middleware turns it into the answer."""

    kind: str
    detail: str
    path: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    status: int = 0
    """0: the status of the kind."""

    def response(self) -> web.Response:
        default, title = KINDS[self.kind]
        status = self.status or default
        body = {
            "type": f"{DOCS}#{self.kind}",
            "title": title,
            "status": status,
            "detail": self.detail,
            "path": self.path,
            **self.extra,
        }
        return web.json_response(body, status=status, headers=self.headers, content_type="application/problem+json")


def not_found(what: str, name: str, known: tuple[str, ...] = ()) -> ApiProblem:
    """`what` is the kind of thing ("group"); `known` are the names that would have been right."""
    names = f"; there are: {', '.join(known)}" if known else ""
    return ApiProblem("not_found", f"no {what} is called {name!r}{names}")


def of_steer_error(error: SteerError) -> ApiProblem:
    """What the state owner says, as the API says it."""
    if isinstance(error, Refused):
        return ApiProblem("refused", str(error), extra={"rule": error.rule})
    if isinstance(error, ConfigError):
        more = f" (and {len(error.problems) - 1} more)" if len(error.problems) > 1 else ""
        problems = [asdict(problem) for problem in error.problems]
        return ApiProblem("wrong_configuration", f"{error.problems[0]}{more}", extra={"problems": problems})
    if isinstance(error, Unacceptable):
        return ApiProblem("unacceptable", str(error))
    return ApiProblem("not_done", str(error))


def of_http_error(error: web.HTTPException) -> ApiProblem:
    """What the HTTP library says by itself: no route, wrong method, body too large."""
    kind = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}.get(error.status, "http")
    headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    return ApiProblem(kind, error.reason, headers=headers, status=error.status)
