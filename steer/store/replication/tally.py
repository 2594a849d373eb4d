"""What replication has done so far, for people: counted since the store process began."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Tally:
    """Of one namespace and one peer."""

    shipped: int = 0
    """Records carried to the peer out of the outbox; several writes of a record may be one."""
    changed: int = 0
    """Of those, the ones that were news there."""
    conflicts: int = 0
    """Values that another site's write of the same two seconds has replaced."""
    gaps: int = 0
    """Outboxes that had lost entries, and were filled from the change index."""
    audited: int = 0
    """Buckets compared."""
    differed: int = 0
    """Buckets whose digests were not the same."""
    repaired: int = 0
    """Records that such a bucket lacked, at either end."""
    refused: int = 0
    """Times that the peer found our stamps too far ahead of its clock."""
    rebuilt: int = 0
    """Records given up after a cut that outlasted the tombstones."""
    backfills: int = 0
    """Rounds after an engine was started anew or failed over."""
