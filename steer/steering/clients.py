"""How many clients are left in a datacentre that drains or that a group has left: seen there, and not idle since.

Workers tell a hash of each affinity that they meet in such a datacentre, again as long as it is in use, and when it has
ended or moved. A client that has not been seen for as long as its affinity may be idle does not come back as the same.
Before the datacentre has been watched for that long nobody can say that none is left: who has not come yet may still
come.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from steer.steering.model import Topology

MOST = 65_536
"""Clients remembered for one datacentre of one group: some 6 MiB. Beyond, the one not seen for longest is forgotten,
so that the count stays there until they really become fewer."""


UNTOLD = 1 + 1 / 8
"""A worker tells of a client that goes on eight times within its `idle`: so it may have been there that much later."""


ByPlace = Mapping[str, Mapping[str, Iterable[int]]]


@dataclass(slots=True)
class _Watched:
    """Times are monotonic. `seen` is in the order in which they were last seen."""

    began: float
    seen: OrderedDict[int, float] = field(default_factory=OrderedDict)

    def note(self, client: int, mono: float) -> None:
        self.seen[client] = mono
        self.seen.move_to_end(client)
        if len(self.seen) > MOST:
            self.seen.popitem(last=False)

    def forget_idle(self, before: float) -> None:
        while self.seen and next(iter(self.seen.values())) <= before:
            self.seen.popitem(last=False)


class ClientsLeft:
    """Of each (group, datacentre) that is watched."""

    def __init__(self, topology: Topology) -> None:
        self._idle = {name: idle_of(topology, name) for name in topology.groups}
        self._watched: dict[tuple[str, str], _Watched] = {}

    def watch(self, places: Iterable[tuple[str, str]], mono: float) -> None:
        """Exactly these from now on; those that are watched already go on."""
        self._watched = {place: self._watched.get(place) or _Watched(mono) for place in places}

    def see(self, group: str, datacentre: str, clients: Iterable[int], mono: float) -> None:
        """A worker met them there."""
        watched = self._watched.get((group, datacentre))
        if watched is not None:
            for client in clients:
                watched.note(client, mono)

    def end(self, group: str, datacentre: str, clients: Iterable[int]) -> None:
        """They were there, and are not any more: over, or moved."""
        watched = self._watched.get((group, datacentre))
        if watched is not None:
            for client in clients:
                watched.seen.pop(client, None)

    def hear(self, bound: ByPlace, ended: ByPlace, mono: float) -> None:
        """What a worker tells: group -> datacentre -> clients."""
        for group, places in bound.items():
            for datacentre, clients in places.items():
                self.see(group, datacentre, clients, mono)
        for group, places in ended.items():
            for datacentre, clients in places.items():
                self.end(group, datacentre, clients)

    def count(self, group: str, datacentre: str, mono: float) -> int:
        """Those that were seen, and are not idle."""
        watched = self._watched.get((group, datacentre))
        if watched is None:
            return 0
        watched.forget_idle(mono - self._idle[group] * UNTOLD)
        return len(watched.seen)

    def is_none_left(self, group: str, datacentre: str, mono: float) -> bool:
        """Whether it is certain."""
        watched = self._watched.get((group, datacentre))
        if watched is None or mono - watched.began < self._idle[group] * UNTOLD:
            return False
        return self.count(group, datacentre, mono) == 0

    def succeed(self, before: ClientsLeft) -> None:
        """Go on with what the one of another configuration saw. `watch` says what of it still matters."""
        self._watched = {place: seen for place, seen in before._watched.items() if place[0] in self._idle}


def idle_of(topology: Topology, group: str) -> float:
    """Seconds for which a client of the group may be idle and keep its affinity; 0: no service has affinity."""
    found = [s.affinity.idle for s in topology.services.values() if s.group == group and s.affinity is not None]
    return max(found, default=0.0)


def stay_of(topology: Topology, group: str) -> float:
    """Seconds for which clients with affinity may stay where new ones do not go; 0: none has affinity."""
    return topology.groups[group].drain_sessions if idle_of(topology, group) > 0 else 0.0
