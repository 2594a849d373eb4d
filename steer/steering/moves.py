"""One step of a node: the table says where to, and everything that belonged to the old state is forgotten."""

from __future__ import annotations

from dataclasses import dataclass

from steer.steering.records import Record
from steer.steering.snapshot import NodeState, NodeStatus
from steer.steering.transitions import TRANSITIONS, Input


@dataclass(frozen=True, slots=True)
class Change:
    """A node's step from one state to another, and its reason. `cause` is a detector's name, `trial` or `override`."""

    node: str
    before: NodeState
    after: NodeState
    cause: str
    detail: str = ""


def move(
    record: Record,
    why: Input,
    cause: str,
    detail: str,
    now: float,
    *,
    until: float | None = None,
    ramp_from: float | None = None,
    times: int | None = None,
    held: bool = False,
) -> Change:
    """Give the record its new status. `now` and `until` are wall, `ramp_from` is monotonic; `times` None keeps n."""
    before = record.status
    record.status = NodeStatus(
        state=TRANSITIONS[before.state, why],
        since=now,
        until=until,
        times=before.times if times is None else times,
        cause=cause,
        ramp_from=ramp_from,
        drained=before.drained,
        held=held,
    )
    record.ends = None
    if why is not Input.TIME_SERVED:
        record.why = detail
    record.forget()
    return Change(record.node.name, before.state, record.status.state, cause, detail)


def note(record: Record, cause: str, detail: str) -> Change:
    """Something that a log or a new snapshot should have, though the state stays."""
    return Change(record.node.name, record.status.state, record.status.state, cause, detail)
