"""Why a request goes where it goes, and why a node is as it is: plain JSON-able data in the words of the design."""

from __future__ import annotations

from typing import Any

from steer.steering.choose import Facts, choose
from steer.steering.conditions import compile_when
from steer.steering.detectors import GATEWAY_FAILURES, SERVER_ERRORS
from steer.steering.ejection import Ledger
from steer.steering.hosts import HostEntry
from steer.steering.model import (
    NOWHERE,
    DatacentreState,
    Dice,
    Group,
    Mode,
    NodeState,
    NodeStatus,
    Place,
    Refusal,
    Verdict,
)
from steer.steering.pick import Load
from steer.steering.plan import Plan, Survey
from steer.steering.records import Record
from steer.steering.tables import Tables
from steer.steering.trials import TRIALS_TO_PASS

Plain = dict[str, Any]


def explain(tables: Tables, facts: Facts, load: Load, now: float, dice: Dice) -> Plain:
    """The verdict for a request with these facts, and every step that could have decided, in order.

    `{"service", "group", "pool", "place": {.., "says"}, "steps": [{"step", "taken", "because"}, ..],
    "datacentres": [..], "verdict": {..}}`.
    Takes no part: `load` stays as it is, no trial is used up. The dice are thrown, so that another time may differ.
    """
    entry = facts.entry
    plan = tables.plan(entry.group, facts.pool)
    verdict = choose(tables, facts, load.copy(), now, dice)
    steps = [_step("pinned", "pinned" in verdict.reasons, _about_pinned(entry, facts.client, verdict))]
    if entry.pinned is None:
        steps += _steps_of_plan(tables, plan, facts, verdict)
    return {
        "service": entry.service,
        "group": entry.group,
        "pool": facts.pool,
        "place": _place(facts, tables.topology.groups[entry.group]),
        "steps": steps,
        "datacentres": [_datacentre(survey, plan) for survey in plan.surveys],
        "verdict": verdict_to_plain(verdict),
    }


def verdict_to_plain(verdict: Verdict | Refusal) -> Plain:
    if isinstance(verdict, Refusal):
        return {"refused": verdict.name, "reasons": list(verdict.reasons)}
    return {
        "datacentre": verdict.node.datacentre,
        "node": verdict.node.name,
        "reason": verdict.reason,
        "reasons": list(verdict.reasons),
    }


def explain_node(ledger: Ledger, node: str, mono: float) -> Plain:
    """State, since when, by which detector and why, evidence, n, what every detector sees now (of a serving node), when
    it may return and what brings it back, what an operator can do."""
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
        "times": status.times,
        "until": status.until,
        "evidence": [
            {"at": each.at, "outcome": each.outcome, "status": each.status, "latency": each.latency, "path": each.path}
            | ({"detail": each.detail} if each.detail else {})
            for each in record.evidence
        ],
        "detectors": _detectors(ledger, record, mono),
        "returns": _what_brings_it_back(record, mono),
        "operator": _what_an_operator_can_do(status),
    }


def _place(facts: Facts, group: Group) -> Plain:
    """`says` is empty where nobody asks where the client is, and nothing is known of it."""
    place = facts.place
    is_asked = any(rule.nearest or compile_when(rule.when).needs_place for rule in group.rules)
    return {
        "country": place.country,
        "subdivision": place.subdivision,
        "continent": place.continent,
        "asn": place.asn,
        "location": list(place.location) if place.location is not None else None,
        "says": _about_place(facts.client, place) if is_asked or place != NOWHERE else "",
    }


def _about_place(client: str, place: Place) -> str:
    if place == NOWHERE:
        return f"{client} is in no database: no geographic rule matches"
    codes = [code for code in (place.continent, place.country, place.subdivision) if code]
    asn = [f"AS{place.asn}"] if place.asn else []
    where = [f"{place.location[0]:.2f} north, {place.location[1]:.2f} east"] if place.location is not None else []
    return f"{client} is in {', '.join([*codes, *asn, *where])}"


def _step(step: str, taken: bool, because: str) -> Plain:
    return {"step": step, "taken": taken, "because": because}


def _about_pinned(entry: HostEntry, client: str, verdict: Verdict | Refusal) -> str:
    if entry.pinned is None:
        return "the hostname is not pinned to a datacentre"
    words = f"the hostname is pinned to {entry.pinned.datacentre}"
    if not entry.pinned.allows(client):
        return f"{words}, and {client} is in none of the networks that may use it"
    if isinstance(verdict, Refusal) and verdict.name == "no_node_here":
        return f"{words}, where the pool has no nodes"
    return f"{words}, whatever its state"


def _steps_of_plan(tables: Tables, plan: Plan, facts: Facts, verdict: Verdict | Refusal) -> list[Plain]:
    reasons = verdict.reasons
    return [
        _step("trial", "trial" in reasons, _about_trials(plan, facts, "trial" in reasons)),
        _step("weights", "weights" in reasons, _about_weights(plan)),
        _step("no_weight_left", "no_weight_left" in reasons, _about_no_weight(plan)),
        _step("held", "held" in reasons, _about_tier(plan, "held", "no node is held")),
        _step("try_all", "try_all" in reasons, _about_try_all(tables, plan)),
        _step("ramp", "ramp" in reasons, _about_ramp(plan)),
        _step("node", isinstance(verdict, Verdict), _about_node(tables, plan, verdict)),
    ]


def _about_trials(plan: Plan, facts: Facts, taken: bool) -> str:
    if not plan.trials:
        return "no probing node has a trial for this worker"
    names = ", ".join(slot.node.name for slot in plan.trials)
    if taken:
        return f"this request may show whether {names} is back"
    if not facts.retriable:
        return f"{names} awaits a trial, but this request could not be sent again"
    return f"the trial of {names} was sent already"


def _about_weights(plan: Plan) -> str:
    if plan.reason == "weights":
        return ", ".join(f"{site.datacentre} {site.share:.1%}" for site in plan.sites)
    return "no datacentre with weight is serving with an available node"


def _about_no_weight(plan: Plan) -> str:
    if plan.reason == "weights":
        return "a datacentre with weight is usable"
    names = ", ".join(site.datacentre for site in plan.sites)
    return f"no datacentre with weight is left, {names} takes over" if names else "no other datacentre is serving"


def _about_tier(plan: Plan, reason: str, otherwise: str) -> str:
    names = [slot.node.name for tier in plan.tiers for slot in tier.slots if slot.verdict.reason == reason]
    if plan.sites:
        return "a datacentre is usable"
    return ", ".join(names) or otherwise


def _about_try_all(tables: Tables, plan: Plan) -> str:
    if not tables.topology.pools[plan.pool].try_all:
        return "when_none is a page"
    return _about_tier(plan, "try_all", "every other node is drained, or in a datacentre that is")


def _about_ramp(plan: Plan) -> str:
    ramps = [f"{survey.datacentre} at {survey.ramp:.0%} of its weight" for survey in plan.surveys if survey.ramp < 1]
    if ramps:
        return ", ".join(ramps)
    return "a node has not its full weight yet" if plan.is_ramping else "nothing ramps"


def _about_node(tables: Tables, plan: Plan, verdict: Verdict | Refusal) -> str:
    if isinstance(verdict, Refusal):
        return f"none: {verdict.name}"
    words = f"{verdict.node.name} by {tables.topology.pools[plan.pool].algorithm}"
    return f"{words}, another was {verdict.reason}" if verdict.reason in ("busy", "avoided") else words


def _datacentre(survey: Survey, plan: Plan) -> Plain:
    share = next((site.share for site in plan.sites if site.datacentre == survey.datacentre), 0.0)
    return {
        "datacentre": survey.datacentre,
        "state": survey.state.value,
        "cause": survey.cause,
        "weight": survey.base,
        "available": len(survey.available),
        "expected": survey.expected,
        "health": survey.health,
        "ramp": survey.ramp,
        "share": share,
        "skipped": "" if share else _why_skipped(survey),
    }


def _why_skipped(survey: Survey) -> str:
    if survey.state is not DatacentreState.SERVING:
        return survey.state.value
    if not survey.available:
        return "no available node"
    return "weight 0"


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


def _what_brings_it_back(record: Record, mono: float) -> str:
    status = record.status
    if status.drained:
        return "the end of its drain"
    if status.state is NodeState.SERVING:
        return ""
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
