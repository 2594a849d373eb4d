"""Affinity put together: sealed cookies and learned keys (`sessions.affinity`) for the data plane and for control.

    worker   WorkerAffinity ── binders ─▶ DataPlane
    control  ControlAffinity

A worker has the ring of keys, which it watches, and a copy of the learned keys. Control has the table of them, and
rotates the ring.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from steer.clock import Clock
from steer.errors import Unacceptable
from steer.proxy.binding import Binder
from steer.proxy.binding_cookie import CookieBinder
from steer.proxy.binding_key import MOST_KEY_BYTES, KeyBinder
from steer.proxy.http.cookies import cookie
from steer.sessions.affinity.jar import Jar
from steer.sessions.affinity.journal import Journal
from steer.sessions.affinity.known import Entry, Known
from steer.sessions.affinity.learned import MemoryTable, digest, id_of, is_over, learning
from steer.sessions.affinity.seals import Seals
from steer.sessions.affinity.shared import SharedTable
from steer.sessions.affinity.spreading import Spreading
from steer.sessions.keyfile import WatchedRing
from steer.sessions.keyring import Ring
from steer.steering.model import Affinity, Bound, Service, Topology

Brought = tuple[Bound | None, str]
"""Where affinity says that a client is, and its learned key: as `Facts` have them."""


class LearnedKeys:
    """The learned keys of one service, as its requests ask for them."""

    def __init__(self, known: Known, service: str, affinity: Affinity) -> None:
        self._known = known
        self._service = service
        self._affinity = affinity

    def find(self, key: bytes) -> Entry | None:
        return self._known.find(digest(self._service, key), self._affinity)

    def id_of(self, entry: Entry) -> int:
        return id_of(entry.key)

    def learn(self, key: bytes, datacentre: str, client: str) -> None:
        self._known.learn(digest(self._service, key), self._service, datacentre, self._affinity, client)

    def move(self, entry: Entry, datacentre: str, client: str) -> None:
        self._known.move(entry, datacentre, client)

    def end(self, key: bytes) -> None:
        self._known.end(digest(self._service, key))


class WorkerAffinity:
    """For the life of the worker. What it learned outlives a reload."""

    def __init__(self, clock: Clock, keys: WatchedRing | None) -> None:
        self._clock = clock
        self.known = Known(clock)
        self._learning: Mapping[str, Affinity] = {}
        self._seals: Seals | None = None
        self.follow(keys)

    def follow(self, keys: WatchedRing | None) -> None:
        """The ring of another configuration; None: no service has cookies. Before `binders` for its topology."""
        self._keys = keys
        if keys is not None:
            self._seals = Seals(keys.ring)

    def binders(self, topology: Topology) -> Mapping[str, Binder]:
        """One for each service that has affinity."""
        self._learning = learning(topology)
        services = topology.services.values()
        return {each.name: self._binder(each, each.affinity, topology) for each in services if each.affinity}

    def _binder(self, service: Service, affinity: Affinity, topology: Topology) -> Binder:
        if affinity.kind != "cookie":
            return KeyBinder(service, affinity, LearnedKeys(self.known, service.name, affinity), topology)
        assert self._seals is not None, "a configuration with cookies has a ring"
        return CookieBinder(
            service, affinity, Jar(service.name, affinity, topology, self._seals, self._clock), topology
        )

    def watch(self) -> str:
        """Follow the file of keys, about once a second. Returns what is wrong with it."""
        if self._keys is None or self._seals is None:
            return ""
        if self._keys.look():
            self._seals.follow(self._keys.ring)
        return self._keys.alarm

    def take_news(self) -> list[Any]:
        """For control; empty where there is nothing to tell."""
        return self.known.take_news()

    def hear(self, records: list[Any], gone: list[Any]) -> None:
        """From control."""
        self.known.hear(records, gone, self._learning)


class ControlAffinity:
    """For the life of the control process. Call `tick` ten times a second, `watch` once."""

    def __init__(
        self,
        topology: Topology,
        clock: Clock,
        state: Path,
        keys: WatchedRing | None,
        tell: Callable[[int, object], None],
        workers: Callable[[], frozenset[int]],
        tell_store: Callable[[object], None] | None = None,
    ) -> None:
        """`tell_store`: to the store process, which shares learned keys with other edges; None: they are not shared."""
        self._clock = clock
        self._keys = keys
        self._set(topology)
        self.learned = Spreading(tell, workers)
        table = MemoryTable(topology, clock, Journal(state, clock), self.learned)
        self.shared = SharedTable(table, clock, tell_store) if tell_store is not None else None
        self.learned.begin(self.shared or table)

    def _set(self, topology: Topology) -> None:
        affinities = [service.affinity for service in topology.services.values()]
        cookies = [affinity.idle for affinity in affinities if affinity is not None and affinity.kind == "cookie"]
        self._longest_idle = max(cookies, default=0.0)

    def follow(self, topology: Topology, keys: WatchedRing | None) -> None:
        """Another configuration holds."""
        self._keys = keys
        self._set(topology)
        self.learned.table.follow(topology)

    def tick(self) -> None:
        self.learned.tick()

    def watch(self) -> str:
        """As that of a worker."""
        if self._keys is None:
            return ""
        self._keys.look()
        return self._keys.alarm

    @property
    def file(self) -> Path | None:
        """Of the keys; None: no service has cookies."""
        return self._keys.path if self._keys is not None else None

    def ring(self) -> Ring | None:
        return self._keys.ring if self._keys is not None else None

    def rotate(self) -> tuple[Ring, Ring]:
        """One step: the ring before and after. Raises Unacceptable, or SteerError when the file cannot be changed."""
        if self._keys is None:
            raise Unacceptable("no service has cookies of affinity", "services.*.affinity: {cookie: NAME}")
        return self._keys.rotate(self._clock.wall(), self._longest_idle)

    def bound(self, service: Service, topology: Topology, target: str, fields: Mapping[str, str]) -> Brought:
        """What a request with this target (path and query) and these fields (names in lower case) brings."""
        affinity = service.affinity
        if affinity is None:
            return None, ""
        if affinity.kind == "cookie":
            return self._of_cookie(service, affinity, topology, fields.get("cookie", "")), ""
        key = fields.get(affinity.name, "") if affinity.kind == "header" else _in_query(target, affinity.name)
        if not 0 < len(key) <= MOST_KEY_BYTES:
            return None, ""
        record = self.learned.table.get(digest(service.name, key.encode("latin-1", "replace")))
        is_known = record is not None and not is_over(record, affinity, self._clock.wall())
        return Bound(record.datacentre) if record is not None and is_known else None, key

    def _of_cookie(self, service: Service, affinity: Affinity, topology: Topology, field: str) -> Bound | None:
        """Of a plain listener or over TLS: who asks need not know which."""
        if self._keys is None:
            return None
        jar = Jar(service.name, affinity, topology, Seals(self._keys.ring), self._clock)
        for is_secure, name in enumerate(jar.names):
            value = cookie([b"cookie:" + field.encode("latin-1", "replace")], name)
            ticket = jar.open(value, bool(is_secure)) if value is not None else None
            if ticket is not None:
                return Bound(ticket.datacentre, ticket.node)
        return None

    def close(self) -> None:
        self.learned.table.close()


def _in_query(target: str, name: str) -> str:
    pairs = parse_qsl(target.partition("?")[2], keep_blank_values=True, encoding="latin-1")
    return next((value for found, value in pairs if found == name), "")
