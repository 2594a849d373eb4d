"""Who may connect to this worker, and who is connected: what is judged before a connection costs anything.

In this order: the worker has too much to do, the process or the listener has as many connections as it may (one that
does nothing makes room), the address has a penalty. Requests on connections that are there are judged elsewhere.
"""

from __future__ import annotations

import resource
from collections import Counter
from itertools import islice

from steer.proxy.counters import Counters
from steer.proxy.overload import CALM, OVERLOADED, Overload
from steer.proxy.penalties import Penalties
from steer.proxy.served import Served
from steer.proxy.settings import ListenerSettings
from steer.steering.hosts import is_in

LOOKED_AT = 16
"""Connections that are asked to make room for a new one. Those that are busy are asked again after all others."""
KEPT_BACK = 4
"""One part in so many of the descriptors is not for clients: nodes need theirs most when many clients come."""
ENDLESS = 1_000_000
"""Of descriptors or places, where there is no limit."""


class Admission:
    """For the life of the worker."""

    def __init__(self, counters: Counters) -> None:
        self.overload = Overload()
        self.penalties = Penalties()
        self.sheds = False
        """New requests are refused. Read for each of them."""
        self.connections: dict[Served, None] = {}
        """The longest known first, but for those that were busy when somebody needed room."""
        self.most = places()
        self._of_listener: Counter[str] = Counter()
        self._counters = counters

    def refusal(self, listener: ListenerSettings, address: str, now: float) -> str:
        """Why no connection of this address is taken, in a word; empty: it is. `now` is monotonic seconds."""
        if self.overload.level != CALM:
            return "overload"
        if len(self.connections) >= self.most and not self._make_room(None, now):
            return "descriptors"
        if self._is_full(listener) and not self._make_room(listener, now):
            return "connections"
        if self.penalties.holds(address, now):
            return "penalty"
        return ""

    def refused(self, why: str) -> None:
        """Count it."""
        self._counters.refused[why] += 1

    def punish(self, connection: Served, peer: str, now: float) -> None:
        """It has ended as a flood: no more of them for a while."""
        if not is_in(peer, connection.listener.trusted_proxies):
            self.penalties.add(peer, now)

    def enter(self, connection: Served) -> bool:
        """A connection has begun; False: it is one too many."""
        self.connections[connection] = None
        name = connection.listener.name
        self._of_listener[name] += 1
        return self._of_listener[name] <= connection.listener.limits.connections

    def leave(self, connection: Served) -> None:
        """It has ended."""
        if connection in self.connections:
            del self.connections[connection]
        self._of_listener[connection.listener.name] -= 1

    def judge(self, now: float) -> bool:
        """Once a tick; True: the level of overload is another one."""
        changed = self.overload.judge(now)
        self.sheds = self.overload.level == OVERLOADED
        return changed

    def _is_full(self, listener: ListenerSettings) -> bool:
        return self._of_listener[listener.name] >= listener.limits.connections

    def _make_room(self, listener: ListenerSettings | None, now: float) -> bool:
        """Of this listener, or of any. One that waits for nothing but its client's next request may be ended."""
        for connection in tuple(islice(self.connections, LOOKED_AT)):
            if (listener is None or connection.listener.name == listener.name) and connection.make_room(now):
                self.refused("made_room")
                return True
            del self.connections[connection]
            self.connections[connection] = None
        return False


def places() -> int:
    """Connections of clients that this process has descriptors for."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = ENDLESS if soft == resource.RLIM_INFINITY else soft
    return limit - limit // KEPT_BACK
