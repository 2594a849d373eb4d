from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import web

from steer.clock import SystemClock
from steer.health import checker as module
from steer.health.checker import Checker
from steer.health.expect import CheckSettings
from tests.health.nodes import Nodes

Reported = tuple[str, bool, str]


class Reports:
    """Takes reports, and lets a test wait for so many."""

    def __init__(self) -> None:
        self.all: list[Reported] = []
        self._came = asyncio.Event()

    def __call__(self, node: str, passed: bool, detail: str) -> None:
        self.all.append((node, passed, detail))
        self._came.set()

    async def until(self, holds: Callable[[list[Reported]], bool]) -> None:
        async with asyncio.timeout(5):
            while not holds(self.all):
                self._came.clear()
                await self._came.wait()


class Checkers:
    def __init__(self) -> None:
        self._started: list[Checker] = []

    async def start(self, checker: Checker) -> Checker:
        await checker.start()
        self._started.append(checker)
        return checker

    async def stop(self) -> None:
        for checker in self._started:
            await checker.stop()


@pytest.fixture
async def checkers() -> AsyncIterator[Checkers]:
    checkers = Checkers()
    yield checkers
    await checkers.stop()


def every(url: str, seconds: float, node: str = "wlg-1") -> CheckSettings:
    return CheckSettings(node=node, url=url, interval=seconds, timeout=1.0)


async def ok(request: web.Request) -> web.Response:
    return web.Response()


async def test_every_result_of_every_node_is_reported(nodes: Nodes, checkers: Checkers) -> None:
    async def broken(request: web.Request) -> web.Response:
        return web.Response(status=500)

    reports = Reports()
    asked = [every(await nodes.serve(ok), 0.01, "wlg-1"), every(await nodes.serve(broken), 0.01, "wlg-2")]
    await checkers.start(Checker(asked, reports, SystemClock(), random.Random(1)))
    good, bad = ("wlg-1", True, "status 200"), ("wlg-2", False, "status 500, expected 2xx")
    await reports.until(lambda all: all.count(good) >= 5 and all.count(bad) >= 5)
    assert set(reports.all) == {good, bad}


async def test_a_node_in_doubt_is_asked_again_sooner(nodes: Nodes, checkers: Checkers) -> None:
    async def broken(request: web.Request) -> web.Response:
        return web.Response(status=500)

    class Soon:
        def random(self) -> float:
            return 0.0

    reports = Reports()
    settings = [every(await nodes.serve(broken), 60.0, "out"), every(await nodes.serve(ok), 60.0, "well")]
    clock = SystemClock()
    await checkers.start(Checker(settings, reports, clock, Soon()))
    begun = clock.monotonic()
    await reports.until(lambda all: [node for node, _, _ in all].count("out") == 2)
    assert 0.8 <= clock.monotonic() - begun < 5.0
    assert [node for node, _, _ in reports.all].count("well") == 1


async def test_no_more_than_the_bound_run_at_once(
    nodes: Nodes, checkers: Checkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, most = 0, 0

    async def count(request: web.Request) -> web.Response:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        return web.Response()

    monkeypatch.setattr(module, "AT_ONCE", 3)
    url, reports = await nodes.serve(count), Reports()
    settings = [every(url, 0.02, f"wlg-{number}") for number in range(12)]
    await checkers.start(Checker(settings, reports, SystemClock(), random.Random(1)))
    await reports.until(lambda all: len(all) >= 36)
    assert most == 3


async def test_nothing_is_reported_after_stop(nodes: Nodes, checkers: Checkers) -> None:
    reports = Reports()
    checker = Checker([every(await nodes.serve(ok), 0.01)], reports, SystemClock(), random.Random(1))
    await checkers.start(checker)
    await reports.until(lambda all: len(all) >= 1)
    await checker.stop()
    at_stop = len(reports.all)
    names = {task.get_name() for task in asyncio.all_tasks()}
    assert len(reports.all) == at_stop
    assert "check wlg-1" not in names


async def test_a_fault_in_the_receiver_is_shown_and_does_not_end_the_checks(nodes: Nodes, checkers: Checkers) -> None:
    reports, shown = Reports(), list[str]()

    def faulty(node: str, passed: bool, detail: str) -> None:
        reports(node, passed, detail)
        raise KeyError(node)

    asyncio.get_running_loop().set_exception_handler(lambda loop, context: shown.append(context["message"]))
    await checkers.start(Checker([every(await nodes.serve(ok), 0.01)], faulty, SystemClock(), random.Random(1)))
    await reports.until(lambda all: len(all) >= 3)
    assert shown[0] == "a check of wlg-1 could not be reported"


async def test_starting_twice_is_an_error(checkers: Checkers) -> None:
    checker = await checkers.start(Checker([], Reports(), SystemClock(), random.Random(1)))
    with pytest.raises(RuntimeError, match="runs already"):
        await checker.start()
