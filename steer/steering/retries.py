"""Whether another try is allowed: by what happened, by the method, and by the budget.

Never once a byte of the response was relayed. Otherwise when nothing was sent, when the node says that it did nothing
with it (HTTP/2), or when the method is idempotent and the body can be sent again. Tries in which nothing was sent, and
those after a node's death, are free; the others live in a budget, so that a struggling pool is not asked twice for
everything.
"""

from __future__ import annotations

from steer.errors import NODE_RESET, NODE_TOO_SLOW, Failure, Origin, Retry
from steer.steering.model import RetryRules

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
"""RFC 9110 section 9.2.2, without TRACE, which is refused."""


def idempotent_methods(rules: RetryRules) -> frozenset[str]:
    """Those whose requests can be sent to another node when they may have reached one. `retries.post` adds POST."""
    return IDEMPOTENT | {"POST"} if rules.post else IDEMPOTENT


class RetryBudget:
    """How many retries may be in flight at once, in one worker: a share of its requests in flight, with a floor."""

    __slots__ = ("_floor", "_share")

    def __init__(self, rules: RetryRules) -> None:
        self._share = rules.budget
        self._floor = rules.floor

    def may_retry(self, in_flight: int, retries_in_flight: int) -> bool:
        """Whether one more retry fits. Free tries (`is_free`) need not ask, and are not among `retries_in_flight`."""
        return retries_in_flight < max(self._floor, self._share * in_flight)


def is_retry_allowed(
    failure: Failure,
    method_idempotent: bool,
    sent: bool,
    body_kept: bool,
    attempts_made: int,
    rules: RetryRules,
    *,
    relayed: bool = False,
) -> bool:
    """Whether a try that failed so may be followed by another.

    `sent`: at least one byte of the request went out. `body_kept`: there is no body, or all of it that was read from
    the client is still here. `attempts_made`: tries so far, the first included. `relayed`: a byte of the response
    went to the client. `rules.attempts` are *more* tries: 2 means 3 in all.
    """
    if relayed or not body_kept or attempts_made > rules.attempts or failure.retry is Retry.NEVER:
        return False
    if failure.name == NODE_TOO_SLOW.name and not rules.on_timeout:
        return False
    return not sent or failure.retry is Retry.ALWAYS or (failure.retry is Retry.IF_IDEMPOTENT and method_idempotent)


def is_status_retried(
    status: int, method_idempotent: bool, body_kept: bool, attempts_made: int, rules: RetryRules
) -> bool:
    """The same for a response head with a status of `on_status`, of which nothing was relayed yet."""
    return status in rules.on_status and method_idempotent and body_kept and attempts_made <= rules.attempts


def is_free(failure: Failure, sent: bool, silent: bool) -> bool:
    """Whether the try after this failure lies outside the budget: the node did not get it, or it died.

    `silent`: the node has sent nothing at all, on any connection, since it got the request. One that is only slow
    answers others meanwhile; one that answers nobody is as dead as one that resets, and its requests all time out in
    the same moment, when the budget is smallest.
    """
    died = failure.name == NODE_RESET.name or (silent and failure.name == NODE_TOO_SLOW.name)
    return failure.origin is Origin.NODE and (not sent or died)
