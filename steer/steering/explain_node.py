"""Why a node is as it is: plain JSON-able data in the words of the design."""

from __future__ import annotations

from typing import Any

from steer.steering.detectors import GATEWAY_FAILURES, SERVER_ERRORS
from steer.steering.ejection import Ledger
from steer.steering.model import Mode
from steer.steering.records import Record
from steer.steering.snapshot import NodeState, NodeStatus
from steer.steering.trials import TRIALS_TO_PASS

Plain = dict[str, Any]


HELD = (
    "it is the last of its pool in the only usable datacentre: still tried, and counted as unavailable, so that it does"
    " not stand in the way of a failover"
)


def explain_node(ledger: Ledger, node: str, mono: float) -> Plain:
    """State, since when, by which detector and why, evidence, n, what every detector sees now (of a serving node) and
    what keeps some of them from acting, when it may return and what brings it back, what an operator can do."""
    record = ledger.record(node)
    status = record.status
    return {
        "node": node,
        "pool": record.pool.name,
        "datacentre": record.node.datacentre,
        "state": status.state.value,
        "since": status.since,
        "detector": status.cause,
        "because": record.why,
        "drained": status.drained,
        "held": status.held,
        "held_because": HELD if status.held else "",
        "protected": ledger.protection(node) if status.state is NodeState.SERVING else "",
        "times": status.times,
        "until": status.until,
        "evidence": [
            {"at": each.at, "outcome": each.outcome, "status": each.status, "latency": each.latency, "path": each.path}
            | ({"detail": each.detail} if each.detail else {})
            for each in record.evidence
        ],
        "detectors": _detectors(ledger, record, mono),
        "returns": _what_brings_it_back(record, ledger.is_at_standby(record), mono),
        "operator": _what_an_operator_can_do(status),
    }


def _detectors(ledger: Ledger, record: Record, mono: float) -> list[Plain]:
    """Empty while it is not serving: then only trials and checks count."""
    if record.status.state is not NodeState.SERVING:
        return []
    rules, runs = record.pool.ejection, record.runs
    in_a_row = (
        (GATEWAY_FAILURES, rules.gateway_mode, runs.gateway_failures, rules.consecutive_gateway_failures),
        (SERVER_ERRORS, rules.server_error_mode, runs.server_errors, rules.consecutive_5xx),
    )
    found: list[Plain] = [
        {"detector": name, "mode": mode.value, "says": f"{seen} in a row; it takes {needed}"}
        for name, mode, seen, needed in in_a_row
        if mode is not Mode.OFF and needed
    ]
    return found + [
        {"detector": reading.detector, "mode": reading.mode.value, "says": reading.says, **reading.numbers}
        for reading in ledger.readings(record.node.name, mono)
    ]


def _what_brings_it_back(record: Record, is_at_standby: bool, mono: float) -> str:
    status = record.status
    if status.drained:
        return "the end of its drain"
    if status.state is NodeState.SERVING:
        return ""
    if is_at_standby and record.pool.checked and (record.ends is not None or status.state is NodeState.PROBING):
        return f"its active check: {record.passes} of {record.pool.rise} passes in a row (no request goes there)"
    if status.state is NodeState.EJECTED:
        return _end_of_ejection(record, mono)
    if record.must_pass or not record.check_allows:
        checks = f"its active check: {record.passes} of {record.pool.rise} passes in a row"
        return checks if record.must_pass else f"{checks}, then {TRIALS_TO_PASS} trials"
    return f"trials: {record.trials_passed} of {TRIALS_TO_PASS} succeeded, then the ramp"


def _end_of_ejection(record: Record, mono: float) -> str:
    if record.ends is None:
        return "an operator who restores it"
    check = "its active check, " if record.pool.checked else ""
    return f"probing in {max(0.0, record.ends - mono):.0f} s: {check}{TRIALS_TO_PASS} trials, then the ramp"


def _what_an_operator_can_do(status: NodeStatus) -> list[str]:
    if status.drained:
        return ["restore"]
    return ["eject", "drain"] if status.state is NodeState.SERVING else ["restore", "eject", "drain"]
