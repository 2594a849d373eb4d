"""The composition root: a configuration comes in, a running edge goes out. The only file that knows everybody.

load -> refuse what is not built -> bind -> TLS -> supervisor -> workers, control
                                             └─ --workers 0: all in this process
"""

from __future__ import annotations

import os
import pwd
import socket
from pathlib import Path

from steer import control_process, geography, parameters
from steer import worker as worker_process
from steer.clock import SystemClock
from steer.config import Config, from_parcel, load, unbuilt
from steer.config.watch import Stamp, stamp_of
from steer.control_process import Control
from steer.errors import ConfigError, SteerError
from steer.geo.databases import NextDatabases
from steer.proxy.tls import ListenerTls
from steer.reload import InForce, Safe, unpacked
from steer.runtime.channel import ControlLink, InProcessLink, ToWorkers, WorkerHub
from steer.runtime.child import Post, serve_alone, serve_leader, serve_worker
from steer.runtime.frames import unpack
from steer.runtime.logs import log_to_stderr
from steer.runtime.seats import Single, SingleSeat, WorkerSeat
from steer.runtime.sockets import bind_listeners, bind_one, raise_file_limit
from steer.runtime.supervisor import Supervisor
from steer.runtime.upgrade import inherit
from steer.sessions.affinity.keyfile import ensure_ring
from steer.worker import Worker


def run(path: Path, workers: int | None = None) -> int:
    """Run the edge until a signal ends it. Returns the exit status; raises SteerError before anything is served.

    `workers` replaces `edge.workers`; 0 runs everything in this process.
    """
    stamp = stamp_of(path)
    config = load(path)
    missing = unbuilt(config)
    if missing:
        raise ConfigError(missing)
    log_to_stderr(config.edge.log.level)
    return Edge(path, config, stamp).run(_count(config, workers))


def _count(config: Config, workers: int | None) -> int:
    if workers is not None:
        return workers
    wanted = config.edge.workers
    return len(os.sched_getaffinity(0)) if wanted == "auto" else int(wanted)


def say_ready() -> None:
    print("ready", flush=True)


class Edge:
    """Everything that is made before the first fork, and the two kinds of process that are made of it."""

    def __init__(self, file: Path, config: Config, stamp: Stamp) -> None:
        self.file = file
        self.config = config
        self._stamp = stamp
        self.tls: dict[str, ListenerTls | None] = {
            listener.name: parameters.listener_tls(listener) for listener in config.listeners
        }
        self.databases = geography.read_databases(config)

    def run(self, workers: int) -> int:
        """`ready` on standard output says that every listener accepts."""
        config = self.config
        _make_state_folder(config)
        _make_affinity_keys(config)
        inherited = inherit(os.environ)
        if inherited is not None and workers == 0:
            raise SteerError("one process alone cannot take the sockets over", "edge.workers: 1 or more")
        take = inherited.take if inherited is not None else lambda _: []
        binds = {listener.name: listener.bind for listener in config.listeners}
        sockets = bind_listeners(binds, max(workers, 1), take)
        admin = bind_one(config.admin.bind, take)
        if workers == 0:
            raise_file_limit()
            return serve_alone(lambda: Alone.start(self, sockets, admin), config.edge.drain, say_ready)
        supervisor = Supervisor(
            sockets=sockets,
            workers=workers,
            run_worker=lambda seat: serve_worker(seat, self._start_worker),
            singles=[Single("control", lambda seat: serve_leader(seat, self._start_control), {"admin": admin})],
            drain=config.edge.drain,
            user=config.edge.user,
            on_ready=say_ready,
            runtime_dir=config.edge.state,
            inherited=inherited,
        )
        if inherited is not None:
            inherited.close_rest()
        return supervisor.run()

    def worker(self, slot: int, in_force: InForce) -> Worker:
        """Not yet started."""
        self._catch_up(in_force.config)
        made = self._make_worker(slot, in_force.number, in_force.config)
        made.take_effect()
        return Worker(made, lambda number, parcel: self._make_worker(slot, number, from_parcel(parcel)))

    def _make_worker(self, slot: int, number: int, config: Config) -> worker_process.Made:
        return worker_process.Made(
            number=number,
            topology=parameters.topology(config),
            settings=parameters.plane_settings(config, self.tls, slot, geography.geo(config, self.databases).place),
            databases=self._next_databases(config),
            tls=parameters.next_tls(config, self.tls),
            keys=parameters.affinity_ring(config),
        )

    def _make_control(self, config: Config) -> control_process.Made:
        _ensure_affinity_keys(config)
        return control_process.Made(
            topology=parameters.topology(config),
            checks=parameters.checks(config),
            geo=geography.geo(config, self.databases),
            databases=self._next_databases(config),
            tls=parameters.next_tls(config, self.tls),
            keys=parameters.affinity_ring(config),
        )

    def _next_databases(self, config: Config) -> NextDatabases:
        return self.databases.prepare(config.geo.database or ())

    def _catch_up(self, config: Config) -> None:
        """This process starts: it has what was read before the first fork, and a reload may have come since."""
        self.databases.catch_up(config.geo.database or ()).take_effect()

    def in_force(self, kept: bytes | None = None) -> InForce:
        """The configuration that holds: what the supervisor keeps of the last reload, or that of the start."""
        return InForce(self.config, 0, self._stamp) if kept is None else unpacked(kept)

    async def _start_worker(self, seat: WorkerSeat, post: Post) -> Worker:
        worker = self.worker(seat.slot, self.in_force(seat.configuration))
        if seat.snapshot is not None:
            worker.take(unpack(seat.snapshot))
        link = ControlLink(seat.hubs["control"], {"worker": seat.slot}, worker.take)
        link.start()
        worker.start(link, seat.sockets)
        return worker

    async def _start_control(self, seat: SingleSeat, post: Post) -> Control:
        hub = WorkerHub(
            seat.hub,
            lambda worker, value: control.take(worker, value),
            on_connect=lambda worker: control.meet(worker),
            on_disconnect=lambda worker: control.lose(worker),
        )
        control = self.control(self.in_force(seat.configuration), hub, post)
        await control.start(seat.sockets["admin"])
        await hub.start()
        return control

    def control(self, in_force: InForce, way: ToWorkers, safe: Safe) -> Control:
        """Not yet started."""
        self._catch_up(in_force.config)
        for listener in parameters.next_tls(in_force.config, self.tls):
            listener.take_effect()
        return Control(self.file, in_force, self._make_control, self.tls, way, safe)


class Alone:
    """`--workers 0`: a worker and control in one process, on one loop."""

    def __init__(self, worker: Worker, control: Control) -> None:
        self._worker = worker
        self._control = control

    @classmethod
    async def start(cls, edge: Edge, sockets: dict[str, list[socket.socket]], admin: socket.socket) -> Alone:
        worker = edge.worker(0, edge.in_force())
        link = InProcessLink(lambda number, value: control.take(number, value), worker.take)
        control = edge.control(edge.in_force(), link, Nowhere())
        worker.start(link, sockets)
        await control.start(admin)
        control.meet(0)
        await worker.accept(0)
        return cls(worker, control)

    async def drain(self, within: float) -> None:
        await self._worker.drain(within)

    async def reload(self) -> None:
        await self._control.reload()

    async def stop(self) -> None:
        await self._worker.stop()
        await self._control.stop()


class Nowhere:
    """Without a supervisor nothing outlives the process."""

    def keep(self, snapshot: bytes) -> None:
        """Not kept."""

    def keep_configuration(self, configuration: bytes) -> None:
        """Not kept."""


def _make_state_folder(config: Config) -> None:
    """For the user whom the edge becomes."""
    folder, user = config.edge.state, config.edge.user
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if user is not None and os.geteuid() == 0:
            account = pwd.getpwnam(user)
            os.chown(folder, account.pw_uid, account.pw_gid)
    except KeyError:
        raise SteerError(f"there is no user {user}", "edge.user: an account of this machine") from None
    except OSError as error:
        raise SteerError(f"{folder} cannot be made: {error.strerror}", "edge.state: a folder to write to") from error


def _make_affinity_keys(config: Config) -> None:
    """At an edge's first start, for the user whom the edge becomes; a file that is there must be right."""
    _ensure_affinity_keys(config)
    user = config.edge.user
    if parameters.has_cookies(config) and user is not None and os.geteuid() == 0:
        account = pwd.getpwnam(user)
        os.chown(config.affinity_keys.file, account.pw_uid, account.pw_gid)


def _ensure_affinity_keys(config: Config) -> None:
    """A reload may be the first that needs them. Control prepares before the workers, which only read."""
    if parameters.has_cookies(config):
        ensure_ring(config.affinity_keys.file, SystemClock().wall())
