"""`acknowledge: all`: before a write is answered, every other site has it.

The record is pushed as it is now, without a cursor: the shipper carries it again, which changes nothing. A peer whose
engine is known not to answer is not waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from steer.store.engine import Outcome
from steer.store.errors import StoreError
from steer.store.replication.link import End
from steer.store.state import State


class Confirmation:
    """What `EngineNamespace` asks for: `await confirm(key, stamp)`. `timeout` in seconds."""

    def __init__(self, own: End, others: Sequence[End], timeout: float) -> None:
        self._own = own
        self._others = others
        self._timeout = timeout

    async def __call__(self, key: bytes, stamp: str) -> bool:
        """Has every other site this record as it is here, with this write or a later one?"""
        try:
            async with asyncio.timeout(self._timeout):
                (state,) = await self._own.engine.states(self._own.space, [key])
                if state is None:
                    return True  # nothing was there to be changed
                return all(await asyncio.gather(*(self._push(other, key, state) for other in self._others)))
        except (StoreError, TimeoutError):
            return False

    @staticmethod
    async def _push(other: End, key: bytes, state: State) -> bool:
        try:
            applied = await other.engine.apply(other.space, other.space.bucket_of(key), [(key, state)])
        except StoreError:
            return False
        return applied.outcome is Outcome.OK
