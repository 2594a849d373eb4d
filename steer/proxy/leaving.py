"""Who is still bound to a datacentre that drains, or that its group has left: counted for the count-down.

While no datacentre does, a request of a bound client costs one look at `is_counting`, and others nothing.
"""

from __future__ import annotations

from steer.clock import Clock
from steer.steering.model import DatacentreState, Snapshot

MOST_CLIENTS = 65_536
"""Counted for each datacentre of a group: 8 MiB. The count-down of more shows this many."""
TOLD_EVERY = 8
"""A client that goes on is told again so often within its `idle`, so that control knows that it is still there."""


class Leaving:
    """For the life of a worker. Ids are int64 of what binds the client; the same in every worker."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._places: frozenset[tuple[str, str]] = frozenset()
        self.is_counting = False
        """Any datacentre is left or drains."""
        self._told: dict[tuple[str, str], dict[int, float]] = {}
        self._news: dict[str, dict[str, list[int]]] = {}

    def follow(self, snapshot: Snapshot) -> None:
        """Of the datacentres that are not left any more nothing is counted."""
        self._places = frozenset(_left(snapshot))
        self.is_counting = bool(self._places)
        self._told = {place: ids for place, ids in self._told.items() if place in self._places}
        for place in self._places:
            self._told.setdefault(place, {})

    def note(self, group: str, datacentre: str, id: int, idle: float) -> None:
        """A request of a client that is bound there; `idle` (seconds) is its service's."""
        if (group, datacentre) not in self._places:
            return
        told, now = self._told[group, datacentre], self._clock.monotonic()
        last = told.get(id)
        if (last is None and len(told) < MOST_CLIENTS) or (last is not None and now - last >= idle / TOLD_EVERY):
            told[id] = now
            self._news.setdefault(group, {}).setdefault(datacentre, []).append(id)

    def take_news(self) -> dict[str, dict[str, list[int]]]:
        """Group -> datacentre -> ids that are new, or were not told for an eighth of their `idle`."""
        news, self._news = self._news, {}
        return news


def _left(snapshot: Snapshot) -> set[tuple[str, str]]:
    """(group, datacentre)"""
    found = {(name, group.leaving) for name, group in snapshot.groups.items() if group.leaving}
    for name, group in snapshot.groups.items():
        states = group.datacentres.items()
        found |= {(name, datacentre) for datacentre, status in states if status.state is DatacentreState.DRAINING}
    return found
