"""The composition root: a configuration comes in, a running edge goes out. The only file that knows everybody.

load -> refuse what is not built -> bind -> TLS -> supervisor -> workers, control
                                             └─ --workers 0: all in this process
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from steer import control_process, first_start, geography, parameters, store_parameters
from steer import worker as worker_process
from steer.config import Config, from_parcel, load, unbuilt
from steer.config.watch import Stamp, stamp_of
from steer.control_process import Control
from steer.errors import ConfigError, SteerError
from steer.geo.databases import NextDatabases
from steer.proxy.tls import ListenerTls
from steer.reload import InForce, Safe, unpacked
from steer.runtime.channel import ControlLink, InProcessLink, ToWorkers, WorkerHub
from steer.runtime.child import serve_alone, serve_leader, serve_single, serve_worker
from steer.runtime.frames import unpack
from steer.runtime.logs import log_to_stderr
from steer.runtime.post import Post
from steer.runtime.seats import Single, SingleSeat, WorkerSeat
from steer.runtime.sockets import bind_listeners, bind_one, raise_file_limit
from steer.runtime.supervisor import Supervisor
from steer.runtime.upgrade import Inherited, inherit
from steer.store_process import STORE, StoreProcess
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


@dataclass(frozen=True, slots=True)
class Sockets:
    """All that an edge listens on. `listeners`: by name, one for each slot of a worker."""

    listeners: dict[str, list[socket.socket]]
    admin: socket.socket
    doors: dict[str, socket.socket]


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
        self.store = store_parameters.store_settings(config)

    def run(self, workers: int) -> int:
        """`ready` on standard output says that every listener accepts."""
        config = self.config
        first_start.make_state_folder(config)
        first_start.make_keys(config)
        inherited = inherit(os.environ)
        if inherited is not None and workers == 0:
            raise SteerError("one process alone cannot take the sockets over", "edge.workers: 1 or more")
        sockets = self._bind(max(workers, 1), inherited)
        if workers == 0:
            raise_file_limit()
            return serve_alone(lambda: Alone.start(self, sockets), config.edge.drain, say_ready)
        if inherited is not None:
            inherited.close_rest()
        return self._supervisor(workers, sockets, inherited).run()

    def _bind(self, slots: int, inherited: Inherited | None) -> Sockets:
        take = inherited.take if inherited is not None else lambda _: []
        binds = {listener.name: listener.bind for listener in self.config.listeners}
        return Sockets(
            listeners=bind_listeners(binds, slots, take),
            admin=bind_one(self.config.admin.bind, take),
            doors={name: bind_one(bind, take) for name, bind in (self.store.binds if self.store else {}).items()},
        )

    def _supervisor(self, workers: int, sockets: Sockets, inherited: Inherited | None) -> Supervisor:
        edge = self.config.edge
        return Supervisor(
            sockets=sockets.listeners,
            workers=workers,
            run_worker=lambda seat: serve_worker(seat, self._start_worker),
            singles=self._singles(sockets),
            drain=edge.drain,
            user=edge.user,
            on_ready=say_ready,
            runtime_dir=edge.state,
            inherited=inherited,
        )

    def _singles(self, sockets: Sockets) -> list[Single]:
        control = Single("control", lambda seat: serve_leader(seat, self._start_control), {"admin": sockets.admin})
        store = Single("store", lambda seat: serve_single(seat, self._start_store), sockets.doors)
        return [control, store] if self.store is not None else [control]

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
        first_start.ensure_affinity_keys(config)
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
        worker.start(link, seat.sockets, self._link_to_store(worker, seat))
        return worker

    def _link_to_store(self, worker: Worker, seat: WorkerSeat) -> ControlLink | None:
        """Only where a worker has something to ask."""
        if not worker.brings_sessions:
            return None
        store = ControlLink(seat.hubs["store"], {"worker": seat.slot}, worker.take_from_store)
        store.start()
        return store

    async def _start_control(self, seat: SingleSeat, post: Post) -> Control:
        hub = WorkerHub(
            seat.hub,
            lambda worker, value: control.take(worker, value),
            on_connect=lambda worker: control.meet(worker),
            on_disconnect=lambda worker: control.lose(worker),
        )
        control = self.control(self.in_force(seat.configuration), hub, post, lambda value: hub.tell(STORE, value))
        await control.start(seat.sockets["admin"])
        await hub.start()
        return control

    async def _start_store(self, seat: SingleSeat, post: Post) -> StoreProcess:
        assert self.store is not None
        store = StoreProcess(self.store)
        link = ControlLink(seat.hubs["control"], {"worker": STORE}, store.hear)
        link.start()
        hub = WorkerHub(seat.hub, store.take)
        await store.start(link, hub, seat.sockets)
        await hub.start()
        return store

    def control(self, in_force: InForce, way: ToWorkers, safe: Safe, tell_store: Callable[[object], None]) -> Control:
        """Not yet started."""
        self._catch_up(in_force.config)
        for listener in parameters.next_tls(in_force.config, self.tls):
            listener.take_effect()
        shares = self.store is not None and self.store.learned is not None
        return Control(self.file, in_force, self._make_control, self.tls, way, safe, tell_store if shares else None)


class Alone:
    """`--workers 0`: a worker, control and perhaps the store in one process, on one loop."""

    def __init__(self, worker: Worker, control: Control, store: StoreProcess | None) -> None:
        self._worker = worker
        self._control = control
        self._store = store

    @classmethod
    async def start(cls, edge: Edge, sockets: Sockets) -> Alone:
        worker = edge.worker(0, edge.in_force())
        link = InProcessLink(lambda number, value: control.take(number, value), worker.take)
        store = StoreProcess(edge.store) if edge.store is not None else None
        hear = store.hear if store is not None else lambda _: None
        tells = InProcessLink(lambda _, value: control.take(STORE, value), hear, STORE)
        control = edge.control(edge.in_force(), link, Nowhere(), lambda value: tells.tell(STORE, value))
        asks = InProcessLink(store.take, worker.take_from_store) if store is not None else None
        worker.start(link, sockets.listeners, asks if worker.brings_sessions else None)
        await control.start(sockets.admin)
        control.meet(0)
        if store is not None:
            assert asks is not None, "both ways to it are there"
            await store.start(tells, asks, sockets.doors)
        await worker.accept(0)
        return cls(worker, control, store)

    async def drain(self, within: float) -> None:
        await self._worker.drain(within)
        if self._store is not None:
            await self._store.drain(within)

    async def reload(self) -> None:
        await self._control.reload()

    async def stop(self) -> None:
        await self._worker.stop()
        if self._store is not None:
            await self._store.stop()
        await self._control.stop()


class Nowhere:
    """Without a supervisor nothing outlives the process."""

    def keep(self, snapshot: bytes) -> None:
        """Not kept."""

    def keep_configuration(self, configuration: bytes) -> None:
        """Not kept."""
