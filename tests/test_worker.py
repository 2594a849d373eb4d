"""A worker whose loop really is late: what it refuses meanwhile, and what it does not."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import uvloop

from steer.geo.databases import Databases
from steer.proxy import overload
from steer.proxy.deadlines import TICK
from steer.proxy.overload import CALM, FULL, OVERLOADED, Signal
from steer.proxy.settings import ListenerSettings, NodeAddress, PlaneSettings, PoolSettings
from steer.runtime.channel import InProcessLink
from steer.runtime.sockets import bind_listeners, close_all
from steer.steering.model import Group, Node, Pool, Route, Service, Topology
from steer.worker import Made, Worker
from tests.compliance.place import request
from tests.kit.client import PATIENCE, Client
from tests.kit.edge import HOST
from tests.kit.origin import Origin

GET = request("GET / HTTP/1.1", host=HOST)
HEALTH = request("GET /.steer/health HTTP/1.1", host=HOST)
LATE = {CALM: 0.0, FULL: 0.1, OVERLOADED: 0.3}
"""Seconds by which each tick is made late, for a level. The limits lie between."""
LIMITS = (Signal("lag", 0.06, 0.2), Signal("memory", 0.85, 0.95))
"""A tenth of the real ones, which would take seconds to pass."""


class LateWorker:
    """Serves in a thread of its own. `lateness`: by so many seconds each of its ticks comes too late."""

    def __init__(self, node: int) -> None:
        self.lateness = 0.0
        self.sockets = bind_listeners({"http": "127.0.0.1:0"}, slots=1)
        self.port: int = self.sockets["http"][0].getsockname()[1]
        self._node = node
        self._begun, self._end = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> LateWorker:
        self._thread.start()
        assert self._begun.wait(PATIENCE)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()
        close_all(self.sockets)

    def becomes(self, level: int) -> bool:
        """By being as late as leads there."""
        self.lateness = LATE[level]
        until = time.monotonic() + PATIENCE
        while self.worker.plane.admission.overload.level != level:
            if time.monotonic() > until:
                return False
            threading.Event().wait(0.02)
        return True

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.worker = Worker(made(self._node), lambda number, parcel: made(self._node))
        self.worker.plane.tick = self._tick(self.worker.plane.tick)  # type: ignore[method-assign,assignment]
        self.worker.start(InProcessLink(lambda number, value: None, self.worker.take), self.sockets)
        await self.worker.accept(0)
        self._begun.set()
        await self._end.wait()
        await self.worker.stop()

    def _tick(self, tick: Callable[[float], None]) -> Callable[[float], None]:
        def late(lag: float) -> None:
            tick(lag)
            if self.lateness:  # the loop is held from shortly before the next tick to so long after it
                self._loop.call_later(0.9 * TICK, time.sleep, 0.1 * TICK + self.lateness)

        return late


def made(port: int) -> Made:
    node = Node(0, "one-1", "web", "one")
    topology = Topology(
        ("one",),
        (node,),
        {"web": Pool("web", (node,))},
        {"website": Group("website", {"one": 1.0}, ("web",), ("web",))},
        {"www": Service("www", "website", (HOST,), (Route("/", "web"),), {})},
    )
    where = (NodeAddress("127.0.0.1", port),)
    settings = PlaneSettings("edge-a", (ListenerSettings("http"),), {"web": PoolSettings("web")}, where)
    return Made(1, topology, settings, Databases().prepare(()))


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> Iterator[LateWorker]:
    monkeypatch.setattr(overload, "SIGNALS", LIMITS)
    monkeypatch.setattr(overload, "CALM_S", 0.2)
    with Origin() as origin, LateWorker(origin.port) as worker:
        yield worker


def test_a_worker_that_is_late_refuses_connections_and_then_requests_and_neither_when_it_is_not(
    late: LateWorker,
) -> None:
    with Client(late.port) as known:
        assert known.ask(GET).status == 200
        assert late.becomes(FULL)
        assert known.ask(GET).status == 200
        with Client(late.port) as refused:
            answer = refused.read()
            assert (answer.status, answer.error, answer.says_close) == (503, "busy", True)
        assert late.becomes(OVERLOADED)
        answer = known.ask(GET)
        assert (answer.status, answer.error, answer.says_close) == (503, "busy", False)
        assert int(answer.get("Retry-After") or 0) > 0
        assert known.ask(HEALTH).status == 200
        assert late.becomes(CALM)
        assert known.ask(GET).status == 200
    with Client(late.port) as welcome:
        assert welcome.ask(GET).status == 200
