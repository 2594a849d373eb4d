"""Which nodes are out, why, until when, and how they come back: one ledger for the edge, kept by control.

All time comes in: `now` is wall seconds (for people and the state file), `mono` monotonic seconds (for everything that
lasts). Each method that may change a state returns the changes; one whose `before` and `after` are the same tells of
something else that a log or a new snapshot should have (a drain, what an observing detector would do, a limit).

Decided here, where the design leaves it open:

- A held node is EJECTED (later PROBING) with `held` set: it goes through its time and its trials like any other, is
  tried meanwhile, and counts as unavailable. `held` ends when another node of its pool is available in a usable
  datacentre.
- A probing node for which no request could be a trial for `max_time` (only POSTs come, or none) returns by the ramp, if
  its active check passes. Otherwise a node that serves only POSTs would stay out for ever.
- Where no group sends requests (a standby), nothing can be a trial: a node there returns as soon as its active check
  has passed `rise` times, however long it was to be out. Else a site that was just started would not be counted.
- 502, 503, 504 and connection failures always fail a trial; another 5xx only where a detector that counts it is on. But
  one on a path that has just failed on another node of the pool says nothing of this one: the next request tries again.
- What ordinary requests meet on a node that is not serving is evidence for `explain` and moves nothing: only trials do.
- While the edge is isolated nothing is ejected, and a trial that fails is as if it had not been. What was ejected as
  unreachable just before is serving again at once, with the n that it had.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import Any

from steer.steering.detectors import ACTIVE_CHECK, GATEWAY_FAILURES, LIMITED, SERVER_ERRORS, Alarm
from steer.steering.isolation import LOOK_BACK
from steer.steering.limits import is_another_available, is_last, limit_in_the_way
from steer.steering.lookout import Lookout, Reading, readings
from steer.steering.model import Dice, Mode, Observation, Outcome, Topology
from steer.steering.moves import Change, move, note
from steer.steering.records import Evidence, Record, export_record, new_record, restore_record
from steer.steering.snapshot import NodeState, NodeStatus
from steer.steering.transitions import Input
from steer.steering.trials import (
    TRIALS_TO_PASS,
    TrialOffice,
    has_failed,
    has_waited_too_long,
    is_awaited,
    is_inconclusive,
    note_answer,
)

__all__ = ["Change", "Changes", "Ledger"]

SUCCESSES_TO_FORGIVE = 20

# Seconds between two notes of what a detector of a node would do, or may not: it goes on seeing what it sees.
NOTE_EVERY = 60.0

# So that nodes that failed together do not come back in the same moment.
JITTER = 0.1


Changes = tuple[Change, ...]


class Ledger:
    """The states of all nodes of a configuration. A name that is not in it (gone since a reload) changes nothing."""

    def __init__(self, topology: Topology, dice: Dice) -> None:
        self._dice = dice
        self._records = {node.name: new_record(node, topology.pools[node.pool]) for node in topology.nodes}
        self._pools: dict[str, list[Record]] = {}
        for record in self._records.values():
            self._pools.setdefault(record.pool.name, []).append(record)
        self._usable: Mapping[str, Collection[str]] = {}
        self._standbys: Mapping[str, Collection[str]] = {}
        self._trials = TrialOffice()
        self._lookout = Lookout()
        self._noted: dict[tuple[str, str, str], float] = {}
        self._is_isolated = False

    def __repr__(self) -> str:
        states = [record.status.state for record in self._records.values()]
        return f"<Ledger [{', '.join(f'{states.count(state)} {state}' for state in NodeState)}]>"

    # Questions...

    def status(self, node: str) -> NodeStatus:
        return self._records[node].status

    def statuses(self) -> dict[str, NodeStatus]:
        """Every node's status, for the snapshot and the datacentres."""
        return {name: record.status for name, record in self._records.items()}

    def evidence(self, node: str) -> tuple[Evidence, ...]:
        """Its last 10 failures, the oldest first."""
        return tuple(self._records[node].evidence)

    def record(self, node: str) -> Record:
        """Everything known of a node, to read (`explain_node`)."""
        return self._records[node]

    def records(self) -> Iterable[Record]:
        return self._records.values()

    def is_at_standby(self, record: Record) -> bool:
        """Whether no group sends requests to its datacentre."""
        return record.node.datacentre in self._standbys.get(record.pool.name, ())

    def readings(self, node: str, mono: float) -> tuple[Reading, ...]:
        """What the detectors that look at the last seconds see of a node now."""
        record = self._records[node]
        return readings(record, self._pools[record.pool.name], mono)

    def protection(self, node: str) -> str:
        """Why the detectors of answers (not those of connections and checks) may not eject it now; empty: they may."""
        if not self._records[node].is_available:
            return ""
        return self._hindrance(self._records[node], SERVER_ERRORS)

    # What was seen...

    def observe(self, observation: Observation, now: float, mono: float) -> Changes:
        """One try on a node that failed, or one trial's outcome."""
        record = self._records.get(observation.node)
        if record is None:
            return ()
        if observation.successes:
            record.runs.break_off_at(observation.succeeded_at)
            record.succeed(observation.successes, mono)
            self._forgive(record, observation.successes)
        record.note_reach(observation)
        if observation.outcome is not Outcome.SUCCESS:
            record.add_failure(observation, now, mono)
        if observation.trial:
            return self._answer(record, observation, now, mono)
        if observation.outcome is Outcome.SUCCESS:
            record.runs.break_off()
            self._forgive(record, 1)
            return ()
        return self._count(record, observation, now, mono)

    def succeed(self, node: str, count: int, now: float, mono: float) -> Changes:
        """So many tries succeeded on the node in the last moments, at one worker. Moves nothing; lowers n."""
        record = self._records.get(node)
        if record is not None and count > 0:
            record.runs.break_off_before(mono)
            record.succeed(count, mono)
            self._forgive(record, count)
        return ()

    def measure(self, node: str, counts: Sequence[float], mono: float) -> None:
        """How long successful tries on the node took in the last moments, at one worker: the histogram's wire form."""
        record = self._records.get(node)
        if record is not None and record.status.state is NodeState.SERVING:
            record.track.latencies.add(counts, mono)

    def checked(self, node: str, passed: bool, detail: str, now: float, mono: float) -> Changes:
        """An active check passed or failed; `detail` says how it failed."""
        record = self._records.get(node)
        if record is None:
            return ()
        record.passes = record.passes + 1 if passed else 0
        record.fails = 0 if passed else record.fails + 1
        if passed:
            record.reached_at = mono
        else:
            record.unreached_at = mono
        return self._check_passed(record, now, mono) if passed else self._check_failed(record, detail, now, mono)

    def tick(self, now: float, mono: float) -> Changes:
        """What time alone changes: ejections that end, trials for which no request comes."""
        changes: list[Change] = []
        for record in self._records.values():
            if record.status.state is NodeState.EJECTED and record.ends is not None and record.ends <= mono:
                changes.append(self._begin_probing(record, now, mono))
            elif has_waited_too_long(record, mono):
                detail = f"no request could be a trial for {record.pool.ejection.max_time:g} s"
                changes.append(self._return(record, Input.NO_TRIAL_CAME, "trial", detail, now, mono))
        for record, alarm in self._lookout.alarms(tuple(self._pools.values()), mono):
            changes += self._raise(record, alarm, now, mono)
        return tuple(changes)

    def isolate(self, now: float, mono: float) -> Changes:
        """The edge is cut off: nothing that it sees is evidence, until `reconnect`."""
        self._is_isolated = True
        lost = [record for record in self._records.values() if _was_lost_with_the_edge(record, now)]
        return tuple(self._take_back(record, now) for record in lost)

    def reconnect(self) -> None:
        """The edge is no longer isolated: what it saw meanwhile is forgotten."""
        self._is_isolated = False
        for record in self._records.values():
            record.forget()
            record.fails = 0
            record.unreached_at = record.reached_at

    # What an operator wants...

    def eject(self, node: str, now: float, mono: float, detail: str = "", until: float | None = None) -> Changes:
        """Out by an operator's word until `restore`, or until the wall time `until`. Nothing that is seen ends it."""
        record = self._records[node]
        change = move(record, Input.OPERATOR_EJECTED, "override", detail, now, until=until)
        record.ends = None if until is None else mono + max(0.0, until - now)
        return (change,)

    def restore(self, node: str, now: float, mono: float, detail: str = "") -> Changes:
        """In service again by an operator's word, by the ramp: ends ejection, probing and drain, and forgets n."""
        record = self._records[node]
        if record.is_available:
            return ()
        record.must_pass = False
        record.status = replace(record.status, drained=False, times=0)
        return (self._return(record, Input.OPERATOR_RESTORED, "override", detail, now, mono),)

    def drain(self, node: str, drained: bool, now: float, mono: float, detail: str = "") -> Changes:
        """Not expected to run: no new clients, no trials, and not counted. Afterwards it returns by the ramp."""
        record = self._records[node]
        if record.status.drained == drained:
            return ()
        ramp_from = None if drained else mono
        record.status = replace(record.status, drained=drained, held=False, trial=0, trial_worker=-1)
        record.quiet_since = mono
        if record.status.state is NodeState.SERVING:
            record.status = replace(record.status, since=now, cause="override", ramp_from=ramp_from)
        self._release_held(record.pool.name)
        state = record.status.state
        return (Change(node, state, state, "override", detail or ("drained" if drained else "drain ended")),)

    def set_usable(
        self, usable: Mapping[str, Collection[str]], standbys: Mapping[str, Collection[str]] | None = None
    ) -> None:
        """For each pool the datacentres that some group may use (`datacentres.usable`): decides which node is held.
        `standbys`: those to which nobody sends requests (`datacentres.standbys`)."""
        self._usable = usable
        self._standbys = standbys or {}
        for pool in self._pools:
            self._release_held(pool)

    def grant_trials(self, workers: Sequence[int], now: float, mono: float) -> bool:
        """Give each probing node's trial to a worker, or on to the next one. True: a status changed, publish it."""
        granted = [self._trials.grant(record, workers, mono) for record in self._records.values()]
        return any(granted)

    # The state file...

    def export(self, now: float, mono: float) -> dict[str, Any]:
        """Plain JSON-able data: states, n, ends and ramps (as wall time), evidence."""
        return {"nodes": {name: export_record(record, now, mono) for name, record in self._records.items()}}

    def restore_state(self, data: Mapping[str, Any], now: float, mono: float) -> None:
        """Take over what `export` said, after a restart or a reload. Nodes that are gone are passed over."""
        for name, record in self._records.items():
            if name in data["nodes"]:
                restore_record(record, data["nodes"][name], now, mono)

    # How it is decided...

    def _forgive(self, record: Record, successes: int) -> None:
        """n falls by one for every 20 successes, whenever they come."""
        record.forgiving += successes
        steps, record.forgiving = divmod(record.forgiving, SUCCESSES_TO_FORGIVE)
        if steps and record.status.times:
            record.status = replace(record.status, times=max(0, record.status.times - steps))

    def _count(self, record: Record, failure: Observation, now: float, mono: float) -> Changes:
        if record.status.state is not NodeState.SERVING:
            return ()
        record.track.fail(failure.client, failure.path, mono)
        alarm = record.runs.add(failure)
        return () if alarm is None else self._raise(record, alarm, now, mono)

    def _raise(
        self, record: Record, alarm: Alarm, now: float, mono: float, why: Input = Input.TOO_MANY_FAILURES
    ) -> Changes:
        """Eject, or say why not: the detector only observes, or something is in the way."""
        if alarm.mode is Mode.OBSERVE:
            return self._note(record, alarm, "would eject", mono)
        hindrance = self._hindrance(record, alarm.detector)
        if hindrance:
            return self._note(record, alarm, f"not ejected, {hindrance}", mono)
        return (self._eject(record, why, alarm.detector, alarm.detail, now, mono),)

    def _note(self, record: Record, alarm: Alarm, words: str, mono: float) -> Changes:
        key = (record.node.name, alarm.detector, words)
        if mono < self._noted.get(key, -inf) + NOTE_EVERY:
            return ()
        self._noted[key] = mono
        return (note(record, alarm.detector, f"{words}: {alarm.detail}"),)

    def _hindrance(self, record: Record, detector: str) -> str:
        if self._is_isolated:
            return "the edge is isolated"
        pool = record.pool.name
        return limit_in_the_way(record, self._pools[pool], self._usable.get(pool)) if detector in LIMITED else ""

    def _take_back(self, record: Record, now: float) -> Change:
        """It was not the node that was lost."""
        times = max(0, record.status.times - 1)
        change = move(record, Input.EDGE_WAS_ISOLATED, "isolated", "the edge is isolated", now, times=times)
        self._release_held(record.pool.name)
        return change

    def _check_passed(self, record: Record, now: float, mono: float) -> Changes:
        if record.passes == record.pool.rise:
            record.quiet_since = mono
        if self._is_back_at_standby(record):
            detail = f"its check passed {record.passes} times, and no request goes there"
            return (self._return(record, Input.STANDBY_PASSED, ACTIVE_CHECK, detail, now, mono),)
        if record.status.state is not NodeState.PROBING or not record.must_pass or record.passes < record.pool.rise:
            return ()
        record.must_pass = False
        change = move(record, Input.FIRST_CHECK_PASSED, ACTIVE_CHECK, "its first checks passed", now)
        self._release_held(record.pool.name)
        return (change,)

    def _is_back_at_standby(self, record: Record) -> bool:
        is_ours = record.status.state is NodeState.PROBING or (
            record.status.state is NodeState.EJECTED and record.ends is not None
        )
        return is_ours and self.is_at_standby(record) and record.is_expected and record.passes >= record.pool.rise

    def _check_failed(self, record: Record, detail: str, now: float, mono: float) -> Changes:
        """The fall ejects a serving node. A probing one begins its trials anew when the check passes again."""
        if record.fails <= record.pool.fall:  # a node that stays down would push out how it went down
            record.evidence.append(Evidence(now, "check_failed", detail=detail))
        mode = record.pool.check_mode
        if record.status.state is NodeState.PROBING and mode is Mode.ON:
            record.trials_passed = 0
            record.status = replace(record.status, trial=0, trial_worker=-1)
        if record.status.state is not NodeState.SERVING or record.fails < record.pool.fall:
            return ()
        alarm = Alarm(ACTIVE_CHECK, mode, f"{record.fails} in a row, the last: {detail}")
        return self._raise(record, alarm, now, mono, Input.CHECK_FELL)

    def _begin_probing(self, record: Record, now: float, mono: float) -> Change:
        record.begin_probing(self._trials.next_number, mono)
        held = record.status.held
        return move(record, Input.TIME_SERVED, record.status.cause, "its time is served", now, held=held)

    def _answer(self, record: Record, answer: Observation, now: float, mono: float) -> Changes:
        if not is_awaited(record, answer.trial):
            return ()
        quiet_since = record.quiet_since
        note_answer(record, answer.trial, mono)
        if self._is_isolated and answer.outcome is not Outcome.SUCCESS:
            return ()
        if is_inconclusive(record, answer, self._pools[record.pool.name], now):
            record.quiet_since = quiet_since
            return ()
        if has_failed(record, answer.outcome):
            return (self._eject(record, Input.TRIAL_FAILED, "trial_failed", answer.outcome.value, now, mono),)
        record.trials_passed += 1
        if record.trials_passed < TRIALS_TO_PASS:
            return ()
        return (self._return(record, Input.TRIALS_PASSED, "trial", f"{TRIALS_TO_PASS} trials passed", now, mono),)

    def _eject(self, record: Record, why: Input, cause: str, detail: str, now: float, mono: float) -> Change:
        """Out for base time x n, at most the longest; held where nothing else would be left to try."""
        rules = record.pool.ejection
        record.forgiving = 0
        times = record.status.times + 1
        jitter = 1 + JITTER * (2 * self._dice.random() - 1)
        lasts = min(rules.max_time, rules.base_time * times * jitter)
        pool = self._pools[record.pool.name]
        held = cause not in LIMITED and is_last(record, pool, self._usable.get(record.pool.name))
        change = move(record, why, cause, detail, now, until=now + lasts, times=times, held=held)
        record.ends = mono + lasts
        return change

    def _return(self, record: Record, why: Input, cause: str, detail: str, now: float, mono: float) -> Change:
        change = move(record, why, cause, detail, now, ramp_from=mono)
        self._release_held(record.pool.name)
        return change

    def _release_held(self, pool: str) -> None:
        """Where another node is available, none of the pool need be held."""
        records = self._pools[pool]
        for record in records:
            if record.status.held and is_another_available(record, records, self._usable.get(pool)):
                record.status = replace(record.status, held=False)


def _was_lost_with_the_edge(record: Record, now: float) -> bool:
    """Whether it was ejected as unreachable, and not long before the isolation was found out."""
    status = record.status
    is_of_now = status.state is NodeState.EJECTED and now - status.since <= LOOK_BACK
    return is_of_now and status.cause in (GATEWAY_FAILURES, ACTIVE_CHECK)
