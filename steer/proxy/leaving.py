"""Who is still bound to a datacentre that drains, or that its group has left, and who is not any more: counted for the
count-down.

While no datacentre does, a request of a bound client costs one look at `is_counting`, and others nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from steer.clock import Clock
from steer.steering.snapshot import DatacentreState, Snapshot

MOST_CLIENTS = 65_536
"""Counted for each datacentre of a group: 8 MiB. The count-down of more shows this many."""
TOLD_EVERY = 8
"""A client that goes on is told again so often within its `idle`, so that control knows that it is still there."""

News = dict[str, dict[str, list[int]]]
"""Group -> datacentre -> ids."""


class Leaving:
    """For the life of a worker. Ids are int64 of what binds the client; the same in every worker."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._places: frozenset[tuple[str, str]] = frozenset()
        self.is_counting = False
        """Any datacentre is left or drains."""
        self._told: dict[tuple[str, str], dict[int, float]] = {}
        self._news: dict[tuple[str, str], dict[int, bool]] = {}
        """Whether they are there: the last word on each."""

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
            self._news.setdefault((group, datacentre), {})[id] = True

    def end(self, group: str, datacentre: str, id: int) -> None:
        """It was bound there, and is not any more: its conversation is over, or it has moved."""
        if self._told.get((group, datacentre), {}).pop(id, None) is not None:
            self._news.setdefault((group, datacentre), {})[id] = False

    def take_news(self) -> dict[str, News]:
        """`bound`: those that are new, or were not told for an eighth of their `idle`. `ended`: those that have gone.
        What there is nothing of is left out."""
        news, self._news = self._news, {}
        told = {name: _listed(news, is_there) for name, is_there in (("bound", True), ("ended", False))}
        return {name: places for name, places in told.items() if places}


def _listed(news: Mapping[tuple[str, str], Mapping[int, bool]], wanted: bool) -> News:
    found: News = {}
    for (group, datacentre), ids in news.items():
        if those := [id for id, is_there in ids.items() if is_there is wanted]:
            found.setdefault(group, {})[datacentre] = those
    return found


def _left(snapshot: Snapshot) -> set[tuple[str, str]]:
    """(group, datacentre)"""
    found = {(name, group.leaving) for name, group in snapshot.groups.items() if group.leaving}
    for name, group in snapshot.groups.items():
        states = group.datacentres.items()
        found |= {(name, datacentre) for datacentre, status in states if status.state is DatacentreState.DRAINING}
    return found
