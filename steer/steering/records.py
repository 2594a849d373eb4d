"""What the ledger keeps of one node, and its form in the state file."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from math import inf
from typing import Any

from steer.steering.detectors import COUNTS_LAG, Runs
from steer.steering.lookout import Track
from steer.steering.model import Node, Observation, Outcome, Pool
from steer.steering.plan import is_available
from steer.steering.snapshot import NodeState, NodeStatus
from steer.steering.wire import status_from_wire, status_to_wire

# What a person reads in `explain`; more would not tell more.
MOST_EVIDENCE = 10

UNREACHED = frozenset(
    {Outcome.REFUSED, Outcome.RESET, Outcome.TLS_FAILURE, Outcome.CONNECT_TIMEOUT, Outcome.RESPONSE_TIMEOUT}
)
"""Outcomes of a try on a node that may not be there at all, or that this edge cannot reach."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One failure, for the person who asks why. The client is left out: it is nobody's business here."""

    at: float
    """Wall."""
    outcome: str
    """An Outcome, or `check_failed`."""
    status: int = 0
    latency: float = 0.0
    path: str = ""
    detail: str = ""


@dataclass(slots=True)
class Record:
    """A node's state and what may change it. Times are monotonic unless said."""

    node: Node
    pool: Pool
    runs: Runs
    track: Track
    status: NodeStatus = field(default_factory=NodeStatus)
    why: str = ""
    """What its state rests on, in words; of a probing node, what its ejection rested on."""
    evidence: deque[Evidence] = field(default_factory=lambda: deque(maxlen=MOST_EVIDENCE))

    # While it is serving...
    forgiving: int = 0
    """Successes since n last fell."""

    # While it is ejected...
    ends: float | None = None
    """When its time is served; None: never by itself."""

    # While it is probing...
    trials_passed: int = 0
    first_trial: int = 0
    """The lowest trial number of this probing; answers to older ones come too late."""
    answered: set[int] = field(default_factory=set)
    granted_at: float = 0.0
    quiet_since: float = 0.0
    """Since when no trial was answered."""

    # Whether it can be reached at all, whatever the state...
    reached_at: float = -inf
    """When it surely answered last, though it were with an error."""
    unreached_at: float = -inf

    # Active checks in a row, whatever the state...
    passes: int = 0
    fails: int = 0
    must_pass: bool = False
    """It has not served yet, and serves only after its first checks (`must_pass_first`)."""

    @property
    def is_available(self) -> bool:
        return is_available(self.status)

    @property
    def is_expected(self) -> bool:
        return not self.status.drained

    @property
    def is_unreached(self) -> bool:
        """Whether it was not there when it was last tried."""
        return self.unreached_at > self.reached_at

    @property
    def check_allows(self) -> bool:
        """Whether the active check, where the pool has one, lets trials begin."""
        return not self.pool.checked or self.passes >= self.pool.rise

    def add_failure(self, failure: Observation, now: float, mono: float) -> None:
        at = now - max(0.0, mono - failure.at)
        outcome = failure.outcome.value
        self.evidence.append(Evidence(at, outcome, failure.status, failure.latency, failure.path))

    def note_reach(self, seen: Observation) -> None:
        if seen.outcome in UNREACHED:
            self.unreached_at = max(self.unreached_at, seen.at)
        else:
            self.reached_at = max(self.reached_at, seen.at)

    def succeed(self, count: int, mono: float) -> None:
        """So many successes came as a count."""
        self.reached_at = max(self.reached_at, mono - COUNTS_LAG)
        if self.status.state is NodeState.SERVING:
            self.track.succeed(count, mono)

    def forget(self) -> None:
        """A new beginning: nothing of what was seen counts any more."""
        self.runs.break_off()
        self.track.clear()

    def begin_probing(self, first_trial: int, mono: float) -> None:
        self.trials_passed = 0
        self.first_trial = first_trial
        self.answered.clear()
        self.quiet_since = mono


def new_record(node: Node, pool: Pool) -> Record:
    record = Record(node, pool, Runs(pool.ejection), Track(pool.ejection))
    if pool.must_pass_first:
        record.must_pass = True
        record.status = NodeStatus(NodeState.PROBING, cause="active_check")
    return record


def export_record(record: Record, now: float, mono: float) -> dict[str, Any]:
    """Plain JSON. Ramp and end of the ejection as wall time, since monotonic time does not outlive a boot."""
    status = replace(record.status, ramp_from=None, trial=0, trial_worker=-1)
    ramp_from = record.status.ramp_from
    return {
        "status": status_to_wire(status),
        "ramp_from": None if ramp_from is None else now - (mono - ramp_from),
        "ends": None if record.ends is None else now + (record.ends - mono),
        "must_pass": record.must_pass,
        "why": record.why,
        "evidence": [asdict(each) for each in record.evidence],
    }


def restore_record(record: Record, data: Mapping[str, Any], now: float, mono: float) -> None:
    """Put back what `export_record` said. An end further off than any sentence lasts is a clock that was set: cut."""
    ramp_from, ends = data["ramp_from"], data["ends"]
    record.status = replace(
        status_from_wire(data["status"]), ramp_from=None if ramp_from is None else mono - max(0.0, now - ramp_from)
    )
    if ends is not None:
        remaining = _remaining(record, ends - now)
        record.ends = mono + remaining
        record.status = replace(record.status, until=now + remaining)
    record.must_pass = data["must_pass"]
    record.why = data.get("why", "")  # files of 0.1 have none
    record.evidence.extend(Evidence(**each) for each in data["evidence"])
    record.quiet_since = mono


def _remaining(record: Record, seconds: float) -> float:
    is_operators = record.status.cause == "override"
    return max(0.0, seconds if is_operators else min(seconds, record.pool.ejection.max_time))
