"""The store process: this site's engine, the namespaces over it, and the doors through which applications reach them.

    application ── RESP or HTTP door ── sealing ── Namespace ── engine
    control <── once a second: how it stands ──┘

It knows nothing of a reload: what it is made of holds for its life. It leaves its doors' sockets to the supervisor, so
that a client that connects while it is started anew waits for an answer instead of being refused.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from steer.clock import Clock, SystemClock
from steer.runtime.channel import ToControl
from steer.runtime.tasks import spawn
from steer.sessions.affinity.keyfile import WatchedRing
from steer.sessions.http_door.door import HttpDoor
from steer.sessions.resp.door import RespDoor
from steer.sessions.sealing import SealedNamespace, Seals
from steer.sessions.space import Space
from steer.store.engine import Engine
from steer.store.memory_engine import MemoryEngine
from steer.store.memory_log import Log
from steer.store.model import Namespace
from steer.store.redis_engine import RedisEngine
from steer.store.redis_link import RedisLink
from steer.store.site import Site
from steer.store_parameters import NamespaceSettings, StoreSettings

logger = logging.getLogger("steer.store")

STORE = -1
"""Its number among those that control hears: workers count from 0."""

STATUS = "store"
"""The kind of its message to control: [kind, pid, status]."""

STATUS_EVERY = 1.0


class StoreProcess:
    """One edge's store service; `runtime.child` runs it. Make it on the loop."""

    def __init__(self, settings: StoreSettings, clock: Clock | None = None) -> None:
        """Raises SteerError if the memory's log or the ring of keys cannot be used."""
        self._settings = settings
        self._clock = clock or SystemClock()
        self._keys = WatchedRing(settings.keys) if settings.keys is not None else None
        self._site = Site(settings.site, engine_of(settings), [each.kept for each in settings.namespaces], self._clock)
        self._namespaces = {each.kept.space.name: self._namespace(each) for each in settings.namespaces}
        self._resp: RespDoor | None = None
        self._http: HttpDoor | None = None
        self._telling: asyncio.Task[None] | None = None

    async def start(self, link: ToControl, doors: Mapping[str, socket.socket]) -> None:
        """Serve on the doors' sockets, by their names. Raises SteerError if the engine is another site's."""
        await self._site.start()
        if self._settings.resp is not None:
            self._resp = RespDoor(self._spaces(), self._settings.resp.access, clock=self._clock)
            await self._resp.serve(doors["resp"].dup(), self._settings.resp.tls)
        if self._settings.http is not None:
            self._http = HttpDoor(self._namespaces, self._settings.http.access, clock=self._clock)
            await self._http.serve(doors["http"].dup(), self._settings.http.tls)
        self._telling = spawn("status", self._tell(link))

    async def drain(self, within: float) -> None:
        """Finish what clients have begun."""
        if self._resp is not None:
            await self._resp.close()
        if self._http is not None:
            await self._http.close()
        self._resp = self._http = None

    async def stop(self) -> None:
        await self.drain(0)
        if self._telling is not None:
            self._telling.cancel()
            with suppress(asyncio.CancelledError):
                await self._telling
        await self._site.close()

    def _namespace(self, settings: NamespaceSettings) -> Namespace:
        name = settings.kept.space.name
        inner = self._site.namespace(name)
        keys = self._keys
        if keys is None or not (settings.seal or settings.hash_keys):
            return inner
        return SealedNamespace(inner, Seals(name, lambda: keys.ring), self._clock, hides_keys=settings.hash_keys)

    def _spaces(self) -> dict[str, Space]:
        spaces = {}
        for each in self._settings.namespaces:
            kept = each.kept.space
            records = self._namespaces[kept.name]
            spaces[kept.name] = Space(kept.name, records, kept.max_lifetime, self._clock, each.local_keys)
        return spaces

    # Each second...

    async def _tell(self, link: ToControl) -> None:
        while True:
            status = await self._status()
            if link.can_take:
                link.send([STATUS, os.getpid(), status])
            if self._keys is not None:
                self._keys.look()
            await asyncio.sleep(STATUS_EVERY)

    async def _status(self) -> dict[str, Any]:
        site = await self._site.status()
        return {
            **asdict(site),
            "at": self._clock.wall(),
            "engine": str(self._settings.engine or "memory"),
            "doors": self._doors(),
            "keys_alarm": self._keys.alarm if self._keys is not None else "",
        }

    def _doors(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self._resp is not None and self._settings.resp is not None:
            found["resp"] = {"bind": self._settings.resp.bind, **self._resp.facts()["sessions"]}
        if self._http is not None and self._settings.http is not None:
            found["http"] = {"bind": self._settings.http.bind}
        return found


def engine_of(settings: StoreSettings) -> Engine:
    """This site's."""
    if settings.engine is not None:
        return RedisEngine(RedisLink(settings.engine))
    return MemoryEngine(Log(settings.log, settings.sync))
