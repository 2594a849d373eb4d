"""Whether it is the edge that is cut off, and not all the others that are down.

When most nodes of most datacentres cannot be reached, control asks the canaries: two addresses outside that have
nothing to do with the nodes. If neither answers, the edge is *isolated*: what it sees says nothing of the nodes. It
ends when a canary answers or the nodes do. Without canaries an edge is never isolated.

    connected --most nodes of most datacentres unreached--> suspected --both canaries silent--> isolated
        ^                                                       |                                   |
        +----------------nodes or a canary answer---------------+-----------------------------------+
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from steer.steering.records import Record

LOOK_BACK = 15.0
"""Seconds before the suspicion in which ejections are put down to the isolation: what checks need to fall (three, the
first within their interval of 5 s, then one a second), and a connect time-out on top."""


def is_most_unreached(records: Iterable[Record]) -> bool:
    """Whether most nodes of most datacentres were not reached when they were last tried. Drained ones do not count."""
    nodes: Counter[str] = Counter()
    unreached: Counter[str] = Counter()
    for record in records:
        if record.is_expected:
            nodes[record.node.datacentre] += 1
            unreached[record.node.datacentre] += record.is_unreached
    lost = [datacentre for datacentre, count in nodes.items() if 2 * unreached[datacentre] > count]
    return 2 * len(lost) > len(nodes)


class Isolation:
    """Times are monotonic."""

    def __init__(self, canaries: Collection[str]) -> None:
        self._has_canaries = bool(canaries)
        self.suspected_since: float | None = None
        self.is_isolated = False

    def __repr__(self) -> str:
        state = "suspected" if self.suspected_since is not None else "connected"
        return f"<Isolation {'isolated' if self.is_isolated else state}>"

    def see(self, is_most_unreached: bool, mono: float) -> bool:
        """How the nodes are now. True: the isolation is over."""
        if not is_most_unreached:
            return self._end()
        if self.suspected_since is None and self._has_canaries:
            self.suspected_since = mono
        return False

    def hear(self, answers: Collection[bool], asked_at: float) -> bool:
        """What the canaries said to one question. True: the edge is isolated from now on, or no longer."""
        if self.suspected_since is None or asked_at < self.suspected_since:
            return False
        if any(answers):
            was_isolated, self.is_isolated = self.is_isolated, False
            return was_isolated
        was_isolated, self.is_isolated = self.is_isolated, True
        return not was_isolated

    def _end(self) -> bool:
        was_isolated, self.is_isolated, self.suspected_since = self.is_isolated, False, None
        return was_isolated
