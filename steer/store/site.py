"""What stands at one site: its engine, and the namespaces over it. Open for as long as the store process lives.

A door may be used before the engine answers: then every call raises EngineDown, which the door says. An engine that was
down at the start is asked again each second, until it has been told which namespaces it has.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from steer.clock import Clock
from steer.store.engine import Engine
from steer.store.errors import EngineDown, Indeterminate
from steer.store.layout import Space
from steer.store.namespace import EngineNamespace, Promise

logger = logging.getLogger("steer.store")

AGAIN = 1.0
"""Seconds between two attempts to open an engine that does not answer."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A namespace: where its records are, and what a write's OK means."""

    space: Space
    promise: Promise


@dataclass(frozen=True, slots=True)
class SpaceStatus:
    """`pending`: by peer, how many writes wait for it."""

    name: str
    pending: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class SiteStatus:
    """`problem`: why the engine does not answer; empty: it does. `skew`: seconds that its clock is ahead of ours."""

    site: int
    problem: str
    skew: float
    spaces: Sequence[SpaceStatus]


class Site:
    """`start`, then `namespace`; `close` at the end."""

    def __init__(self, number: int, engine: Engine, kept: Sequence[Kept], clock: Clock) -> None:
        self.number = number
        self.engine = engine
        self._kept = {each.space.name: each for each in kept}
        self._namespaces = {
            name: EngineNamespace(engine, each.space, each.promise, clock) for name, each in self._kept.items()
        }
        self._opening: asyncio.Task[None] | None = None
        self.problem = "it has not answered yet"

    def __repr__(self) -> str:
        return f"<Site {self.number} [{', '.join(self._kept)}]>"

    def namespace(self, name: str) -> EngineNamespace:
        return self._namespaces[name]

    async def start(self) -> None:
        """Raises StoreError if the engine answers and is another site's."""
        if not await self._open():
            logger.warning("%s: sessions wait for it", self.problem)
            self._opening = asyncio.create_task(self._open_later(), name="open the engine")

    async def status(self) -> SiteStatus:
        """Asks the engine; never raises."""
        spaces: list[SpaceStatus] = []
        try:
            for name, each in self._kept.items():
                spaces.append(SpaceStatus(name, await self.engine.pending(each.space)))
        except (EngineDown, Indeterminate) as error:
            self.problem = str(error)
        else:
            self.problem = ""
        skew = max((namespace.skew for namespace in self._namespaces.values()), key=abs, default=0.0)
        return SiteStatus(self.number, self.problem, skew, spaces)

    async def close(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
            with suppress(asyncio.CancelledError):
                await self._opening
        await self.engine.close()

    async def _open(self) -> bool:
        try:
            for each in self._kept.values():
                await self.engine.open(each.space)
        except (EngineDown, Indeterminate) as error:
            self.problem = str(error)
            return False
        self.problem = ""
        return True

    async def _open_later(self) -> None:
        while True:
            await asyncio.sleep(AGAIN)
            if await self._open():
                break
        logger.info("the engine of site %d answers", self.number)
