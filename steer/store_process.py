"""The store process: this site's engine, the namespaces over it, and the doors through which applications reach them.

    application ── RESP or HTTP door ── sealing ── Namespace ── engine
    control <── once a second: how it stands ──┤                         │
    workers ── bring this client's session ────┤                         │
    control <── learned keys of all edges ─────┘                         │
                              the other sites' engines <── replication ──┤
                              their edges ── mutual TLS ── EngineServer ──┘

It knows nothing of a reload: what it is made of holds for its life. It leaves its doors' sockets to the supervisor, so
that a client that connects while it is started anew waits for an answer instead of being refused.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from steer.clock import Clock, SystemClock
from steer.proxy.arrivals import BRING, BROUGHT
from steer.runtime.channel import ToControl, ToWorkers
from steer.runtime.tasks import spawn
from steer.sessions.adopting import AdoptingNamespace, Home, OldRedis
from steer.sessions.affinity.shared import SHARED, SHARED_ALL
from steer.sessions.affinity.stored import StoredKeys
from steer.sessions.http_door.door import HttpDoor, HttpLimits
from steer.sessions.keyfile import WatchedRing
from steer.sessions.resp.door import RespDoor, RespLimits
from steer.sessions.sealing import SealedNamespace
from steer.sessions.seals import Seals
from steer.sessions.space import Space
from steer.store.courier import Courier
from steer.store.engine import Engine
from steer.store.layout import Space as StoreSpace
from steer.store.memory_engine import MemoryEngine
from steer.store.memory_log import Log
from steer.store.model import Namespace
from steer.store.redis_link import RedisLink
from steer.store.remote.server import EngineServer
from steer.store.site import Site
from steer.store_parameters import NamespaceSettings, StoreSettings
from steer.store_places import engine_at

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
        self._others = {site: engine_at(place) for site, place in settings.sites.others.items()}
        kept = [each.kept for each in settings.namespaces]
        if settings.learned is not None:
            kept.append(settings.learned)
        self._site = Site(settings.sites.here, engine_of(settings), kept, self._clock, self._others)
        self._old: dict[str, OldRedis] = {}
        self._namespaces = {each.kept.space.name: self._namespace(each) for each in settings.namespaces}
        self._settings_of = {each.kept.space.name: each for each in settings.namespaces}
        self._courier = Courier({settings.sites.here: self._site.engine, **self._others}, self._clock)
        self._resp: RespDoor | None = None
        self._http: HttpDoor | None = None
        self._peers: EngineServer | None = None
        self._learned: StoredKeys | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._workers: ToWorkers | None = None

    async def start(self, link: ToControl, workers: ToWorkers, doors: Mapping[str, socket.socket]) -> None:
        """Serve on the doors' sockets, by their names, and answer `workers` what they ask of `take`.

        Raises SteerError if the engine is another site's.
        """
        self._workers = workers
        await self._site.start()
        if self._settings.resp is not None:
            limits = RespLimits(patience=patience(self._settings))
            self._resp = RespDoor(self._spaces(), self._settings.resp.access, limits, clock=self._clock)
            await self._resp.serve(doors["resp"].dup(), self._settings.resp.tls)
        if self._settings.http is not None:
            limits_of_http = HttpLimits(patience=patience(self._settings))
            self._http = HttpDoor(self._namespaces, self._settings.http.access, limits_of_http, clock=self._clock)
            await self._http.serve(doors["http"].dup(), self._settings.http.tls)
        if self._settings.peers is not None:
            self._peers = EngineServer(self._site.engine, self._site.spaces, self._settings.peers.names)
            await self._peers.serve(doors["peers"].dup(), self._settings.peers.tls)
        self._tasks.append(spawn("status", self._tell(link)))
        if self._settings.learned is not None:
            self._learned = self._learned_keys(self._settings.learned.space, link)
            self._tasks.append(spawn("learned keys", self._learned.run()))

    async def drain(self, within: float) -> None:
        """Finish what clients have begun."""
        if self._resp is not None:
            await self._resp.close()
        if self._http is not None:
            await self._http.close()
        if self._peers is not None:
            await self._peers.close()
        self._resp = self._http = self._peers = None

    async def stop(self) -> None:
        await self.drain(0)
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        for old in self._old.values():
            await old.close()
        await self._site.close()

    def take(self, worker: int, value: object) -> None:
        """A worker asks for sessions to be brought from one site to another."""
        match value:
            case [str(word), int(id), int(source), int(target), list(records)] if word == BRING:
                _ = spawn("bring a session", self._bring(worker, id, source, target, records))

    def hear(self, value: object) -> None:
        """Of what control publishes and tells: what concerns learned keys."""
        if self._learned is None:
            return
        match value:
            case [str(word), int(number), list(claims), list(ends)] if word == SHARED:
                self._learned.take(number, claims, ends)
            case [str(word)] if word == SHARED_ALL:
                self._learned.begin_anew()

    def _learned_keys(self, space: StoreSpace, link: ToControl) -> StoredKeys:
        def tell(number: int, records: list[Any], ends: list[Any]) -> None:
            link.send([SHARED, os.getpid(), [number, records, ends]])

        return StoredKeys(self._site.engine, space, self._clock, tell, lambda: link.can_take)

    async def _bring(self, worker: int, id: int, source: int, target: int, records: Sequence[Any]) -> None:
        brought = [await self._bring_one(name, key, source, target) for name, key in records]
        assert self._workers is not None, "workers are heard after the start"
        self._workers.tell(worker, [BROUGHT, id, all(brought)])

    async def _bring_one(self, name: str, key: bytes, source: int, target: int) -> bool:
        settings = self._settings_of[name]
        seals = self._seals(settings) if settings.hash_keys else None
        names = seals.names(key) if seals is not None else [key]
        return await self._courier.bring(settings.kept.space, names, source, target)

    def _namespace(self, settings: NamespaceSettings) -> Namespace:
        name = settings.kept.space.name
        found: Namespace = self._site.namespace(name)
        seals = self._seals(settings)
        if seals is not None:
            found = SealedNamespace(found, seals, self._clock, hides_keys=settings.hash_keys)
        if settings.adopt is not None:
            old = self._old[name] = OldRedis(RedisLink(settings.adopt))
            home = Home(self._site.engine, settings.kept.space, seals, settings.hash_keys)
            found = AdoptingNamespace(found, home, old, self._clock)
        return found

    def _seals(self, settings: NamespaceSettings) -> Seals | None:
        keys = self._keys
        if keys is None or not (settings.seal or settings.hash_keys):
            return None
        return Seals(settings.kept.space.name, lambda: keys.ring)

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
            self._look_at_files()
            await asyncio.sleep(STATUS_EVERY)

    def _look_at_files(self) -> None:
        if self._keys is not None:
            self._keys.look()
        for context in self._settings.contexts:
            if context.renew():
                logger.info("%s was replaced, and is in use", context.files.certificate)

    async def _status(self) -> dict[str, Any]:
        site = await self._site.status()
        return {
            **asdict(site),
            "at": self._clock.wall(),
            "engine": str(self._settings.sites.engine or "memory"),
            "doors": self._doors(),
            "keys_alarm": self._keys.alarm if self._keys is not None else "",
            "certificate_alarms": [each.alarm for each in self._settings.contexts if each.alarm],
        }

    def _doors(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self._resp is not None and self._settings.resp is not None:
            found["resp"] = {"bind": self._settings.resp.bind, **self._resp.facts()["sessions"]}
        if self._http is not None and self._settings.http is not None:
            found["http"] = {"bind": self._settings.http.bind}
        if self._peers is not None and self._settings.peers is not None:
            peers = {"connections": len(self._peers.conversations), "refused": self._peers.refused}
            found["replication"] = {"bind": self._settings.peers.bind, **peers}
        return found


def engine_of(settings: StoreSettings) -> Engine:
    """This site's."""
    place = settings.sites.engine
    return engine_at(place) if place is not None else MemoryEngine(Log(settings.log, settings.sync))


def patience(settings: StoreSettings) -> float:
    """Seconds for which a door waits for the store: for an engine that hangs and the way to another site; where a write
    is confirmed by every site, for that too."""
    promises = [each.kept.promise for each in settings.namespaces]
    return RespLimits().patience + max((each.timeout for each in promises if each.acknowledge == "all"), default=0.0)
