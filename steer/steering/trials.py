"""Trials: single requests sent to a probing node to see whether it is back.

At most one trial of a node runs at a time over the edge: it is granted to one worker, by number. A worker that has no
fitting request within a second loses it to the next worker, under a new number. Its answer counts even then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from steer.steering.model import Mode, Observation, Outcome
from steer.steering.records import Record
from steer.steering.snapshot import NodeState

TRIALS_TO_PASS = 3

# A worker without a fitting request holds the trial up for no longer than this (seconds).
TRIAL_PATIENCE = 1.0

# A page that failed elsewhere within so many seconds may be broken, and not the node.
JUST = 30.0


class TrialOffice:
    """Gives out trials: whose turn it is, and the numbers, which never repeat."""

    def __init__(self) -> None:
        self._last_number = 0
        self._turn = 0

    @property
    def next_number(self) -> int:
        """No trial that is still to be granted has a lower number."""
        return self._last_number + 1

    def grant(self, record: Record, workers: Sequence[int], mono: float) -> bool:
        """Give the node's trial to a worker, or on to the next one. True: its status changed."""
        if not workers or not _needs_grant(record, mono):
            return False
        worker = workers[self._turn % len(workers)]
        self._turn += 1
        # Numbers follow the time, so that a control process that starts anew gives none out twice.
        self._last_number = max(self._last_number + 1, int(mono * 1000))
        record.granted_at = mono
        record.status = replace(record.status, trial=self._last_number, trial_worker=worker)
        return True


def _needs_grant(record: Record, mono: float) -> bool:
    return is_ready(record) and (record.status.trial == 0 or mono - record.granted_at >= TRIAL_PATIENCE)


def is_ready(record: Record) -> bool:
    """Whether trials decide about this node now: it is probing, expected, and its active check lets it."""
    is_probing = record.status.state is NodeState.PROBING and record.is_expected
    return is_probing and not record.must_pass and record.check_allows


def has_waited_too_long(record: Record, mono: float) -> bool:
    """Trials could run, but no request was one for as long as the longest ejection lasts."""
    return is_ready(record) and mono - record.quiet_since >= record.pool.ejection.max_time


def is_awaited(record: Record, trial: int) -> bool:
    """Whether the outcome of this trial still counts: of this probing, and not told before."""
    return record.status.state is NodeState.PROBING and trial >= record.first_trial and trial not in record.answered


def has_failed(record: Record, outcome: Outcome) -> bool:
    """A 5xx is a failure where a detector that counts them may act."""
    rules = record.pool.ejection
    counts_errors = Mode.ON in (rules.server_error_mode, rules.share.mode, rules.peers.mode)
    return outcome.is_gateway_failure or (outcome is Outcome.SERVER_ERROR and counts_errors)


def is_inconclusive(record: Record, answer: Observation, pool: Iterable[Record], now: float) -> bool:
    """Whether this 5xx says nothing of the node, since its path has just failed on another one too. `now`: wall."""
    return answer.outcome is Outcome.SERVER_ERROR and any(
        failure.path == answer.path and failure.outcome == Outcome.SERVER_ERROR and now - failure.at <= JUST
        for other in pool
        if other is not record
        for failure in other.evidence
    )


def note_answer(record: Record, trial: int, mono: float) -> None:
    """The trial is over, whatever its outcome: the next one may be granted."""
    record.answered.add(trial)
    record.quiet_since = mono
    if trial == record.status.trial:
        record.status = replace(record.status, trial=0, trial_worker=-1)
