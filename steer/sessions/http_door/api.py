"""The resource `/v1/{namespace}/{id}`: who may, what it is, and what became of a write."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Mapping

from aiohttp import web
from aiohttp.typedefs import Handler
from aiohttp.typedefs import Middleware as WebMiddleware

from steer.clock import Clock
from steer.sessions.access import Access
from steer.sessions.http_door.headers import acknowledge_of, condition_of, is_unchanged, request_id_of, ttl_of
from steer.sessions.http_door.problems import RETRY, Problem, of_http_error, of_store_error
from steer.store.errors import StoreError
from steer.store.model import How, Namespace, Written

logger = logging.getLogger("steer.sessions.http")

MOST_VALUE = 256 * 1024
"""Bytes of a session. More is a mistake, and would be sent to the other site at each request."""

BODY_TIME = 10.0
"""Seconds for the body of a PUT."""

RECORD = "/v1/{namespace}/{id}"


class Api:
    """The handlers. `patience` is how long a request may wait for the store, in seconds."""

    def __init__(self, namespaces: Mapping[str, Namespace], access: Access, clock: Clock, patience: float) -> None:
        self._namespaces = namespaces
        self._access = access
        self._clock = clock
        self._patience = patience

    def application(self, *middlewares: WebMiddleware) -> web.Application:
        app = web.Application(client_max_size=MOST_VALUE, middlewares=[_problems, *middlewares])
        app.router.add_get(RECORD, self.get, allow_head=True)
        app.router.add_put(RECORD, self.put)
        app.router.add_delete(RECORD, self.delete)
        app.router.add_post(f"{RECORD}/touch", self.touch)
        return app

    async def get(self, request: web.Request) -> web.Response:
        namespace, key = self._asked(request)
        async with asyncio.timeout(self._patience):
            record = await namespace.get(key)
        if record is None:
            raise _no_record()
        if isinstance(record.value, dict):
            raise Problem("wrong_kind", "it was written through the RESP door")
        left = max(0, int(record.deadline - self._clock.wall()))
        headers = {"ETag": f'"{record.stamp}"', "TTL": str(left), "Cache-Control": "no-store"}
        if is_unchanged(request, record.stamp):
            return web.Response(status=304, headers=headers)
        return web.Response(body=record.value, headers=headers, content_type="application/octet-stream")

    async def put(self, request: web.Request) -> web.Response:
        namespace, key = self._asked(request)
        ttl, how = ttl_of(request), How(condition_of(request), request_id_of(request), acknowledge_of(request))
        value = await _body(request)
        async with asyncio.timeout(self._patience):
            written = await namespace.put(key, value, ttl, how)
        return web.Response(status=201 if how.condition == "absent" else 204, headers=_written(written))

    async def delete(self, request: web.Request) -> web.Response:
        namespace, key = self._asked(request)
        condition = condition_of(request)
        async with asyncio.timeout(self._patience):
            was_there = await namespace.delete(key, condition=condition)
        if not was_there:
            raise _no_record()
        return web.Response(status=204)

    async def touch(self, request: web.Request) -> web.Response:
        namespace, key = self._asked(request)
        ttl = ttl_of(request)
        async with asyncio.timeout(self._patience):
            was_there = await namespace.touch(key, ttl)
        if not was_there:
            raise _no_record()
        return web.Response(status=204)

    def _asked(self, request: web.Request) -> tuple[Namespace, bytes]:
        """The namespace and the key, if this client may."""
        name = request.match_info["namespace"]
        self._authorise(request, name)
        if name not in self._namespaces:
            raise Problem("not_found", f"no namespace is called {name!r}")
        return self._namespaces[name], request.match_info["id"].encode("utf-8", "surrogateescape")

    def _authorise(self, request: web.Request, namespace: str) -> None:
        if self._access.is_open:
            _require_loopback_name(request)
            return
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        mine = self._access.namespaces_of_secret(secret.strip().encode("utf-8", "surrogateescape"))
        if scheme.lower() != "bearer" or not mine:
            raise Problem("unauthorised", "Authorization: Bearer TOKEN", {"WWW-Authenticate": "Bearer"})
        if namespace not in mine:
            raise Problem("forbidden", "another token is for it")


def _require_loopback_name(request: web.Request) -> None:
    """Without tokens, a page in a browser on this machine must not reach the door by a name of its own (rebinding)."""
    host = request.url.host or ""
    try:
        is_here = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_here = False
    if not is_here:
        raise Problem("wrong_host", "without tokens only localhost is answered")


async def _body(request: web.Request) -> bytes:
    try:
        async with asyncio.timeout(BODY_TIME):
            return await request.read()
    except TimeoutError:
        raise Problem("too_slow", f"it must be there within {BODY_TIME:.0f} seconds") from None


def _written(written: Written) -> dict[str, str]:
    return {"ETag": f'"{written.stamp}"', "X-Acknowledged": written.acknowledged}


def _no_record() -> Problem:
    return Problem("not_found", "there is no live record of this id")


@web.middleware
async def _problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever goes wrong is a problem."""
    try:
        return await handler(request)
    except Problem as problem:
        return problem.response()
    except StoreError as error:
        return of_store_error(error).response()
    except TimeoutError:
        kind = "unavailable" if request.method in ("GET", "HEAD") else "indeterminate"
        return Problem(kind, "the store did not answer in time", RETRY).response()
    except web.HTTPException as error:
        return of_http_error(error).response()
    except Exception:
        logger.exception("%s broke", request.method)
        return Problem("internal", "the log has more").response()
