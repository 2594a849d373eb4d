"""Real connections to loopback: two that listen, two that do not."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

import pytest

from steer.clock import SystemClock
from steer.health import canaries
from steer.health.canaries import Canaries, Place

HOST = "127.0.0.1"


class Keeper:
    """Suspects when it is told to, and takes down what it hears."""

    def __init__(self) -> None:
        self.suspects = False
        self.heard: asyncio.Queue[tuple[tuple[bool, ...], float]] = asyncio.Queue()

    def hear(self, answers: tuple[bool, ...], asked_at: float) -> None:
        self.heard.put_nowait((answers, asked_at))

    def is_suspected(self) -> bool:
        return self.suspects


@asynccontextmanager
async def asking(keeper: Keeper, places: Sequence[Place]) -> AsyncIterator[Canaries]:
    made = Canaries(places, keeper.hear, keeper.is_suspected, SystemClock())
    made.start()
    try:
        yield made
    finally:
        await made.stop()


@pytest.fixture
async def listening() -> AsyncIterator[Place]:
    server = await asyncio.start_server(lambda _, writer: writer.close(), HOST, 0)
    async with server:
        yield server.sockets[0].getsockname()


@pytest.fixture
def closed() -> Iterator[Place]:
    """A port that nobody listens on: bound, so that nobody else takes it."""
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        yield taken.getsockname()


async def test_nobody_is_asked_without_a_suspicion(listening: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canaries, "LOOK_EVERY", 0.001)
    keeper = Keeper()
    async with asking(keeper, (listening, listening)):
        await asyncio.sleep(0.02)  # twenty looks
        assert keeper.heard.empty()
        keeper.suspects = True
        answers, _ = await asyncio.wait_for(keeper.heard.get(), 5)
    assert answers == (True, True)


async def test_it_tells_which_of_them_answered_and_when_they_were_asked(listening: Place, closed: Place) -> None:
    keeper = Keeper()
    keeper.suspects = True
    before = SystemClock().monotonic()
    async with asking(keeper, (listening, closed)):
        answers, asked_at = await asyncio.wait_for(keeper.heard.get(), 5)
    assert answers == (True, False)
    assert before <= asked_at <= SystemClock().monotonic()


async def test_it_asks_again_while_the_suspicion_lasts(closed: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canaries, "ASK_EVERY", 0.001)
    keeper = Keeper()
    keeper.suspects = True
    async with asking(keeper, (closed, closed)):
        rounds = [await asyncio.wait_for(keeper.heard.get(), 5) for _ in range(3)]
    assert [answers for answers, _ in rounds] == [(False, False)] * 3


async def test_one_that_says_nothing_is_waited_for_no_longer_than_a_connect_time_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A listener whose queue is full drops what comes: nothing answers, as behind a cut line."""
    monkeypatch.setattr(canaries, "PATIENCE", 0.05)
    keeper = Keeper()
    keeper.suspects = True
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind((HOST, 0))
        full.listen(0)
        place: Place = full.getsockname()
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(place)
        async with asking(keeper, (place, place)):
            answers, _ = await asyncio.wait_for(keeper.heard.get(), 5)
    assert answers == (False, False)


async def test_without_canaries_nothing_runs() -> None:
    keeper = Keeper()
    keeper.suspects = True
    async with asking(keeper, ()):
        assert not [task for task in asyncio.all_tasks() if task.get_name() == "canaries"]
