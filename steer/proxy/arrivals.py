"""Clients that arrive: their first request in a datacentre that is not the one where they were. Their session may still
be on its way, so the request waits until the store has brought it (`session_cookie`), before its head is sent.

    choose -> arrive -> connect        the store process: record there -> merged here -> an answer

Whoever does not arrive, or brings no such cookie, is not touched. Where the store cannot say that the session is here,
or not in time, the node is told so: `X-Session-Stale: 1`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from enum import Enum, auto
from itertools import count
from typing import TYPE_CHECKING, NamedTuple, Protocol

from steer.proxy.http.cookies import cookie
from steer.proxy.http.head import RequestHead

if TYPE_CHECKING:
    from steer.proxy.exchange import Exchange

PATIENCE = 0.25
"""Seconds. The store says within 0.15 that it cannot; this is for one that does not say anything."""
MOST_WAITING = 1_000
"""Requests of one worker: as many clients a move may bring at once as an engine serves in a tenth of a second."""
MOST_VALUE_BYTES = 256
"""Of a cookie. Session ids have 16 to 128."""
STALE = b"X-Session-Stale: 1"
BRING, BROUGHT = "bring", "brought"
"""[BRING, id, from site, to site, [[namespace, key], ...]] -> [BROUGHT, id, whether all of it is there]"""


class MappedCookie(NamedTuple):
    """The browser's cookie `name` stands for the record `before` + its value + `after` of the namespace."""

    name: bytes
    namespace: str
    before: bytes
    after: bytes


class ToStore(Protocol):
    """The worker's way to the store process: a ControlLink or an InProcessLink."""

    @property
    def can_take(self) -> bool: ...

    def send(self, value: object) -> None: ...


class Arrival(Enum):
    """What becomes of a request."""

    NOTHING = auto()
    """It has no session elsewhere that we could bring."""
    WAITS = auto()
    STALE = auto()


class Arrivals:
    """Of one worker. `sites`: the engine's number, by datacentre."""

    def __init__(self, store: ToStore, cookies: Sequence[MappedCookie], sites: Mapping[str, int]) -> None:
        self._store = store
        self._cookies = cookies
        self._sites = sites
        # Others than those of a worker that had this slot before.
        self._ids = count(os.getpid() << 32)
        self._waiting: dict[int, Exchange] = {}
        self._id_of: dict[Exchange, int] = {}

    def __repr__(self) -> str:
        return f"<Arrivals [{len(self._waiting)} waiting]>"

    def begin(self, exchange: Exchange, before: str, here: str) -> Arrival:
        """A client that was in the datacentre `before` is on its way to a node in `here`."""
        source, target = self._sites.get(before), self._sites.get(here)
        if source is None or target is None or source == target:
            return Arrival.NOTHING
        records = self._records(exchange.head)
        if not records:
            return Arrival.NOTHING
        if len(self._waiting) >= MOST_WAITING or not self._store.can_take:
            return Arrival.STALE
        id = next(self._ids)
        self._waiting[id] = exchange
        self._id_of[exchange] = id
        self._store.send([BRING, id, source, target, records])
        return Arrival.WAITS

    def _records(self, head: RequestHead) -> list[tuple[str, bytes]]:
        found = ((each, cookie(head.lines, each.name)) for each in self._cookies)
        return [
            (each.namespace, each.before + value + each.after)
            for each, value in found
            if value and len(value) <= MOST_VALUE_BYTES
        ]

    def forget(self, exchange: Exchange) -> None:
        """It waits no longer."""
        id = self._id_of.pop(exchange, None)
        if id is not None:
            del self._waiting[id]

    def take(self, value: object) -> None:
        """An answer of the store. One that comes too late is for nobody."""
        match value:
            case [str(word), int(id), bool(is_there)] if word == BROUGHT and id in self._waiting:
                exchange = self._waiting[id]
                self.forget(exchange)
                exchange.on_session(is_there)
