"""The way between workers and the control process: values both ways, over Unix sockets, in under a millisecond.

    worker  ControlLink --observations at once, counts every 100 ms--> WorkerHub  control
                        <------------ snapshots -----------------------

The supervisor holds the listening socket, so a worker can connect, and say something, while control is dead: it waits
in the queue for the next control process. Nothing here ever makes a request wait.

With `--workers 0` both ends are one process, and an `InProcessLink` is both.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from socket import socket
from typing import Protocol

from steer.runtime.frames import BrokenFrame, frame, pack
from steer.runtime.sockets import reachable
from steer.runtime.tasks import spawn
from steer.runtime.wire import Wire

logger = logging.getLogger("steer.runtime")

MOST_KEPT = 1000
"""Values that wait in a worker while control cannot be reached: more failures than it takes to eject any node, and past
them the older ones are stale."""

FIRST_PAUSE, LONGEST_PAUSE = 0.01, 1.0
"""Seconds between two attempts to connect. 1 s: what a worker adds to a control process's own start, at the most."""


class ToControl(Protocol):
    """What a worker sees of control: a ControlLink or an InProcessLink."""

    @property
    def can_take(self) -> bool: ...

    def send(self, value: object) -> None: ...


class ToWorkers(Protocol):
    """What control sees of the workers: a WorkerHub or an InProcessLink."""

    @property
    def workers(self) -> frozenset[int]: ...

    def tell(self, worker: int, value: object) -> None: ...

    def publish(self, value: object) -> bytes: ...


class ControlLink:
    """A worker's way to control: connects, and connects again for ever while control is dead.

    `hello` is its first value on each connection: `{"worker": int, ...}`. `on_value` gets what control publishes.
    """

    def __init__(self, path: Path, hello: Mapping[str, object], on_value: Callable[[object], None]) -> None:
        self._path = path
        self._hello = frame(pack(dict(hello)))
        self._on_value = on_value
        self._wire: Wire | None = None
        self._kept: deque[bytes] = deque(maxlen=MOST_KEPT)
        self._task: asyncio.Task[None] | None = None
        self.dropped = 0
        """Values lost since the start, because control was away for longer than MOST_KEPT of them."""

    def start(self) -> None:
        """Begin to connect, on the running loop."""
        self._task = spawn("link to control", self._stay_connected())

    @property
    def can_take(self) -> bool:
        """What is sent now goes out now. Hold increments of counts back while it cannot: they add up where they are."""
        return self._wire is not None and self._wire.has_space and not self._kept

    def send(self, value: object) -> None:
        """Never blocks, never fails for want of control. While it cannot go out, the latest MOST_KEPT values wait."""
        data = frame(pack(value))
        if self._wire is not None and self.can_take:
            self._wire.write(data)
            return
        self.dropped += len(self._kept) == MOST_KEPT
        self._kept.append(data)

    async def close(self) -> None:
        """For good. What could go out goes out."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if self._wire is not None:
            self._wire.close()

    async def _stay_connected(self) -> None:
        loop = asyncio.get_running_loop()
        pause = FIRST_PAUSE
        while True:
            lost = asyncio.Event()
            began = loop.time()
            try:
                with reachable(self._path) as name:
                    await loop.create_unix_connection(lambda lost=lost: self._new_wire(lost), name)  # type: ignore[misc]
                await lost.wait()
            except OSError as error:
                logger.debug("control cannot be reached: %s", error)
            if loop.time() - began > LONGEST_PAUSE:
                pause = FIRST_PAUSE
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _new_wire(self, lost: asyncio.Event) -> Wire:
        return Wire(
            on_value=lambda _, value: self._on_value(value),
            on_made=self._on_made,
            on_lost=lambda _: self._on_lost(lost),
            on_space=lambda _: self._flush(),
        )

    def _on_made(self, wire: Wire) -> None:
        self._wire = wire
        wire.write(self._hello)
        self._flush()

    def _on_lost(self, lost: asyncio.Event) -> None:
        self._wire = None
        lost.set()

    def _flush(self) -> None:
        while self._kept and self._wire is not None and self._wire.has_space:
            self._wire.write(self._kept.popleft())


def _nothing(_: int) -> None:
    """For who does not want to know."""


class WorkerHub:
    """The control process's way to all workers. `worker` is the number that a worker's hello gave.

    `on_disconnect` comes when the last connection of that worker is gone. Who gives a number below 0 is no worker, but
    another single: its values come in, what is published goes out to it, and that is all.
    """

    def __init__(
        self,
        listening: socket,
        on_value: Callable[[int, object], None],
        on_connect: Callable[[int], None] = _nothing,
        on_disconnect: Callable[[int], None] = _nothing,
    ) -> None:
        self._listening = listening
        self._on_value = on_value
        self._on_connect = on_connect
        self._on_disconnect = on_disconnect
        self._wires: dict[Wire, int | None] = {}
        """None until its hello."""
        self._last: bytes | None = None
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Accept workers, those that wait already first."""
        loop = asyncio.get_running_loop()
        # A duplicate: the original is the next control process's.
        self._server = await loop.create_unix_server(self._new_wire, sock=self._listening.dup())

    @property
    def workers(self) -> frozenset[int]:
        """Those that are connected."""
        return frozenset(worker for worker in self._wires.values() if worker is not None and worker >= 0)

    def publish(self, value: object) -> bytes:
        """To every worker now, and to each that connects later, until the next one. Returns it packed, for `Post.keep`.

        A worker that has not read MOST_BUFFERED bytes before this is dropped, and connects again. Raises ValueError
        for a value that is too large.
        """
        body = pack(value)
        self._last = frame(body)
        for wire, worker in list(self._wires.items()):
            if not wire.has_space:
                logger.warning("worker %s reads too slowly: dropping its connection", worker)
                wire.drop()
            elif worker is not None:
                wire.write(self._last)
        return body

    def tell(self, worker: int, value: object) -> None:
        """To this one, if it is connected. Raises ValueError for a value that is too large."""
        data = frame(pack(value))
        for wire, connected in self._wires.items():
            if connected == worker:
                wire.write(data)

    async def close(self) -> None:
        """What could go out goes out."""
        if self._server is not None:
            self._server.close()
        for wire in list(self._wires):
            wire.close()

    def _new_wire(self) -> Wire:
        return Wire(on_value=self._take, on_made=self._on_made, on_lost=self._on_lost, on_space=lambda _: None)

    def _on_made(self, wire: Wire) -> None:
        self._wires[wire] = None

    def _take(self, wire: Wire, value: object) -> None:
        worker = self._wires.get(wire)
        if worker is None:
            self._greet(wire, value)
        else:
            self._on_value(worker, value)

    def _greet(self, wire: Wire, value: object) -> None:
        match value:
            case {"worker": int(worker)}:
                self._wires[wire] = worker
            case _:
                raise BrokenFrame("the first value is no hello")
        if worker >= 0:
            self._on_connect(worker)
        if self._last is not None:
            wire.write(self._last)

    def _on_lost(self, wire: Wire) -> None:
        worker = self._wires.pop(wire)
        if worker is not None and worker >= 0 and worker not in self.workers:
            self._on_disconnect(worker)


class InProcessLink:
    """Both ends in one process. Values pass as they are, in order, on the next turn of the loop.

    Not at once: a failure that is reported from the middle of a request must not bring a new snapshot into that middle.
    """

    can_take = True
    workers = frozenset({0})

    def __init__(
        self, to_control: Callable[[int, object], None], to_worker: Callable[[object], None], number: int = 0
    ) -> None:
        self._to_control = to_control
        self._to_worker = to_worker
        self._number = number

    def send(self, value: object) -> None:
        """To control, as the worker (or single) of this number."""
        asyncio.get_running_loop().call_soon(self._to_control, self._number, value)

    def tell(self, worker: int, value: object) -> None:
        """From control, to the worker."""
        asyncio.get_running_loop().call_soon(self._to_worker, value)

    def publish(self, value: object) -> bytes:
        """From control, to the worker. Nothing is packed: there is no newcomer to keep it for."""
        asyncio.get_running_loop().call_soon(self._to_worker, value)
        return b""
