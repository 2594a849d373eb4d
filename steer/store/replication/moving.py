"""A planned move: writes stop here, the peer gets all that there is, and then clients go there. Nothing is lost.

    fence(own, reason) -> barrier(link) says 0 -> traffic moves -> fence(own, "") lifts it

The move of one client alone is `steer.store.courier`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from steer.store.engine import Cursor, Position
from steer.store.errors import EngineDown, Indeterminate
from steer.store.replication.link import End, Link

ASK_EVERY = 0.02


async def fence(own: End, reason: str) -> None:
    """Stops this site's writes to the namespace, in every edge that shares the engine; "" lets them go on."""
    await own.engine.fence_all(own.space, reason)


async def barrier(link: Link, within: float) -> int:
    """Waits until the peer has every write that was made here before; how many it lacks after so many seconds.

    Somebody must be shipping. Raises EngineDown or Indeterminate if this site's own engine does not answer.
    """
    own, peer = link.own, link.peer
    wanted = await own.engine.positions(own.space, range(own.space.buckets))
    missing = {bucket: it.sequence for bucket, it in wanted.items() if it.sequence}
    with suppress(TimeoutError):
        async with asyncio.timeout(within):
            while missing:
                with suppress(EngineDown, Indeterminate):  # it may answer in time
                    theirs = await peer.engine.positions(peer.space, missing)
                    missing = lacking(wanted, {bucket: it.cursors.get(own.site) for bucket, it in theirs.items()})
                await asyncio.sleep(ASK_EVERY if missing else 0)
    return sum(missing.values())


def lacking(wanted: Mapping[int, Position], cursors: Mapping[int, Cursor | None]) -> dict[int, int]:
    """How many writes of each bucket a peer lacks, where it lacks any."""
    missing: dict[int, int] = {}
    for bucket, cursor in cursors.items():
        position = wanted[bucket]
        is_read = cursor is not None and cursor.generation == position.generation
        left = position.sequence - (cursor.sequence if cursor and is_read else 0)
        if left > 0:
            missing[bucket] = left
    return missing
