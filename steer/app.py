"""The composition root: a configuration comes in, a running edge goes out. The only file that knows everybody.

load -> refuse what is not built -> bind -> TLS -> supervisor -> workers, control
                                             └─ --workers 0: all in this process
"""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Callable
from pathlib import Path

from steer import parameters
from steer.config import Config, load, unbuilt
from steer.control_process import Control
from steer.errors import ConfigError, SteerError
from steer.proxy.tls import ListenerTls
from steer.runtime.channel import ControlLink, InProcessLink, WorkerHub
from steer.runtime.child import Post, serve_alone, serve_control, serve_worker
from steer.runtime.frames import unpack
from steer.runtime.logs import log_to_stderr
from steer.runtime.seats import ControlSeat, WorkerSeat
from steer.runtime.sockets import bind_listeners, bind_one, raise_file_limit
from steer.runtime.supervisor import Supervisor
from steer.steering.model import Topology
from steer.worker import Worker


def run(path: Path, workers: int | None = None) -> int:
    """Run the edge until a signal ends it. Returns the exit status; raises SteerError before anything is served.

    `workers` replaces `edge.workers`; 0 runs everything in this process.
    """
    config = load(path)
    missing = unbuilt(config)
    if missing:
        raise ConfigError(missing)
    log_to_stderr(config.edge.log.level)
    return Edge(config).run(_count(config, workers))


def _count(config: Config, workers: int | None) -> int:
    if workers is not None:
        return workers
    wanted = config.edge.workers
    return len(os.sched_getaffinity(0)) if wanted == "auto" else int(wanted)


def say_ready() -> None:
    print("ready", flush=True)


class Edge:
    """Everything that is made before the first fork, and the two kinds of process that are made of it."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.topology: Topology = parameters.topology(config)
        self.tls: dict[str, ListenerTls | None] = {
            listener.name: parameters.listener_tls(listener) for listener in config.listeners
        }

    def run(self, workers: int) -> int:
        """`ready` on standard output says that every listener accepts."""
        config = self.config
        _make_state_folder(config)
        sockets = bind_listeners({listener.name: listener.bind for listener in config.listeners}, max(workers, 1))
        admin = bind_one(config.admin.bind)
        if workers == 0:
            raise_file_limit()
            return serve_alone(lambda: Alone.start(self, sockets, admin), config.edge.drain, say_ready)
        supervisor = Supervisor(
            sockets=sockets,
            workers=workers,
            run_worker=lambda seat: serve_worker(seat, self._start_worker),
            run_control=lambda seat: serve_control(seat, self._start_control),
            admin_socket=admin,
            drain=config.edge.drain,
            user=config.edge.user,
            on_ready=say_ready,
            runtime_dir=config.edge.state,
        )
        return supervisor.run()

    def worker(self, slot: int) -> Worker:
        return Worker(parameters.plane_settings(self.config, self.tls, slot), self.topology)

    async def _start_worker(self, seat: WorkerSeat, post: Post) -> Worker:
        worker = self.worker(seat.slot)
        if seat.snapshot is not None:
            worker.take(unpack(seat.snapshot))
        link = ControlLink(seat.control, {"worker": seat.slot}, worker.take)
        link.start()
        worker.start(link, seat.sockets)
        return worker

    async def _start_control(self, seat: ControlSeat, post: Post) -> Control:
        assert seat.admin is not None
        hub = WorkerHub(
            seat.hub,
            lambda worker, value: control.take(worker, value),
            on_disconnect=lambda worker: control.lose(worker),
        )
        control = self.control(lambda value: post.keep(hub.publish(value)))
        await control.start(seat.admin)
        await hub.start()
        return control

    def control(self, publish: Callable[[object], object]) -> Control:
        return Control(self.config, self.topology, parameters.checks(self.config), self.tls, publish)


class Alone:
    """`--workers 0`: a worker and control in one process, on one loop."""

    def __init__(self, worker: Worker, control: Control) -> None:
        self._worker = worker
        self._control = control

    @classmethod
    async def start(cls, edge: Edge, sockets: dict[str, list[socket.socket]], admin: socket.socket) -> Alone:
        worker = edge.worker(0)
        link = InProcessLink(lambda number, value: control.take(number, value), worker.take)
        control = edge.control(link.publish)
        worker.start(link, sockets)
        await control.start(admin)
        await worker.accept(0)
        return cls(worker, control)

    async def drain(self, within: float) -> None:
        await self._worker.drain(within)

    async def stop(self) -> None:
        await self._worker.stop()
        await self._control.stop()


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
