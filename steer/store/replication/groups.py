"""Many buckets, several at a time: a far peer would otherwise be waited for once for each of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from itertools import islice

AT_ONCE = 16


async def each_of(buckets: Iterable[int], work: Callable[[int], Awaitable[object]], pause: float = 0.0) -> None:
    """In groups, with a pause (seconds) after each group. The first error is raised when its group is over."""
    rest = iter(buckets)
    while group := list(islice(rest, AT_ONCE)):
        for result in await asyncio.gather(*map(work, group), return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
        await asyncio.sleep(pause)
