"""Which of the edges that share an engine does the replication. Nothing goes wrong if two do, it is only done twice."""

from __future__ import annotations

import os
from contextlib import suppress

from steer.store.errors import EngineDown, Indeterminate, StoreError
from steer.store.model import Locks

KEY = b"\0replication"
HELD = 3.0
"""Seconds: when its holder dies, another edge goes on after these."""


class Lease:
    """Of one namespace, kept in its engine."""

    def __init__(self, locks: Locks) -> None:
        self._locks = locks
        self._holder = os.urandom(8)
        self.is_held = False

    async def hold(self) -> bool:
        """Take it or renew it. An engine that does not answer changes nothing."""
        try:
            with suppress(EngineDown, Indeterminate):
                self.is_held = await self._take()
        except StoreError:
            # Clocks that differ, for instance: better twice than not at all.
            self.is_held = True
        return self.is_held

    async def _take(self) -> bool:
        if await self._locks.touch(KEY, HELD, if_value=self._holder):
            return True
        return await self._locks.set(KEY, self._holder, HELD, only_absent=True)

    async def release(self) -> None:
        """Another edge need not wait."""
        if self.is_held:
            self.is_held = False
            with suppress(StoreError):  # it ends by itself
                await self._locks.delete(KEY, if_value=self._holder)
