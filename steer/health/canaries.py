"""Two addresses outside: when nothing else can be reached, they tell whether it is this edge that is cut off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from steer.clock import Clock

LOOK_EVERY = 0.1
"""Seconds between two looks whether there is a suspicion: it shall be cleared up before everything is ejected."""

ASK_EVERY = 2.0
"""Seconds between two questions while there is one: a packet or two, to somebody who did not ask for them."""

PATIENCE = 1.0
"""Seconds for a TCP handshake: the connect time-out that nodes have by default."""

Place = tuple[str, int]
Hear = Callable[[tuple[bool, ...], float], None]
"""(for each canary whether it answered, when they were asked): each round."""


class Canaries:
    """Asks from `start` to `stop`, but only while `is_suspected`."""

    def __init__(self, places: Sequence[Place], hear: Hear, is_suspected: Callable[[], bool], clock: Clock) -> None:
        self._places = tuple(places)
        self._hear = hear
        self._is_suspected = is_suspected
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Without canaries nothing is done."""
        if self._places:
            self._task = asyncio.create_task(self._watch(), name="canaries")

    async def stop(self) -> None:
        """Nothing is heard after this."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _watch(self) -> None:
        while True:
            if self._is_suspected():
                asked_at = self._clock.monotonic()
                answers = await asyncio.gather(*(_answers(host, port) for host, port in self._places))
                self._hear(tuple(answers), asked_at)
                await asyncio.sleep(ASK_EVERY)
            else:
                await asyncio.sleep(LOOK_EVERY)


async def _answers(host: str, port: int) -> bool:
    """Whether a TCP connection comes about. A refusal is none: the firewall of the own network may send it."""
    try:
        async with asyncio.timeout(PATIENCE):
            _, writer = await asyncio.open_connection(host, port)
    except OSError:  # a time-out is one too
        return False
    writer.transport.abort()
    return True
