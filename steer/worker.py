"""A worker: the data plane, the slots it accepts from, and its link to control."""

from __future__ import annotations

import asyncio
import logging
import os
import random
from collections.abc import Mapping
from typing import Any

from steer.proxy.client import ClientConnection
from steer.proxy.deadlines import TICK
from steer.proxy.plane import DataPlane
from steer.proxy.settings import ListenerSettings, PlaneSettings
from steer.proxy.tcp import TcpConnection
from steer.runtime.accepting import Accepting, Door
from steer.runtime.announced import Announced
from steer.runtime.channel import ToControl
from steer.runtime.tasks import spawn
from steer.steering.model import Observation, Topology
from steer.steering.wire import from_wire, observation_to_wire

logger = logging.getLogger("steer.worker")

GAUGES_EVERY = 10
"""Ticks between two reports of how many connections there are, and between two looks at the certificates' files."""

OBSERVATION, COUNTS = "observation", "counts"
"""The kinds of message to control: [kind, pid, value]."""


class Worker:
    """One worker's service; `runtime.child` runs it."""

    def __init__(self, settings: PlaneSettings, topology: Topology) -> None:
        self.plane = DataPlane(settings, topology, random.Random(), self._report)
        self._settings = settings
        self._link: ToControl | None = None
        self._accepting: Accepting | None = None
        self._ticks: asyncio.Task[None] | None = None
        self._alarms: tuple[str, ...] = ()
        self._names = [node.name for node in topology.nodes]

    def start(self, link: ToControl, sockets: Mapping[str, Any]) -> None:
        """Begin to tick. Nothing is accepted before `accept`."""
        self._link = link
        doors = {listener.name: self._door(listener) for listener in self._settings.listeners}
        self._accepting = Accepting(sockets, doors)
        self._ticks = spawn("ticks", self._run_ticks())

    def take(self, value: object) -> None:
        """Control has published a snapshot."""
        assert isinstance(value, dict)
        self.plane.apply(from_wire(value))

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

    async def stop(self) -> None:
        if self._accepting is not None:
            await self._accepting.close()
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
            tls=listener.tls.context if listener.tls is not None else None,
            handshake=listener.limits.head_time,
        )

    # Each tick...

    async def _run_ticks(self) -> None:
        count = 0
        while True:
            await asyncio.sleep(TICK)
            count += 1
            try:
                self._tick(count)
            except Exception:
                # One broken connection must not stop the deadlines of all others.
                logger.exception("a tick failed")

    def _tick(self, count: int) -> None:
        self.plane.tick()
        is_due = count % GAUGES_EVERY == 0
        self._tell_counts(gauges=is_due)
        if is_due:
            self._watch_certificates()

    def _tell_counts(self, gauges: bool) -> None:
        assert self._link is not None
        if not self._link.can_take:
            return
        counts = self.plane.recorder.drain()
        if gauges:
            in_flight = {self._names[i]: n for i, n in enumerate(self.plane.load.in_flight) if n}
            counts["gauges"] = {"connections": len(self.plane.connections), "in_flight": in_flight}
        if counts:
            self._send(COUNTS, {"worker": self._settings.worker, **counts})

    def _watch_certificates(self) -> None:
        alarms = tuple(
            alarm
            for listener in self._settings.listeners
            if listener.tls is not None
            for alarm in listener.tls.reload_if_changed()
        )
        for alarm in alarms:
            if alarm not in self._alarms:
                logger.error("%s", alarm)
        self._alarms = alarms

    def _report(self, observation: Observation) -> None:
        self._send(OBSERVATION, observation_to_wire(observation))

    def _send(self, kind: str, value: dict[str, Any]) -> None:
        assert self._link is not None
        self._link.send([kind, os.getpid(), value])
