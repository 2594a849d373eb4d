"""Where a group is and what becomes of it, in the operator's words, as JSON-able values."""

from __future__ import annotations

from typing import Any

from steer.control.context import AdminContext
from steer.control.groups import GroupReport
from steer.control.moments import moment
from steer.steering.automatic import HOLD, PENALTY
from steer.steering.model import Group, GroupMode
from steer.steering.snapshot import DatacentreState, DatacentreStatus, GroupStatus, Snapshot
from steer.steering.standby import STANDBY, is_cold

View = dict[str, Any]


def position(context: AdminContext, group: Group) -> View:
    """`at` and `stage` (home, leaving, away, returning) are null for an active-active group, which is everywhere."""
    status = group_status(context.keeper.snapshot, group)
    report = context.keeper.group_report(group.name)
    is_everywhere = group.mode is GroupMode.ACTIVE_ACTIVE
    return {
        "at": None if is_everywhere else status.at or group.order[0],
        "stage": report.stage or None,
        "moved": moment(report.since),
        "moved_because": report.cause,
        "arriving": dict(status.arriving),
        "stays": [
            {
                "datacentre": stay.datacentre,
                "until": moment(context.clock.wall() + stay.seconds_left),
                "seconds_left": stay.seconds_left,
                "clients_left": stay.clients_left,
            }
            for stay in report.stays
        ],
        "held": status.held,
        "held_because": held_because(context, group, status, report),
        "blocked": report.blocked,
        "penalty": {
            "points": report.penalty,
            "suspended": report.is_suspended,
            "reuse_in": round(report.reuse_in),
        },
        "failovers_in_24h": report.failovers,
    }


def held_because(context: AdminContext, group: Group, status: GroupStatus, report: GroupReport) -> str:
    """Empty where nothing holds it."""
    if status.held == HOLD:
        holds = [o for o in context.keeper.overrides() if o.kind == "hold" and o.target["group"] == group.name]
        return "; ".join(f"{override.owner}: {override.reason}" for override in holds)
    if status.held == PENALTY:
        return f"{report.penalty:.0f} points; under {group.penalty.reuse:g} in {report.reuse_in / 60:.0f} min"
    return f"{report.failovers} automatic failovers in 24 h" if status.held else ""


def tail(found: View) -> list[str]:
    """What follows in a group's line, where there is something to say; `found` is a position."""
    said = [f"at {found['at']}"] if found["at"] is not None else []
    said += [f"{share:g} % to {name}" for name, share in found["arriving"].items()]
    for stay in found["stays"]:
        said.append(f"{stay['datacentre']}: {stay['clients_left']} clients left, {stay['seconds_left']:.0f} s left")
    return [*said, f"held: {found['held']} ({found['held_because']})"] if found["held"] else said


def group_status(snapshot: Snapshot, group: Group) -> GroupStatus:
    return snapshot.groups.get(group.name, GroupStatus())


def datacentre_state(snapshot: Snapshot, group: Group, datacentre: str) -> str:
    """`serving`, `draining`, `out`; or `standby` where it is out and may be."""
    status = group_status(snapshot, group)
    state = status.datacentres.get(datacentre, DatacentreStatus()).state
    return STANDBY if state is DatacentreState.OUT and is_cold(group, status, datacentre) else str(state)
