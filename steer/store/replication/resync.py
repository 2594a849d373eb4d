"""What fills the gap of an outbox: everything that changed since, out of the change index, and then a new cursor."""

from __future__ import annotations

from steer.store.engine import Applied, Cursor, Outcome
from steer.store.replication.carrier import Carrier, Load
from steer.store.replication.link import Link, cursor_at, pages, score_at
from steer.store.replication.repair import NO_CUTS, Cuts, Repair
from steer.store.stamp import COUNTER_LIMIT

OVERLAP_MS = 60_000
"""Before the cursor: an outbox that lost its order may have lost some of what came before, too."""


async def refill(link: Link, carrier: Carrier, bucket: int, since: Cursor) -> tuple[Applied, Cursor]:
    """From the change index; the cursor that holds afterwards, if the outcome is OK. The position is read first: what
    is written while the index is read is in the outbox after it."""
    own = link.own
    cursor = cursor_at(await own.engine.position(own.space, bucket))
    low = max(0, score_at(since) - OVERLAP_MS * COUNTER_LIMIT)
    async for page in pages(own, bucket, low):
        applied = await carrier.carry_keys(bucket, [row.key for row in page])
        if applied.outcome is Outcome.ASTRAY:
            return applied, since
    (applied,) = await carrier.carry([Load(bucket, (), cursor)])
    return applied, cursor


async def begin(
    link: Link, carrier: Carrier, repair: Repair, bucket: int, cuts: Cuts = NO_CUTS
) -> tuple[Applied, Cursor]:
    """Where the peer's cursor means nothing here: the two ends are compared, and the cursor begins anew."""
    own = link.own
    cursor = cursor_at(await own.engine.position(own.space, bucket))
    made = await repair.make_same(bucket, cuts=cuts)
    if not made.is_whole:
        return Applied(Outcome.ASTRAY, 0), cursor
    (applied,) = await carrier.carry([Load(bucket, (), cursor)])
    return applied, cursor
