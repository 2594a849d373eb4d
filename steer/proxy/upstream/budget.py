"""How many of a pool's requests may be in a retry at once, in this worker (steering.md, Retries)."""

from __future__ import annotations

from steer.steering.model import RetryRules
from steer.steering.retries import RetryBudget


class Budget:
    """Retries beyond the budget would double the load on what is left of a pool that already fails.

    `nodes` are indices into `in_flight`, which the worker keeps.
    """

    __slots__ = ("_in_flight", "_nodes", "_retrying", "_rule")

    def __init__(self, rules: RetryRules, nodes: tuple[int, ...], in_flight: list[int]) -> None:
        self._rule = RetryBudget(rules)
        self._nodes = nodes
        self._in_flight = in_flight
        self._retrying = 0

    def follow(self, rules: RetryRules, nodes: tuple[int, ...]) -> None:
        """Other rules from now on, or other nodes. What was taken still counts."""
        self._rule = RetryBudget(rules)
        self._nodes = nodes

    def take(self) -> bool:
        """One retry, if the budget has it. Each that was taken is given back when its request is over."""
        if not self._rule.may_retry(sum(self._in_flight[index] for index in self._nodes), self._retrying):
            return False
        self._retrying += 1
        return True

    def give_back(self) -> None:
        self._retrying -= 1
