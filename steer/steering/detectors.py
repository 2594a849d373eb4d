"""When failures are enough: the two runs of consecutive failures of one node, counted over all workers.

A gateway failure adds to the gateway run; a 502, 503 or 504 adds to both; another 5xx breaks the gateway run and adds
to the run of 5xx; a success breaks both. Connection failures say nothing about 5xx: they leave that run as it is.

Workers ship a failure at once and count successes up for 100 ms. A success that comes with a failure of its own worker
has its time with it, and breaks what is older, whoever saw it; of one that comes as a count it is not known whether it
was before or after failures of the same 100 ms. Such a count breaks only what is older than it can be. Otherwise the
successes of the time just before a node died would hide its death for as long as they trickle in. And a
failure that comes late (a worker holds back what may be the request's own fault) counts for no run that a success has
broken since.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import inf

from steer.steering.model import Ejection, Mode, Observation, Outcome

GATEWAY_FAILURES = "consecutive_gateway_failures"
SERVER_ERRORS = "consecutive_5xx"
FAILURE_SHARE = "failure_share"
PEERS = "peers"
SLOW = "slow"
ACTIVE_CHECK = "active_check"

LIMITED = frozenset({SERVER_ERRORS, FAILURE_SHARE, PEERS, SLOW})
"""They see answers that are wrong or slow, which may be the fault of what every node runs: `limits.py` binds them."""

# Workers send counts each 100 ms; half of that again for a loop that is late.
COUNTS_LAG = 0.15

# One client with one broken page is that page's fault, not the node's.
LEAST_CLIENTS = 2
LEAST_PATHS = 2

# A run of 5xx may go on for long while one client sees it; the latest are enough to see that another one joined.
MOST_ERRORS_REMEMBERED = 50


@dataclass(frozen=True, slots=True)
class Alarm:
    """A detector has seen enough. Whether it may act is its mode, and the ledger's limits."""

    detector: str
    mode: Mode
    detail: str


class Runs:
    """Consecutive failures of one node. Mutable; for as long as the node is serving without a break."""

    def __init__(self, rules: Ejection) -> None:
        self._rules = rules
        self._gateway: deque[float] = deque(maxlen=max(1, rules.consecutive_gateway_failures))
        most_errors = max(MOST_ERRORS_REMEMBERED, rules.consecutive_5xx)
        self._errors: deque[Observation] = deque(maxlen=most_errors)
        self._broken_at = -inf
        """Every failure up to then is older than some success."""

    def __repr__(self) -> str:
        return f"<Runs [{len(self._gateway)} gateway failures, {len(self._errors)} 5xx]>"

    @property
    def gateway_failures(self) -> int:
        """In a row."""
        return len(self._gateway)

    @property
    def server_errors(self) -> int:
        """In a row, as far as they are remembered."""
        return len(self._errors)

    def break_off(self) -> None:
        """A success that is later than every failure so far, or a new beginning."""
        self._gateway.clear()
        self._errors.clear()

    def break_off_before(self, counted_at: float) -> None:
        """Successes of the last moments before `counted_at` (monotonic), as a count."""
        self.break_off_at(counted_at - COUNTS_LAG)

    def break_off_at(self, succeeded_at: float) -> None:
        """A success at that time (monotonic), which a worker may have told late."""
        broken_at = self._broken_at = max(self._broken_at, succeeded_at)
        while self._gateway and self._gateway[0] <= broken_at:
            self._gateway.popleft()
        while self._errors and self._errors[0].at <= broken_at:
            self._errors.popleft()

    def add(self, failure: Observation) -> Alarm | None:
        """Count one failure. An alarm begins its run anew, so that it is raised once for each run."""
        if failure.at <= self._broken_at:
            return None
        if failure.outcome is Outcome.SERVER_ERROR:
            self._gateway.clear()
        if failure.outcome in (Outcome.SERVER_ERROR, Outcome.GATEWAY_STATUS):
            self._errors.append(failure)
        if failure.outcome.is_gateway_failure:
            self._gateway.append(failure.at)
        return self._gateway_alarm(failure) or self._error_alarm()

    def _gateway_alarm(self, failure: Observation) -> Alarm | None:
        needed, mode = self._rules.consecutive_gateway_failures, self._rules.gateway_mode
        if mode is Mode.OFF or needed <= 0 or len(self._gateway) < needed:
            return None
        self._gateway.clear()
        return Alarm(GATEWAY_FAILURES, mode, f"{needed} in a row, the last: {failure.outcome.value}")

    def _error_alarm(self) -> Alarm | None:
        needed, mode = self._rules.consecutive_5xx, self._rules.server_error_mode
        if mode is Mode.OFF or needed <= 0 or len(self._errors) < needed:
            return None
        clients = {error.client for error in self._errors}
        paths = {error.path for error in self._errors}
        if len(clients) < LEAST_CLIENTS or len(paths) < LEAST_PATHS:
            return None
        detail = f"{len(self._errors)} in a row, seen by {len(clients)} clients on {len(paths)} paths"
        self._errors.clear()
        return Alarm(SERVER_ERRORS, mode, detail)
