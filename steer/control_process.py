"""The control process: the keeper of the state, active checks, metrics and the admin API."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from steer import __version__
from steer.affinity import Brought, ControlAffinity
from steer.clock import SystemClock
from steer.config import Change, Config, digest, host_port, redacted
from steer.control.api import serve_admin
from steer.control.audit import Audit
from steer.control.context import AdminContext, CertificateView, KeyRing, WorkerView
from steer.control.databases import DatabaseWatch
from steer.control.events import Events, Level
from steer.control.keeper import Keeper
from steer.control.metrics import Totals
from steer.control.state_file import StateFile
from steer.control.tokens import LOCAL_TOKEN, Tokens, write_local_token
from steer.errors import SteerError
from steer.geo.databases import NextDatabases
from steer.geo.lookup import Geo
from steer.health.canaries import Canaries
from steer.health.checker import Checker
from steer.health.expect import CheckSettings
from steer.parameters import NextTls
from steer.proxy.deadlines import TICK
from steer.proxy.door_tls import admin_context
from steer.proxy.tls import CertificateFiles, ListenerTls
from steer.reload import PREPARED, InForce, Reloader, Safe
from steer.runtime.channel import ToWorkers
from steer.runtime.tasks import spawn
from steer.sessions.affinity.shared import SHARED
from steer.sessions.affinity.spreading import LEARNED
from steer.sessions.keyfile import RingFile, WatchedRing
from steer.steering.model import Place, Topology
from steer.steering.snapshot import Snapshot
from steer.steering.wire import observation_from_wire, to_wire
from steer.store_parameters import has_seals
from steer.store_process import STATUS, STORE
from steer.worker import COUNTS, OBSERVATION

logger = logging.getLogger("steer.control")

CERTIFICATES_EVERY = 10
"""Ticks between two looks at the files of certificates and keys."""


@dataclass(frozen=True, slots=True)
class Made:
    """What control is made of: everything of a configuration that could have been wrong is in here."""

    topology: Topology
    checks: tuple[CheckSettings, ...]
    geo: Geo
    databases: NextDatabases
    tls: tuple[NextTls, ...] = ()
    keys: WatchedRing | None = None
    """Of affinity's cookies; None: no service has any."""

    def take_effect(self) -> None:
        """Of what the process shares with its other parts."""
        self.databases.take_effect()
        for tls in self.tls:
            tls.take_effect()


class Control:
    """One edge's control service; `runtime.child` runs it. `make` turns a configuration into what it needs."""

    def __init__(
        self,
        file: Path,
        in_force: InForce,
        make: Callable[[Config], Made],
        tls: dict[str, ListenerTls | None],
        way: ToWorkers,
        safe: Safe,
        tell_store: Callable[[object], None] | None = None,
    ) -> None:
        """`tell_store`: to the store process, where edges share learned keys through it."""
        config, made = in_force.config, make(in_force.config)
        topology = made.topology
        self._geo = made.geo
        self._config, self._checks = config, made.checks
        self._tls = {name: listener for name, listener in tls.items() if listener is not None}
        self._way = way
        self._safe = safe
        self._reloader = Reloader(file, in_force, way, safe, make, self._switch)
        self._clock = SystemClock()
        self._started = self._clock.wall()
        self._workers: dict[int, WorkerView] = {}
        self._sessions: dict[str, Any] = {}
        """What the store said of itself last."""
        self._events = Events(self._clock, Level[config.edge.log.level.upper()])
        self._state = StateFile(config.edge.state, self._warn_of_state)
        self._databases = made.databases.databases
        self._database_watch = DatabaseWatch(self._databases, self._events)
        self._totals = Totals(topology, self._clock)
        self._affinity = ControlAffinity(
            topology, self._clock, config.edge.state, made.keys, way.tell, lambda: way.workers, tell_store
        )
        self._key_alarm = ""
        dice = random.Random()
        canaries = config.edge.canaries
        self._keeper = Keeper(
            topology,
            self._clock,
            dice,
            self._publish_snapshot,
            self._state,
            self._events,
            canaries,
            self._locate,
            self._bind,
        )
        places = [host_port(canary) for canary in canaries]
        self._canaries = Canaries(places, self._keeper.hear_canaries, self._keeper.may_be_isolated, self._clock)
        self._checker = Checker(made.checks, self._keeper.checked, self._clock, dice, self._keeper.is_suspected)
        self._audit = Audit(config.edge.state / "audit.jsonl", self._clock)
        self._admin: AdminContext | None = None
        self._runner: Any = None
        self._ticks: asyncio.Task[None] | None = None

    async def start(self, admin: socket.socket) -> None:
        """Check nodes and answer operators."""
        self._admin = self._context()
        self._runner = await serve_admin(self._admin, admin, _admin_tls(self._config))
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
        self._affinity.close()
        self._state.close()
        self._audit.close()

    def _warn_of_state(self, text: str) -> None:
        self._events.record("state_file", str(self._config.edge.state), text, Level.WARNING)

    # The workers' side...

    def take(self, worker: int, value: object) -> None:
        """A message of a worker: [kind, pid, value]."""
        kind, pid, content = cast("list[Any]", value)
        if worker == STORE:
            self._take_from_store(kind, pid, content)
            return
        known = self._workers.get(worker)
        if known is None or known.pid != pid:
            self._meet(worker, pid)
        if kind == OBSERVATION:
            self._keeper.observe(observation_from_wire(content))
        elif kind == COUNTS:
            self._totals.add(content)
            self._keeper.count(worker, content)
        elif kind == LEARNED:
            self._affinity.learned.take(worker, *content)
        elif kind == PREPARED:
            self._reloader.take(worker, *content)

    def _take_from_store(self, kind: str, pid: int, content: Any) -> None:
        shared = self._affinity.shared
        if kind == STATUS:
            self._sessions = {"pid": pid, **content}
            if shared is not None:
                shared.meet(pid)
        elif kind == SHARED and shared is not None:
            shared.hear(*content)

    def meet(self, worker: int) -> None:
        """A worker has connected."""
        self._reloader.meet(worker)
        self._affinity.learned.meet(worker)

    def lose(self, worker: int) -> None:
        """A worker is gone."""
        self._workers.pop(worker, None)
        self._affinity.learned.lose(worker)
        self._totals.forget(worker)
        self._keeper.set_workers(tuple(self._workers))

    def _meet(self, worker: int, pid: int) -> None:
        self._workers[worker] = WorkerView(worker, pid, "serving", self._clock.wall())
        self._keeper.set_workers(tuple(self._workers))

    def _publish_snapshot(self, snapshot: Snapshot) -> None:
        self._totals.saw(snapshot)
        self._safe.keep(self._way.publish(to_wire(snapshot)))

    # Another configuration...

    async def reload(self) -> None:
        """Whoever asked hears of it through the log."""
        with suppress(SteerError):
            await self._reload()

    async def _reload(self) -> tuple[Change, ...]:
        """Also in the log. Raises SteerError when nothing has changed."""
        file = str(self._config.source.file)
        try:
            found = await self._reloader.reload()
        except SteerError as error:
            self._events.record("reload_refused", file, str(error), Level.ERROR)
            raise
        self._events.record("reloaded", file, "; ".join(map(str, found)) or "no key has changed")
        await self._checker.follow(self._checks)
        return found

    def _switch(self, in_force: InForce, made: Made) -> Mapping[str, Any]:
        """This process's part of a reload; the workers' follows at once."""
        snapshot = self._keeper.reconfigure(made.topology)
        self._totals.reconfigure(made.topology)
        self._affinity.follow(made.topology, made.keys)
        self._totals.saw(snapshot)
        made.take_effect()
        self._geo = made.geo
        self._config, self._checks = in_force.config, made.checks
        if self._admin is not None:
            self._tokens.follow(in_force.config.admin.tokens)
            _configure(self._admin, in_force.config)
        return to_wire(snapshot)

    # Each tick...

    async def _run_ticks(self) -> None:
        count = 0
        while True:
            await asyncio.sleep(TICK)
            count += 1
            try:
                self._keeper.tick()
                self._affinity.tick()
                self._watch_file()
                self._watch_databases()
                if count % CERTIFICATES_EVERY == 0:
                    self._watch_certificates()
                    self._watch_keys()
            except Exception:
                # A keeper whose state broke half way must not go on from it: the next process starts from the file.
                logger.exception("control cannot go on")
                os._exit(1)

    def _watch_file(self) -> None:
        if self._config.edge.watch and self._reloader.watch.look(self._clock.monotonic()):
            _ = spawn("reload", self.reload())

    def _watch_databases(self) -> None:
        mono = self._clock.monotonic()
        if self._databases.is_due(mono):
            _ = spawn("databases", self._databases.refresh(mono))
        self._database_watch.tell()

    def _locate(self, address: str) -> Place:
        return self._geo.place(address)

    def _bind(self, service: str, target: str, fields: Mapping[str, str]) -> Brought:
        topology = self._keeper.topology
        return self._affinity.bound(topology.services[service], topology, target, fields)

    def _watch_certificates(self) -> None:
        for listener in self._tls.values():
            listener.reload_if_changed()

    def _watch_keys(self) -> None:
        alarm = self._affinity.watch()
        if alarm and alarm != self._key_alarm:
            self._events.record("affinity_keys", str(self._affinity.file), alarm, Level.ERROR)
        self._key_alarm = alarm

    # The operators' side...

    def _context(self) -> AdminContext:
        config = self._config
        local = write_local_token(config.edge.state / LOCAL_TOKEN)
        self._tokens = Tokens(config.admin.tokens, local, self._clock)
        context = AdminContext(
            keeper=self._keeper,
            totals=self._totals,
            tokens=self._tokens,
            audit=self._audit,
            name=config.edge.name,
            version=__version__,
            config_hash="",
            started=self._started,
            workers=lambda: tuple(self._workers.values()),
            certificates=self._certificates,
            databases=self._database_watch.views,
            sessions=lambda: self._sessions,
            redacted_config=lambda: redacted(self._config),
            reload=self._reload,
            diff=self._reloader.diff,
            rings=self._rings(),
            clock=self._clock,
        )
        _configure(context, config)
        return context

    def _rings(self) -> dict[str, KeyRing]:
        sessions = self._config.sessions
        if sessions is None or not has_seals(sessions):
            return {"affinity": self._affinity}
        longest = max(namespace.max_lifetime for namespace in sessions.namespaces.values())
        return {"affinity": self._affinity, "sessions": RingFile(sessions.keys.file, longest, self._clock)}

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


def _configure(context: AdminContext, config: Config) -> None:
    """What a reload may change of it."""
    secret = config.admin.metrics_token
    context.config_hash = digest(config)
    context.hosts = config.admin.hosts
    context.metrics_token = secret.get_secret_value() if secret is not None else None


def _admin_tls(config: Config) -> ssl.SSLContext | None:
    files = config.admin.tls
    if files is None:
        return None
    return admin_context(CertificateFiles(files.certificate, files.key), files.client_ca)
