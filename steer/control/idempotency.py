"""Idempotency-Key: a change that is sent again, because its answer was lost, is not made again.

The same key with the same request gives the same answer, refusals too; with another request it is a mistake (422).
Keys belong to the token that used them. Nothing is kept over a new start of the control process.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from steer.clock import Clock
from steer.control.problems import ApiProblem

MOST_ANSWERS = 1000
"""Kept at once; a few KiB each. The oldest is forgotten first."""

KEPT_FOR = 3600.0
"""Seconds. Long enough for every retry; not longer, because the answer to a new token holds its secret."""

MOST_KEY = 255

REPLAYED = "Idempotent-Replayed"


@dataclass(frozen=True, slots=True)
class Kept:
    fingerprint: bytes
    at: float
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def response(self) -> web.Response:
        return web.Response(status=self.status, headers=[*self.headers, (REPLAYED, "true")], body=self.body)


class Answers:
    """The answers to changes that came with a key."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: OrderedDict[tuple[str, str], Kept] = OrderedDict()

    async def once(
        self, request: web.Request, owner: str, body: bytes, act: Callable[[], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """The answer kept for the request's key, or that of `act`.

        The body is there already and a change is made without waiting for anything, so two requests with one key
        cannot both be under way.
        """
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return await act()
        if not (1 <= len(key) <= MOST_KEY and key.isascii() and key.isprintable()):
            raise ApiProblem("malformed", f"Idempotency-Key must be 1 to {MOST_KEY} visible ASCII characters")
        fingerprint = _fingerprint(request, body)
        kept = self._find(owner, key)
        if kept is None:
            return self._keep(owner, key, fingerprint, await _answer(act))
        if kept.fingerprint != fingerprint:
            raise ApiProblem("unacceptable", "this Idempotency-Key was used for another request; take a new one")
        return kept.response()

    def _find(self, owner: str, key: str) -> Kept | None:
        kept = self._kept.get((owner, key))
        return kept if kept is not None and self._clock.monotonic() - kept.at < KEPT_FOR else None

    def _keep(self, owner: str, key: str, fingerprint: bytes, response: web.Response) -> web.Response:
        headers = tuple((name, value) for name, value in response.headers.items() if name != "Content-Length")
        body = response.body if isinstance(response.body, bytes) else b""
        self._kept.pop((owner, key), None)
        self._kept[owner, key] = Kept(fingerprint, self._clock.monotonic(), response.status, headers, body)
        while len(self._kept) > MOST_ANSWERS or self._is_stale(next(iter(self._kept.values()))):
            self._kept.popitem(last=False)
        return response

    def _is_stale(self, kept: Kept) -> bool:
        return self._clock.monotonic() - kept.at >= KEPT_FOR


async def _answer(act: Callable[[], Awaitable[web.StreamResponse]]) -> web.Response:
    try:
        response = await act()
    except ApiProblem as problem:
        return problem.response()
    assert isinstance(response, web.Response), "changes are answered whole"
    return response


def _fingerprint(request: web.Request, body: bytes) -> bytes:
    parts = (request.method, request.path_qs, request.headers.get("If-Match", ""))
    return hashlib.sha256("\n".join(parts).encode() + b"\n" + body).digest()
