"""One call of the API: what every handler is given, and the table row that says how it is reached."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from pydantic import BaseModel

from steer.control.api_input import page_of
from steer.control.audit import Change
from steer.control.context import AdminContext
from steer.control.problems import ApiProblem
from steer.control.tokens import Role, Token

View = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """`caller` is None only where no token is needed.

    `preview`: the id of the one that is applied, for the audit; nothing has changed since it was made.
    """

    context: AdminContext
    request: web.Request
    caller: Token | None = None
    preview: str = ""

    @property
    def who(self) -> str:
        return self.caller.name if self.caller else ""

    @property
    def origin(self) -> str:
        """The peer's address."""
        return self.request.remote or ""

    def named(self, parameter: str) -> str:
        return self.request.match_info[parameter]

    def require_unmoved(self, etag: str) -> None:
        """If-Match (RFC 9110 section 13.1.1): the change holds only for the state that the caller has read."""
        wanted = None if self.preview else self.request.headers.get("If-Match")
        if wanted is not None and wanted.strip() != "*" and etag not in [tag.strip() for tag in wanted.split(",")]:
            raise ApiProblem("moved_on", f"it is {etag} now; read it again", headers={"ETag": etag})

    def record(self, action: str, target: View, reason: str, before: Any, after: Any) -> None:
        role = str(self.caller.role) if self.caller else ""
        what = {**target, "preview": self.preview} if self.preview else dict(target)
        self.context.audit.record(Change(self.who, role, self.origin, action, what, reason, before, after))


Handler = Callable[[Call], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Query:
    """A parameter of the query. `several`: may come more than once."""

    name: str
    meaning: str
    required: bool = False
    several: bool = False


PAGE = (Query("limit", "how many, 1 to 1000 (100)"), Query("after", "the last one of the page before"))
REASON = Query("reason", "why; or in the body")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A row of the table out of which come the routes, the OpenAPI document and the page for people.

    `role` None: no token. `status` is that of success.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    role: Role | None = Role.VIEWER
    query: tuple[Query, ...] = ()
    body: type[BaseModel] | None = None
    status: int = 200
    media_type: str = "application/json"

    @property
    def is_change(self) -> bool:
        return self.method != "GET"

    @property
    def has_list(self) -> bool:
        return PAGE[0] in self.query


def answer(value: View, *, status: int = 200, etag: str | None = None, location: str | None = None) -> web.Response:
    headers = {name: text for name, text in (("ETag", etag), ("Location", location)) if text is not None}
    return web.json_response(value, status=status, headers=headers)


def etag_of(value: Any) -> str:
    """Names the part of a resource that changes are made to. Live rates are not in it: they change all the time."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:20]}"'


def page(call: Call, items: Iterable[View], key: str = "name", *, etag: str | None = None) -> web.Response:
    """One page of a list in the order of `key`; `next` is what `?after=` takes for the following one, or null."""
    limit, after = page_of(call.request)
    rest = sorted((item for item in items if item[key] > after), key=lambda item: str(item[key]))
    return listing(rest[:limit], rest[limit - 1][key] if len(rest) > limit else None, etag=etag)


def listing(items: Sequence[View], following: Any, *, etag: str | None = None) -> web.Response:
    return answer({"items": list(items), "next": following}, etag=etag)
