"""How many nodes may be taken out: what the weaker detectors may not do, and which node is held.

Connection failures and active checks say that a node cannot serve; 5xx, a share of failures or slow answers may come of
a bug that every node has (`detectors.LIMITED`). So the second kind takes at most half of a pool's nodes in a datacentre
and never the last available one there. A node that stands alone in its datacentre is no exception to taking it out, but
then the pool must have an available node in another usable datacentre: that is what the other datacentre is for.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from steer.steering.records import Record


def limit_in_the_way(record: Record, pool: Sequence[Record], usable: Collection[str] | None) -> str:
    """Why those may not eject this node now, in words; empty where they may. `pool`: all records of its pool."""
    here = [other for other in pool if other.node.datacentre == record.node.datacentre and other.is_expected]
    if len(here) <= 1:
        return "" if is_another_available(record, pool, usable) else "it is the last available node of its pool"
    available = [other for other in here if other.is_available]
    if len(available) <= 1:
        return "it is the last available node of its pool in this datacentre"
    if 2 * (len(here) - len(available) + 1) > len(here):
        return "half of the pool's nodes in this datacentre are out already"
    return ""


def is_last(record: Record, pool: Sequence[Record], usable: Collection[str] | None) -> bool:
    """Whether this is the last available node of its pool in the only usable datacentre: then it is held.

    `usable`: the datacentres that some group with this pool may use; None means all.
    """
    is_candidate = record.is_expected and _is_usable(record, usable)
    return is_candidate and not is_another_available(record, pool, usable)


def is_another_available(record: Record, pool: Sequence[Record], usable: Collection[str] | None) -> bool:
    """Whether requests can go to another node of the pool instead."""
    return any(other is not record and other.is_available and _is_usable(other, usable) for other in pool)


def _is_usable(record: Record, usable: Collection[str] | None) -> bool:
    return usable is None or record.node.datacentre in usable
