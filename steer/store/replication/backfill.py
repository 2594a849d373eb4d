"""After an engine's restart or failover: what one end lacks of the last minutes comes from the other.

A replica that was promoted, or an engine that lost its last second, lacks writes that the other site has, and that the
other site's outbox does not hold: they were not its own. And what it has and the other lacks may be before the cursor.
So both ends are compared, over a window for a warm engine and over everything for a cold one.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from steer.store.engine import Cursor, Outcome, Position
from steer.store.replication.groups import each_of
from steer.store.replication.link import Link, clock_at, is_cold
from steer.store.replication.repair import Range, Repair
from steer.store.stamp import COUNTER_LIMIT

logger = logging.getLogger("steer.store")


async def backfill(link: Link, repair: Repair, window: float) -> None:
    """`window` in seconds back from now. Raises what engines raise; to do it again is safe."""
    own, peer = link.own, link.peer
    buckets = range(own.space.buckets)
    ours = await own.engine.positions(own.space, buckets)
    theirs = await peer.engine.positions(peer.space, buckets)
    await _see(link, ours, theirs)
    low = max(0, await own.engine.time_ms() - round(window * 1000)) * COUNTER_LIMIT
    known = [bucket for bucket in buckets if not (is_cold(ours[bucket]) and is_cold(theirs[bucket]))]
    cold = {bucket for bucket in known if is_cold(ours[bucket]) or is_cold(theirs[bucket])}
    await each_of(known, lambda bucket: repair.make_same(bucket, Range(0 if bucket in cold else low)))


async def _see(link: Link, ours: Mapping[int, Position], theirs: Mapping[int, Position]) -> None:
    """Our clocks go on after all that the peer has seen of them, whatever our engine forgot."""
    own = link.own
    for bucket, position in ours.items():
        seen = clock_at(theirs[bucket].cursors.get(own.site, Cursor()))
        if seen > position.clock:
            outcome = await own.engine.witness(own.space, bucket, f"{seen}{own.site:03d}")
            if outcome is not Outcome.OK:
                logger.warning("%s: the engine's clock is behind its own writes: set it by NTP", link)
                return
