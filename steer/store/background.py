"""Work that goes on for as long as the store is open: each piece a task with a name, whose crash is never silent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

logger = logging.getLogger("steer.store")

AGAIN = 1.0
"""Seconds until a piece of work that crashed begins again."""


class Background:
    """`start` pieces of work; `close` ends all of them."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Until it returns. A crash is logged with its traceback, and the work begins again."""
        task = asyncio.get_running_loop().create_task(self._go_on(name, work), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _go_on(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except Exception:
                logger.exception("%s crashed", name)
                await asyncio.sleep(AGAIN)
            else:
                return

    async def close(self) -> None:
        """When all of it has ended."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
