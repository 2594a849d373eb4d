"""A small edge of real processes: workers that answer lines, a control process that numbers snapshots.

    python -m tests.runtime.echo_edge '{"runtime_dir": ..., "workers": 2, ...}'

Prints `ready PORT`. A worker answers `who` (its pid), `slots` (those it accepts from), `snapshot` (the last one, JSON),
`observe` (nothing: control publishes a new snapshot) and `ping` (pong).
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict, cast

from steer.errors import SteerError
from steer.runtime.accepting import Accepting
from steer.runtime.channel import ControlLink, WorkerHub
from steer.runtime.child import serve_leader, serve_worker
from steer.runtime.door import Door
from steer.runtime.frames import pack, unpack
from steer.runtime.post import Post
from steer.runtime.seats import Single, SingleSeat, Timing, WorkerSeat
from steer.runtime.sockets import bind_listeners
from steer.runtime.supervisor import Supervisor


class Settings(TypedDict):
    runtime_dir: str
    workers: int
    drain: float
    silent: float
    lost: float
    worker: str
    """echo, crashing (dies at once), unstartable (a SteerError)."""


class Echo(asyncio.Protocol):
    def __init__(self, worker: EchoWorker) -> None:
        self._worker = worker

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._worker.connections.add(self._transport)

    def data_received(self, data: bytes) -> None:
        for line in data.decode().split():
            self._transport.write(f"{self._worker.answer(line)}\n".encode())

    def connection_lost(self, exc: Exception | None) -> None:
        self._worker.connections.discard(self._transport)
        self._worker.on_connection_end()


class EchoWorker:
    def __init__(self, seat: WorkerSeat) -> None:
        self.connections: set[asyncio.Transport] = set()
        self._accepting = Accepting(seat.sockets, {"echo": Door(lambda: Echo(self))})
        self._snapshot: object = unpack(seat.snapshot) if seat.snapshot else None
        self._link = ControlLink(seat.hubs["control"], {"worker": seat.slot}, self._on_snapshot)
        self._link.start()
        self._idle = asyncio.Event()
        self._answers: dict[str, Callable[[], object]] = {
            "who": os.getpid,
            "slots": lambda: list(self._accepting.slots),
            "snapshot": lambda: json.dumps(self._snapshot),
            "observe": lambda: self._link.send({"node": "a"}),
            "ping": lambda: "pong",
        }

    def answer(self, line: str) -> object:
        return self._answers[line]()

    def on_connection_end(self) -> None:
        if not self.connections:
            self._idle.set()

    async def accept(self, slot: int) -> None:
        await self._accepting.accept(slot)

    async def release(self, slot: int) -> None:
        await self._accepting.release(slot)

    async def drain(self, within: float) -> None:
        while self.connections:
            self._idle.clear()
            await self._idle.wait()

    async def hand_over(self, within: float) -> None:
        await self._accepting.close()
        await self.drain(within)

    async def stop(self) -> None:
        await self._accepting.close()
        await self._link.close()

    def _on_snapshot(self, value: object) -> None:
        self._snapshot = value


class NumberingControl:
    def __init__(self, seat: SingleSeat, post: Post) -> None:
        last = cast("dict[str, int]", unpack(seat.snapshot)) if seat.snapshot else {"number": 0}
        self._number = last["number"]
        self._post = post
        self._hub = WorkerHub(seat.hub, lambda *_: self._publish())

    async def start(self) -> NumberingControl:
        await self._hub.start()
        self._publish()
        return self

    async def reload(self) -> None:
        self._post.keep_configuration(pack({"reloads": 1}))

    async def drain(self, within: float) -> None:
        """Nothing to finish."""

    async def stop(self) -> None:
        await self._hub.close()

    def _publish(self) -> None:
        self._number += 1
        self._post.keep(self._hub.publish({"number": self._number, "pid": os.getpid()}))


def main(settings: Settings) -> int:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    sockets = bind_listeners({"echo": "127.0.0.1:0"}, settings["workers"])
    port = sockets["echo"][0].getsockname()[1]

    async def start_worker(seat: WorkerSeat, post: Post) -> EchoWorker:
        if settings["worker"] == "crashing":
            os.abort()
        if settings["worker"] == "unstartable":
            raise SteerError("nothing to echo with")
        return EchoWorker(seat)

    async def start_control(seat: SingleSeat, post: Post) -> NumberingControl:
        return await NumberingControl(seat, post).start()

    supervisor = Supervisor(
        sockets=sockets,
        workers=settings["workers"],
        run_worker=lambda seat: serve_worker(seat, start_worker),
        singles=[Single("control", lambda seat: serve_leader(seat, start_control), {})],
        drain=settings["drain"],
        user=None,
        on_ready=lambda: print("ready", port, flush=True),
        runtime_dir=Path(settings["runtime_dir"]),
        timing=Timing(silent=settings["silent"], lost=settings["lost"]),
    )
    return supervisor.run()


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
