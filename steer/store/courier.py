"""Single records, brought from one site to another at once: ahead of the shipper, for a client that has gone there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

from steer.clock import Clock, SystemClock
from steer.store.engine import Engine, Outcome
from steer.store.errors import StoreError
from steer.store.layout import Space
from steer.store.limits import KEY_BYTES

logger = logging.getLogger("steer.store")

PATIENCE = 0.15
"""Seconds for all of it: a client waits."""
SUSPECT = 1.0
"""Seconds for which a pair of sites is not asked again that was too slow or did not answer: only the first wait."""


class Courier:
    """Between the engines of these sites. Merging is what replication does, so it may be done twice."""

    def __init__(self, engines: Mapping[int, Engine], clock: Clock | None = None) -> None:
        self._engines = engines
        self._clock = clock or SystemClock()
        self._suspect_until: dict[tuple[int, int], float] = {}

    async def bring(self, space: Space, keys: Sequence[bytes], source: int, target: int) -> bool:
        """Is what the one site has of these records at the other now? False where that cannot be said in time."""
        pair = source, target
        if not all(0 < len(key) <= KEY_BYTES for key in keys):
            return False
        if self._clock.monotonic() < self._suspect_until.get(pair, 0.0) or not self._knows(*pair):
            return False
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._bring(space, keys, source, target)
        except (StoreError, TimeoutError) as error:
            logger.warning(
                "a session cannot be brought from site %d to site %d: %s", source, target, str(error) or "too slow"
            )
            self._suspect_until[pair] = self._clock.monotonic() + SUSPECT
            return False

    def _knows(self, source: int, target: int) -> bool:
        return source in self._engines and target in self._engines

    async def _bring(self, space: Space, keys: Sequence[bytes], source: int, target: int) -> bool:
        states = await self._engines[source].states(space, keys)
        for key, state in zip(keys, states, strict=True):
            if state is not None:
                applied = await self._engines[target].apply(space, space.bucket_of(key), [(key, state)])
                if applied.outcome is not Outcome.OK:
                    return False
        return True
