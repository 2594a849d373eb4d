"""The control process: the keeper of the state, active checks, metrics and the admin API."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from steer import __version__
from steer.clock import SystemClock
from steer.config import Config, digest, host_port, redacted
from steer.control.api import serve_admin
from steer.control.audit import Audit
from steer.control.context import AdminContext, CertificateView, WorkerView
from steer.control.events import Events, Level
from steer.control.keeper import Keeper
from steer.control.metrics import Totals
from steer.control.state_file import StateFile
from steer.control.tokens import Tokens, write_local_token
from steer.health.canaries import Canaries
from steer.health.checker import Checker
from steer.health.expect import CheckSettings
from steer.proxy.deadlines import TICK
from steer.proxy.tls import CertificateFiles, ListenerTls, admin_context
from steer.runtime.tasks import spawn
from steer.steering.model import Snapshot, Topology
from steer.steering.wire import observation_from_wire, to_wire
from steer.worker import COUNTS, OBSERVATION

logger = logging.getLogger("steer.control")

LOCAL_TOKEN = "local-token"
CERTIFICATES_EVERY = 10
"""Ticks between two looks at the certificates' files."""


class Control:
    """One edge's control service; `runtime.child` runs it. `publish` takes a snapshot to the workers."""

    def __init__(
        self,
        config: Config,
        topology: Topology,
        checks: tuple[CheckSettings, ...],
        tls: dict[str, ListenerTls | None],
        publish: Callable[[object], object],
    ) -> None:
        self._config = config
        self._tls = {name: listener for name, listener in tls.items() if listener is not None}
        self._publish = publish
        self._clock = SystemClock()
        self._started = self._clock.wall()
        self._workers: dict[int, WorkerView] = {}
        self._events = Events(self._clock, Level[config.edge.log.level.upper()])
        self._state = StateFile(config.edge.state, self._warn_of_state)
        self._totals = Totals(topology, self._clock)
        dice = random.Random()
        canaries = config.edge.canaries
        self._keeper = Keeper(topology, self._clock, dice, self._publish_snapshot, self._state, self._events, canaries)
        places = [host_port(canary) for canary in canaries]
        self._canaries = Canaries(places, self._keeper.hear_canaries, self._keeper.may_be_isolated, self._clock)
        self._checker = Checker(checks, self._keeper.checked, self._clock, dice, self._keeper.is_suspected)
        self._audit = Audit(config.edge.state / "audit.jsonl", self._clock)
        self._runner: Any = None
        self._ticks: asyncio.Task[None] | None = None

    async def start(self, admin: socket.socket) -> None:
        """Check nodes and answer operators."""
        self._runner = await serve_admin(self._context(), admin, _admin_tls(self._config))
        await self._checker.start()
        self._canaries.start()
        self._ticks = spawn("control ticks", self._run_ticks())

    async def drain(self, within: float) -> None:
        """The workers have ended: nothing here takes time."""

    async def stop(self) -> None:
        await self._checker.stop()
        await self._canaries.stop()
        if self._ticks is not None:
            self._ticks.cancel()
        if self._runner is not None:
            await self._runner.cleanup()
        self._keeper.close()
        self._state.close()
        self._audit.close()

    def _warn_of_state(self, text: str) -> None:
        self._events.record("state_file", str(self._config.edge.state), text, Level.WARNING)

    # The workers' side...

    def take(self, worker: int, value: object) -> None:
        """A message of a worker: [kind, pid, value]."""
        kind, pid, content = cast("list[Any]", value)
        known = self._workers.get(worker)
        if known is None or known.pid != pid:
            self._meet(worker, pid)
        if kind == OBSERVATION:
            self._keeper.observe(observation_from_wire(content))
        elif kind == COUNTS:
            self._totals.add(content)
            self._keeper.count(worker, content)

    def lose(self, worker: int) -> None:
        """A worker is gone."""
        self._workers.pop(worker, None)
        self._totals.forget(worker)
        self._keeper.set_workers(tuple(self._workers))

    def _meet(self, worker: int, pid: int) -> None:
        self._workers[worker] = WorkerView(worker, pid, "serving", self._clock.wall())
        self._keeper.set_workers(tuple(self._workers))

    def _publish_snapshot(self, snapshot: Snapshot) -> None:
        self._totals.saw(snapshot)
        self._publish(to_wire(snapshot))

    # Each tick...

    async def _run_ticks(self) -> None:
        count = 0
        while True:
            await asyncio.sleep(TICK)
            count += 1
            try:
                self._keeper.tick()
                if count % CERTIFICATES_EVERY == 0:
                    self._watch_certificates()
            except Exception:
                # A keeper whose state broke half way must not go on from it: the next process starts from the file.
                logger.exception("control cannot go on")
                os._exit(1)

    def _watch_certificates(self) -> None:
        for listener in self._tls.values():
            listener.reload_if_changed()

    # The operators' side...

    def _context(self) -> AdminContext:
        config = self._config
        secret = config.admin.metrics_token
        local = write_local_token(config.edge.state / LOCAL_TOKEN)
        return AdminContext(
            keeper=self._keeper,
            totals=self._totals,
            tokens=Tokens(config.admin.tokens, local, self._clock),
            audit=self._audit,
            name=config.edge.name,
            version=__version__,
            config_hash=digest(config),
            started=self._started,
            workers=lambda: tuple(self._workers.values()),
            certificates=self._certificates,
            redacted_config=lambda: redacted(config),
            hosts=config.admin.hosts,
            metrics_token=secret.get_secret_value() if secret is not None else None,
            clock=self._clock,
        )

    def _certificates(self) -> tuple[CertificateView, ...]:
        found: dict[Path, CertificateView] = {}
        for name, listener in self._tls.items():
            for expiry in listener.expiries():
                known = found.get(expiry.certificate)
                listeners = (*known.listeners, name) if known is not None else (name,)
                found[expiry.certificate] = CertificateView(
                    str(expiry.certificate), expiry.names, expiry.until, listeners
                )
        return tuple(found.values())


def _admin_tls(config: Config) -> ssl.SSLContext | None:
    files = config.admin.tls
    if files is None:
        return None
    return admin_context(CertificateFiles(files.certificate, files.key), files.client_ca)
