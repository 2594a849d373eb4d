"""The sites of a namespace are kept the same: what one wrote is carried to the others, and what was missed is found.

**link** (`link.py`): two **ends**, this site's engine and a peer's, for one namespace. `carrier.py` carries states over
it: reads them here, merges them there. Everything below may be done twice, or by two edges at once: a merge does not
mind. A **lease** in the engine (`lease.py`) only saves the work.

**shipper** (`shipper.py`): reads this site's outbox and carries what changed. How far it is, the **cursor**, is kept by
the peer's engine in the step that applies, so that it can only be lost together with the data. Sequence and generation
show a **gap**; it is filled out of the change index (`resync.py`).

**repair** (`repair.py`): compares the digests of a bucket at both ends and carries what differs, both ways. An
**audit** does that slowly, for ever; a **back-fill** (`backfill.py`) quickly, after an engine's restart or failover,
because then writes may be missing that the cursors say were made. `replicator.py` sees to all of it for one namespace.

**standing** (`standing.py`, `failover.py`): whether this site's engine is to be asked, or a peer's in its place.

**move** (`moving.py`): a fence stops this site's writes, a barrier waits until a peer has all of them. `confirm.py`
pushes one record to every peer before a write is acknowledged.

    own outbox -> Shipper -> Carrier -> peer's apply + cursor -> acknowledged here -> outbox trimmed
    own digest, peer's digest -> Repair -> Carrier, both ways
"""
