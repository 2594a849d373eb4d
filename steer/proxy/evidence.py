"""What one request saw of the nodes that failed it, held back while it is not known whose fault it was.

A request that fails on two nodes is evidence against neither: a page that crashes whatever serves it would otherwise
take out one node after another. So when a node had the request, failed, and the request is tried again, the failure
waits for the outcome:

    the next node serves it           the failure is told: the request was sound
    the next node fails at it too     neither failure is told, unless a third node then serves it
    no outcome in time                the failure is told

Failures in which nothing was sent (refused, no connection in time) are never held back, since no request causes them:
a dead node is known at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from steer.proxy.counters import Counters
from steer.steering.model import Observation

HOLD_S = 1.0
HOLD_TIMES = 2.0
"""How long a failure waits: a second, or twice as long as it took itself where that is longer. What fails after 20 s on
one node is not refuted by 1 s on the next, and after 20 s nobody waits for one second more."""


class Desk(Protocol):
    """Where evidence is told."""

    counters: Counters

    @property
    def report(self) -> Callable[[Observation], None]: ...


class Doubt:
    """The failures of one request on nodes that had it. Ends with `conclude`."""

    __slots__ = ("_desk", "_due", "_failures", "_held")

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._held: list[tuple[int, Observation]] = []
        self._failures = 0
        self._due = 0.0

    def add(self, node: int, failure: Observation) -> None:
        """The node of this index failed; another try follows, or `conclude`."""
        self._failures += 1
        self._held.append((node, failure))
        self._due = failure.at + max(HOLD_S, HOLD_TIMES * failure.latency)

    def conclude(self, served: bool) -> None:
        """There are no more tries; `served`: a node did what was asked."""
        held, self._held = self._held, []
        for node, failure in held:
            if served or self._failures == 1:
                self._desk.report(failure)
            else:
                self._desk.counters.successes[node] += failure.successes

    def expire(self, now: float) -> None:
        """The outcome of the second try takes too long: the failure of the first is told."""
        if self._failures == 1 and self._due <= now:
            self.conclude(served=True)
