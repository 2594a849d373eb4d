"""A worker: the data plane, the slots it accepts from, and its link to control."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from steer import reload
from steer.affinity import WorkerAffinity
from steer.clock import SystemClock
from steer.errors import SteerError
from steer.geo.databases import NextDatabases
from steer.parameters import NextTls
from steer.proxy.arrivals import Arrivals, ToStore
from steer.proxy.client import ClientConnection
from steer.proxy.deadlines import TICK
from steer.proxy.http.answers import busy_answer
from steer.proxy.memory import allowed
from steer.proxy.plane import DataPlane
from steer.proxy.settings import ListenerSettings, PlaneSettings
from steer.proxy.tcp import TcpConnection
from steer.runtime.accepting import Accepting
from steer.runtime.announced import Announced
from steer.runtime.channel import ToControl
from steer.runtime.door import Door
from steer.runtime.tasks import spawn
from steer.sessions.affinity import spreading
from steer.sessions.keyfile import WatchedRing
from steer.steering.model import Observation, Topology
from steer.steering.snapshot import Snapshot
from steer.steering.wire import from_wire, observation_to_wire

logger = logging.getLogger("steer.worker")

OTHERS = ("control", "store")
"""Processes that share the machine's memory with the workers."""
GAUGES_EVERY = 10
"""Ticks between two reports of how many connections there are, and between two looks at certificates and keys."""

OBSERVATION, COUNTS = "observation", "counts"
"""The kinds of message to control, beside those of `reload.py`: [kind, pid, value]."""


@dataclass(frozen=True, slots=True)
class Made:
    """What a worker is made of: everything of a configuration that could have been wrong is in here."""

    number: int
    topology: Topology
    settings: PlaneSettings
    databases: NextDatabases
    tls: tuple[NextTls, ...] = ()
    keys: WatchedRing | None = None
    """Of affinity's cookies; None: no service has any."""

    def take_effect(self) -> None:
        """Of what the process shares with its other parts."""
        self.databases.take_effect()
        for tls in self.tls:
            tls.take_effect()


class Worker:
    """One worker's service; `runtime.child` runs it.

    `make` turns (number, parcel) into what the worker switches to; it runs in a thread and changes nothing.
    """

    def __init__(self, made: Made, make: Callable[[int, object], Made]) -> None:
        settings, topology = made.settings, made.topology
        self._affinity = WorkerAffinity(SystemClock(), made.keys)
        self.plane = DataPlane(settings, topology, random.Random(), self._report, self._affinity.binders)
        self._settings = settings
        self._databases = made.databases.databases
        self._link: ToControl | None = None
        self._accepting: Accepting | None = None
        self._ticks: asyncio.Task[None] | None = None
        self._alarms: tuple[str, ...] = ()
        self._make = make
        self._number = made.number
        self._prepared: Made | None = None
        self._wanted = made.number
        """The number of the configuration that control asked to prepare last."""

    def start(self, link: ToControl, sockets: Mapping[str, Any], store: ToStore | None = None) -> None:
        """Begin to tick. Nothing is accepted before `accept`. `store`: the way to it, if sessions are known by cookies
        (`brings_sessions`)."""
        self._link = link
        if store is not None:
            settings = self._settings
            self.plane.arrivals = Arrivals(store, settings.session_cookies, settings.sites)
        self._accepting = Accepting(sockets, self._doors())
        slots = max((len(each) for each in sockets.values()), default=1)
        self.plane.memory = allowed(slots + len(OTHERS))
        self._ticks = spawn("ticks", self._run_ticks())

    def take(self, value: object) -> None:
        """A snapshot, or a message of a reload (`reload.py`)."""
        match value:
            case dict():
                self.plane.apply(from_wire(value))
            case [spreading.LEARNED, list(records), list(gone)]:
                self._affinity.hear(records, gone)
            case [reload.PREPARE, int(number), parcel]:
                self._wanted = number
                _ = spawn("prepare", self._prepare(number, parcel))
            case [reload.COMMIT, int(number), dict(snapshot)]:
                self._commit(number, snapshot)
            case [reload.CONFIGURATION, int(number), parcel] if number != self._number:
                _ = spawn("catch up", self._catch_up(number, parcel))

    @property
    def brings_sessions(self) -> bool:
        return bool(self._settings.session_cookies)

    def take_from_store(self, value: object) -> None:
        """An answer."""
        if self.plane.arrivals is not None:
            self.plane.arrivals.take(value)

    # Another configuration...

    async def _prepare(self, number: int, parcel: object) -> None:
        try:
            made = await asyncio.to_thread(self._make, number, parcel)
        except (SteerError, OSError) as error:
            self._answer(number, str(error))
        except Exception as error:
            logger.exception("configuration %d cannot be prepared", number)
            self._answer(number, repr(error))
        else:
            self._answer(number, "", made)

    def _answer(self, number: int, problem: str, made: Made | None = None) -> None:
        if number == self._wanted:
            self._prepared = made
            self._send(reload.PREPARED, [number, problem])

    def _commit(self, number: int, snapshot: dict[str, Any]) -> None:
        made, self._prepared = self._prepared, None
        assert made is not None, "control commits what all have prepared"
        assert made.number == number, "and nothing else"
        self._switch(made, from_wire(snapshot))

    async def _catch_up(self, number: int, parcel: object) -> None:
        """All others follow it, so this process must, or make room for one that does."""
        try:
            made = await asyncio.to_thread(self._make, number, parcel)
        except Exception:
            logger.exception("configuration %d cannot be used: ending", number)
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            if number > self._number:
                self._switch(made, self.plane.tables.snapshot)

    def _switch(self, made: Made, snapshot: Snapshot) -> None:
        made.take_effect()
        self._number, self._settings = made.number, made.settings
        self._affinity.follow(made.keys)
        self.plane.reconfigure(made.settings, made.topology, snapshot)
        if self._accepting is not None:
            self._accepting.replace(self._doors())

    def _doors(self) -> dict[str, Door]:
        return {listener.name: self._door(listener) for listener in self._settings.listeners}

    # What the supervisor orders...

    async def accept(self, slot: int) -> None:
        assert self._accepting is not None
        await self._accepting.accept(slot)

    async def release(self, slot: int) -> None:
        assert self._accepting is not None
        await self._accepting.release(slot)

    async def drain(self, within: float) -> None:
        """Answer what was asked; connections that wait in our slot are for nobody else, so they are still taken."""
        assert self._accepting is not None
        await self.plane.drain(within, self._accepting.shut)

    async def hand_over(self, within: float) -> None:
        """Other processes accept from all slots from now on."""
        assert self._accepting is not None
        await self._accepting.close()
        await self._accepting.settled()
        await self.plane.hand_over(within)

    async def stop(self) -> None:
        if self._accepting is not None:
            await self._accepting.close()
            self._accepting.abandon()
        if self._ticks is not None:
            self._ticks.cancel()
        self.plane.close()
        self._tell_counts(gauges=True)

    def _door(self, listener: ListenerSettings) -> Door:
        plane = self.plane
        connection = TcpConnection if listener.tcp else ClientConnection
        return Door(
            protocol=lambda: connection(plane, listener),
            announced=Announced(
                trusted=listener.trusted_proxies,
                protocol=lambda endpoints: connection(plane, listener, endpoints),
                refuse=lambda peer, failure: plane.log_refusal(peer, failure, plane.new_id()),
            )
            if listener.client_address == "proxy_protocol"
            else None,
            refusal=lambda address: plane.admission.refusal(listener, address, plane.now),
            refused=plane.admission.refused,
            sorry=None if listener.tls is not None or listener.tcp else lambda: busy_answer(plane.new_id()),
            tls=listener.tls.context if listener.tls is not None else None,
            handshake=listener.limits.head_time,
        )

    # Each tick...

    async def _run_ticks(self) -> None:
        loop = asyncio.get_running_loop()
        count = 0
        while True:
            due = loop.time() + TICK
            await asyncio.sleep(TICK)
            count += 1
            try:
                self._tick(count, loop.time() - due)
            except Exception:
                # One broken connection must not stop the deadlines of all others.
                logger.exception("a tick failed")

    def _tick(self, count: int, lag: float) -> None:
        self.plane.tick(lag)
        if self._databases.is_due(self.plane.now):
            _ = spawn("databases", self._databases.refresh(self.plane.now))
        is_due = count % GAUGES_EVERY == 0
        self._tell_counts(gauges=is_due)
        self._tell_learned()
        if is_due:
            self.plane.look_around()
            self._watch_files()

    def _tell_counts(self, gauges: bool) -> None:
        assert self._link is not None
        if not self._link.can_take:
            return
        counts = self.plane.recorder.drain()
        if gauges:
            nodes = self.plane.tables.topology.nodes
            in_flight = {nodes[i].name: n for i, n in enumerate(self.plane.load.in_flight) if n}
            overload = self.plane.admission.overload
            counts["gauges"] = {
                "connections": len(self.plane.connections),
                "in_flight": in_flight,
                "overload": {"level": overload.level, **overload.values},
            }
        counts |= self.plane.leaving.take_news()
        if samples := self.plane.sampling.drain():
            counts["samples"] = samples
        if counts:
            self._send(COUNTS, {"worker": self._settings.worker, **counts})

    def _tell_learned(self) -> None:
        assert self._link is not None
        if self._link.can_take and (news := self._affinity.take_news()):
            self._send(spreading.LEARNED, news)

    def _watch_files(self) -> None:
        """Certificates and keys: what is wrong with them is said once."""
        alarms = tuple(
            alarm
            for listener in self._settings.listeners
            if listener.tls is not None
            for alarm in listener.tls.reload_if_changed()
        )
        if alarm := self._affinity.watch():
            alarms += (alarm,)
        for alarm in alarms:
            if alarm not in self._alarms:
                logger.error("%s", alarm)
        self._alarms = alarms

    def _report(self, observation: Observation) -> None:
        self._send(OBSERVATION, observation_to_wire(observation))

    def _send(self, kind: str, value: object) -> None:
        assert self._link is not None
        self._link.send([kind, os.getpid(), value])
