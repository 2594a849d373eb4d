"""Every task has a name, and a crash of one is never silent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")

logger = logging.getLogger("steer.runtime")

_running: set[asyncio.Task[Any]] = set()
"""The loop holds tasks only weakly: without this, one that nobody awaits can vanish half way."""


def spawn(name: str, coroutine: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
    """Run it on the running loop. A crash is logged with its traceback under the task's name; cancelling is not one."""
    task = asyncio.get_running_loop().create_task(coroutine, name=name)
    _running.add(task)
    task.add_done_callback(_settle)
    return task


def _settle(task: asyncio.Task[Any]) -> None:
    _running.discard(task)
    if not task.cancelled() and (crash := task.exception()) is not None:
        logger.error("task %s crashed", task.get_name(), exc_info=crash)
