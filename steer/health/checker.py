"""The tasks that check: one for each node, paced for itself, so many at once and no more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import aiohttp

from steer.clock import Clock
from steer.health.expect import CheckSettings
from steer.health.pace import first_pause, first_streak, pause
from steer.health.probe import new_session, probe
from steer.steering.model import Dice

AT_ONCE = 100
"""Checks under way. Each holds a socket and perhaps a TLS handshake (about 1 ms of CPU): so many at a start cost
the control process a tenth of a second, and a hundred nodes that all hang do not keep each other waiting."""

Report = Callable[[str, bool, str], None]
"""(node, passed, detail): every single result."""


class Checker:
    """Checks nodes from `start` to `stop`.

    `is_suspected` asks whether something else than a check holds the node out: then it is checked at the faster pace
    until `rise` checks in a row passed.
    """

    def __init__(
        self,
        settings: Sequence[CheckSettings],
        report: Report,
        clock: Clock,
        dice: Dice,
        is_suspected: Callable[[str], bool] = lambda node: False,
    ) -> None:
        # For the life of the checker.
        self._settings = tuple(settings)
        self._report = report
        self._clock = clock
        self._dice = dice
        self._is_suspected = is_suspected
        # From start to stop.
        self._session: aiohttp.ClientSession | None = None
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._tasks: dict[str, tuple[CheckSettings, asyncio.Task[None]]] = {}
        """By node."""

    async def start(self) -> None:
        """The first checks are spread over the interval. Calling it twice is an error of the caller."""
        if self._session is not None:
            raise RuntimeError("the checker runs already")
        self._session = new_session()
        self._start_checks()

    async def follow(self, settings: Sequence[CheckSettings]) -> None:
        """Other checks from now on. Those that are the same as before go on at their pace."""
        self._settings = tuple(settings)
        await self._end([node for node, (check, _) in self._tasks.items() if check not in self._settings])
        self._start_checks()

    def _start_checks(self) -> None:
        assert self._session is not None
        for settings in self._settings:
            if settings.node not in self._tasks:
                task = asyncio.create_task(self._check(settings, self._session), name=f"check {settings.node}")
                self._tasks[settings.node] = settings, task

    async def _end(self, nodes: Sequence[str]) -> None:
        tasks = [self._tasks.pop(node)[1] for node in nodes]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def stop(self) -> None:
        """No report comes after this. Stopping twice does nothing."""
        await self._end(tuple(self._tasks))
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _check(self, settings: CheckSettings, session: aiohttp.ClientSession) -> None:
        streak = first_streak(settings)
        await asyncio.sleep(first_pause(settings, self._dice))
        while True:
            begun = self._clock.monotonic()
            async with self._slots:
                result = await probe(settings, session)
            streak = streak.after(result.passed, settings)
            self._tell(settings.node, result.passed, result.detail)
            in_doubt = streak.is_in_doubt(settings, self._is_suspected(settings.node))
            took = self._clock.monotonic() - begun
            await asyncio.sleep(max(0.0, pause(settings, in_doubt, self._dice) - took))

    def _tell(self, node: str, passed: bool, detail: str) -> None:
        try:
            self._report(node, passed, detail)
        except Exception as error:
            # A fault in the receiver is shown, but must not end the checks: the node would never come back.
            context = {"message": f"a check of {node} could not be reported", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)
