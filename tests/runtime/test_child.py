"""What a process does that has no supervisor, and the parts that every process shares."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable

import pytest

from steer.runtime.accepting import Accepting
from steer.runtime.child import serve_alone
from steer.runtime.door import Door
from steer.runtime.processes import Backoff
from steer.runtime.sockets import bind_listeners, close_all
from steer.runtime.tasks import spawn


class Patient:
    """A service whose drain lasts until it is cancelled, unless `idle`."""

    def __init__(self, idle: bool) -> None:
        self.idle = idle
        self.log: list[str] = []

    async def drain(self, within: float) -> None:
        self.log.append(f"drain {within}")
        if not self.idle:
            if within == 60.0:
                os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()

    async def reload(self) -> None:
        self.log.append("reload")

    async def stop(self) -> None:
        self.log.append("stop")


@pytest.mark.parametrize(
    ("idle", "drain"),
    [
        pytest.param(True, 60.0, id="an idle service ends at once"),
        pytest.param(False, 0.05, id="a busy one when its time is over"),
        pytest.param(False, 60.0, id="or on a second signal"),
    ],
)
def test_alone_a_signal_drains_and_then_stops(idle: bool, drain: float) -> None:
    service = Patient(idle)

    async def start() -> Patient:
        return service

    assert serve_alone(start, drain, on_ready=lambda: os.kill(os.getpid(), signal.SIGTERM)) == 0
    assert service.log == [f"drain {drain}", "stop"]


class Greeter(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"hello")
        transport.close()


async def _greeting(address: tuple[str, int]) -> bytes:
    reader, writer = await asyncio.open_connection(*address)
    try:
        return await reader.read()
    finally:
        writer.close()


async def test_a_slot_is_accepted_from_between_accept_and_release_as_often_as_ordered() -> None:
    sockets = bind_listeners({"a": "127.0.0.1:0"}, slots=1)
    accepting = Accepting(sockets, {"a": Door(Greeter)})
    address = sockets["a"][0].getsockname()
    try:
        for _ in range(2):
            waiting = asyncio.create_task(_greeting(address))
            await asyncio.sleep(0)
            await accepting.accept(0)
            await accepting.accept(0)
            assert await waiting == b"hello"
            await accepting.release(0)
            await accepting.release(0)
        with socket.create_connection(address) as queued:
            queued.setblocking(False)
            with pytest.raises(BlockingIOError):
                queued.recv(1)
            await accepting.accept(0)
            assert await asyncio.get_running_loop().sock_recv(queued, 5) == b"hello"
        await accepting.close()
        assert accepting.slots == ()
    finally:
        close_all(sockets)


@pytest.mark.parametrize(
    ("lives", "delays"),
    [
        pytest.param([0.0] * 8, [0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0], id="doubles up to 5 s"),
        pytest.param([0.0, 0.0, 0.0, 10.0, 0.0], [0.0, 0.1, 0.2, 0.0, 0.1], id="10 s of life: forgotten"),
        pytest.param([9.9, 9.9], [0.0, 0.1], id="less: remembered"),
    ],
)
def test_the_pause_before_a_start(lives: list[float], delays: list[float]) -> None:
    backoff = Backoff()
    assert [backoff.next_delay(lived) for lived in lives] == pytest.approx(delays)


async def _crash() -> None:
    raise KeyError("lost")


async def test_a_crash_of_a_task_is_logged_with_its_name(caplog: pytest.LogCaptureFixture) -> None:
    task = spawn("counting", _crash())
    await asyncio.wait([task])
    (record,) = caplog.records
    assert record.getMessage() == "task counting crashed"
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], KeyError)


@pytest.mark.parametrize("end", [lambda task: task.cancel(), lambda task: None])
async def test_a_task_that_ends_or_is_cancelled_is_not_logged(
    caplog: pytest.LogCaptureFixture, end: Callable[[asyncio.Task[None]], object]
) -> None:
    task = spawn("short", asyncio.sleep(0))
    end(task)
    await asyncio.wait([task])
    assert caplog.records == []
