"""Why a pool of a group that is at one datacentre takes nothing, in words, for the answer and for `explain`."""

from __future__ import annotations

from steer.steering.reach import position
from steer.steering.snapshot import DatacentreState
from steer.steering.surveying import Surveyor


def why_none(seen: Surveyor) -> str:
    """In words, for a group that cannot simply go elsewhere."""
    if not seen.is_at_one_place:
        return ""
    at = position(seen.group, seen.group_status)
    return f"{seen.group.name} is at {at}, {_what_is_wrong(seen, at)}; {_who_moves_it(seen)}"


def why_not_taken(seen: Surveyor) -> str:
    if not seen.is_at_one_place:
        return ""
    at = position(seen.group, seen.group_status)
    return f"{seen.group.name} is at {at}, where no node of {seen.pool.name} could take it; {_who_moves_it(seen)}"


def _what_is_wrong(seen: Surveyor, at: str) -> str:
    status = seen.datacentre(at)
    if status.state is DatacentreState.DRAINING:
        return "which is draining"
    none = f"no node of {seen.pool.name} is available"
    return f"which is out and where {none}" if status.state is DatacentreState.OUT else f"where {none}"


def _who_moves_it(seen: Surveyor) -> str:
    if seen.group_status.held:
        return f"it is held ({seen.group_status.held})"
    if seen.reach.moves_by_itself:
        return "nor can another datacentre take it"
    rules = seen.group.failover
    return f"it fails over by itself after {rules.after:g} s" if rules.automatic else "it moves by hand"
