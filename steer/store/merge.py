"""Two states of one record become one: a join, so that order, repetition and company do not matter.

The largest base, the largest deadline and, by name, the largest field (all by stamp; `state.py` says how they compare),
of which those fields go that the base is newer than. Because the base only grows, a field that went once would go
again with every later base: dropping it early changes nothing. (The proof is tests/store/test_merge.py.)

`scripts/common.lua` says the same to Redis.
"""

from __future__ import annotations

from collections.abc import Mapping

from steer.store.state import HASH, NO_FIELDS, PLAIN, Base, Field, State


def merge(one: State, other: State) -> State:
    """What both sites will agree upon."""
    fields = dict(one.fields)
    for name, theirs in other.fields.items():
        ours = fields.get(name)
        fields[name] = theirs if ours is None else max(ours, theirs)
    return normal(max(one.base, other.base), fields, one, other)


def normal(base: Base, fields: Mapping[bytes, Field], *deadlines_of: State) -> State:
    """The state without what can never be seen again: fields older than the base, a plain value under fields."""
    left = {name: each for name, each in fields.items() if outlives(each, base)}
    if left and base.kind == PLAIN:
        base = base._replace(value=b"")
    return State(base, left or NO_FIELDS, max(state.deadline for state in deadlines_of))


def outlives(field: Field, base: Base) -> bool:
    """Is the field newer? A hash that began anew has fields of its own stamp."""
    return field.stamp > base.stamp or (field.stamp == base.stamp and base.kind == HASH)
