"""Is this site's engine to be asked, or a peer's in its place?

    HOME       it answers, and has what the peers have
    AWAY       it does not answer: nobody waits for it; a probe asks twice a second
    RETURNING  it answers again, or has begun anew: it may lack what was written meanwhile. The peers' engines go on
               answering until a back-fill has brought it over

If no peer can be reached when it returns, it is home at once: old sessions are better than none, and what it lacks
comes when a peer does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Final

from steer.clock import Clock
from steer.store.engine import Engine
from steer.store.errors import StoreError

logger = logging.getLogger("steer.store")

PROBE: Final = 0.5
SETTLING: Final = 2.0
"""Seconds after the return in which the last writes at a peer may still be on their way: readers ask both."""


class Where(Enum):
    """Which engine answers for this site."""

    HOME = "home"
    AWAY = "away"
    RETURNING = "returning"


class Standing:
    """`catch_up(seconds)` brings what was written elsewhere in that time; it raises StoreError if no peer answers."""

    def __init__(self, engine: Engine, catch_up: Callable[[float], Awaitable[None]], clock: Clock) -> None:
        self._engine = engine
        self._catch_up = catch_up
        self._clock = clock
        self._incarnation = ""
        self._away_since = 0.0
        self._settled_at = 0.0
        self.where = Where.HOME

    @property
    def is_settling(self) -> bool:
        return self._clock.monotonic() < self._settled_at

    def lost(self) -> None:
        """A request found that the engine does not answer."""
        if self.where is Where.HOME:
            self._away_since = self._clock.monotonic()
            logger.warning("the engine does not answer: a peer's answers in its place")
        self.where = Where.AWAY

    async def run(self) -> None:
        """For ever."""
        while True:
            await self.step()
            await asyncio.sleep(PROBE)

    async def step(self) -> None:
        """One probe, and the return if it is time for that."""
        try:
            incarnation = await self._engine.incarnation()
        except StoreError:
            self.lost()
            return
        is_new = bool(self._incarnation) and incarnation != self._incarnation
        if self.where is Where.HOME and is_new:
            self._away_since = self._clock.monotonic() - PROBE
        if self.where is not Where.HOME or is_new:
            self.where = Where.RETURNING
            await self._return(incarnation)
        else:
            self._incarnation = incarnation

    async def _return(self, incarnation: str) -> None:
        started = self._clock.monotonic()
        try:
            await self._catch_up(started - self._away_since)
            # Once more, briefly: what was written during the first.
            await self._catch_up(self._clock.monotonic() - started)
        except StoreError as error:
            logger.warning("nothing could be caught up: %s", error)
        if self.where is Where.RETURNING and await self._answers(incarnation):
            self.where, self._incarnation = Where.HOME, incarnation
            self._settled_at = self._clock.monotonic() + SETTLING
            logger.info("the engine answers again")

    async def _answers(self, incarnation: str) -> bool:
        """Still the same one?"""
        try:
            return await self._engine.incarnation() == incarnation
        except StoreError:
            self.lost()
            return False
