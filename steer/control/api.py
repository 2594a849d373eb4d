"""The admin API: the table of endpoints, what stands before every handler, and the server.

A call passes: the Host name, the token, its role, the names in its query, its Idempotency-Key, the handler; whatever
goes wrong on the way becomes a problem (problems.py). The table is the only list of what there is: the routes, the
OpenAPI document and the page for people are made out of it.
"""

from __future__ import annotations

import logging
import socket
import ssl

from aiohttp import web
from aiohttp.typedefs import Handler as WebHandler
from aiohttp.typedefs import Middleware as WebMiddleware

from steer.control import (
    api_config,
    api_docs,
    api_group_changes,
    api_keys,
    api_override_changes,
    api_previews,
    api_probes,
    api_state,
    api_tokens,
)
from steer.control.api_call import Call, Endpoint
from steer.control.api_input import MOST_BODY, read_body
from steer.control.auth import Failures, authenticate, authorise
from steer.control.context import AdminContext
from steer.control.idempotency import Answers
from steer.control.problems import ApiProblem, of_http_error, of_steer_error
from steer.control.tokens import Token
from steer.errors import SteerError

log = logging.getLogger("steer.admin")

ENDPOINTS: tuple[Endpoint, ...] = api_docs.with_documents(
    (
        *api_probes.ENDPOINTS,
        *api_state.ENDPOINTS,
        *api_group_changes.ENDPOINTS,
        *api_override_changes.ENDPOINTS,
        *api_previews.ENDPOINTS,
        *api_config.ENDPOINTS,
        *api_tokens.ENDPOINTS,
        *api_keys.ENDPOINTS,
    )
)

CLOSING_TIME = 2.0
"""Seconds that calls under way get when the server stops. All are short."""


def build_admin(context: AdminContext) -> web.Application:
    app = web.Application(client_max_size=MOST_BODY, middlewares=[_problems, _host_check(context)])
    gate = _Gate(context)
    for endpoint in ENDPOINTS:
        app.router.add_route(endpoint.method, endpoint.path, gate.guard(endpoint))
    app.on_response_prepare.append(_add_common_headers)
    return app


async def serve_admin(
    context: AdminContext, sock: socket.socket, ssl_context: ssl.SSLContext | None = None
) -> web.AppRunner:
    """Serve on a socket that is bound already. `await runner.cleanup()` ends it."""
    runner = web.AppRunner(build_admin(context), access_log=None, shutdown_timeout=CLOSING_TIME)
    await runner.setup()
    await web.SockSite(runner, sock, ssl_context=ssl_context).start()
    return runner


class _Gate:
    """What stands before every handler, with its memory of failures and of answers."""

    def __init__(self, context: AdminContext) -> None:
        self._context = context
        self._failures = Failures(context.clock)
        self._answers = Answers(context.clock)

    def guard(self, endpoint: Endpoint) -> WebHandler:
        async def handle(request: web.Request) -> web.StreamResponse:
            caller = self._caller(endpoint, request)
            _refuse_unknown_query(endpoint, request)
            call = Call(self._context, request, caller)
            if caller is None or not endpoint.is_change:
                return await endpoint.handler(call)
            body = await read_body(request)
            return await self._answers.once(request, caller.name, body, lambda: _act(endpoint, call))

        return handle

    def _caller(self, endpoint: Endpoint, request: web.Request) -> Token | None:
        if endpoint.role is None:
            return None
        header = request.headers.get("Authorization")
        caller = authenticate(self._context.tokens, self._failures, header, request.remote or "")
        authorise(caller, endpoint.role)
        return caller


async def _act(endpoint: Endpoint, call: Call) -> web.StreamResponse:
    """A change; what the state owner refuses is an answer like others, to be given again for the same key."""
    try:
        return await endpoint.handler(call)
    except SteerError as error:
        raise of_steer_error(error) from error


def _refuse_unknown_query(endpoint: Endpoint, request: web.Request) -> None:
    """Raises for a parameter that would have been passed over, or that comes twice where one counts."""
    known = {query.name: query for query in endpoint.query}
    for name in request.query:
        if name not in known:
            there_are = f"; there are: {', '.join(known)}" if known else ""
            raise ApiProblem("malformed", f"is no parameter of this{there_are}", name[:60])
        if not known[name].several and len(request.query.getall(name)) > 1:
            raise ApiProblem("malformed", "comes more than once", name)


@web.middleware
async def _problems(request: web.Request, handler: WebHandler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ApiProblem as problem:
        return problem.response()
    except SteerError as error:
        return of_steer_error(error).response()
    except web.HTTPException as error:
        return of_http_error(error).response()
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        return ApiProblem("internal", "the edge's log says more").response()


def _host_check(context: AdminContext) -> WebMiddleware:
    """A page of another site can make a browser talk to a loopback address under a name of its own (DNS rebinding):
    only the names in `admin.hosts` are answered."""

    @web.middleware
    async def check(request: web.Request, handler: WebHandler) -> web.StreamResponse:
        host = host_name(request.headers.get("Host", ""))
        if host not in {known.lower() for known in context.hosts} and request.path not in api_probes.PROBES:
            raise ApiProblem("wrong_host", f"{host[:60]!r} is not in admin.hosts")
        return await handler(request)

    return check


def host_name(field: str) -> str:
    """The name in a Host field, lower case, without port: `[::1]:9900` -> `::1`."""
    field = field.strip().lower()
    if field.startswith("["):
        return field[1:].partition("]")[0]
    return field.partition(":")[0]


async def _add_common_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = "steer"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.setdefault("Cache-Control", "no-store")
