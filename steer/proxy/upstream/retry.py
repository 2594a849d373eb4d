"""May this request be tried once more? One table of questions, in the order in which they are asked."""

from __future__ import annotations

from steer.errors import NODE_UNREACHABLE, Failure, Retry
from steer.steering.model import RetryRules


def may_try_again(failure: Failure, *, sent: bool, idempotent: bool, replayable: bool, on_timeout: bool) -> bool:
    """`sent`: a byte of the request has left. `replayable`: all of the body that came is still there."""
    if failure.retry is Retry.NEVER or not replayable:
        return False
    if not sent:
        return True
    if failure.status == NODE_UNREACHABLE.status and not on_timeout:
        return False
    return failure.retry is Retry.IF_IDEMPOTENT and idempotent


class Budget:
    """How many of a pool's requests may be in a retry at once, in this worker (steering.md, Retries).

    Retries beyond the budget would double the load on what is left of a pool that already fails.
    """

    __slots__ = ("_in_flight", "_nodes", "_retrying", "_rules")

    def __init__(self, rules: RetryRules, nodes: tuple[int, ...], in_flight: list[int]) -> None:
        self._rules = rules
        self._nodes = nodes
        self._in_flight = in_flight
        self._retrying = 0

    def take(self) -> bool:
        """One retry, if the budget has it. Each that was taken is given back when its request is over."""
        in_flight = sum(self._in_flight[index] for index in self._nodes)
        if self._retrying >= max(self._rules.floor, int(in_flight * self._rules.budget)):
            return False
        self._retrying += 1
        return True

    def give_back(self) -> None:
        self._retrying -= 1
