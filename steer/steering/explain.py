"""Why a request goes where it goes: plain JSON-able data in the words of the design."""

from __future__ import annotations

from typing import Any

from steer.steering.choose import Facts, choose
from steer.steering.lines import plan_for
from steer.steering.model import NOWHERE, Dice, Place, Refusal, Verdict
from steer.steering.pick import Load
from steer.steering.plan import PLAIN_GROUP, Part, Plan, Survey
from steer.steering.snapshot import DatacentreState
from steer.steering.standby import COLD, STANDBY, is_cold
from steer.steering.steps import Case, steps
from steer.steering.tables import Tables

Plain = dict[str, Any]


def explain(tables: Tables, facts: Facts, load: Load, now: float, dice: Dice) -> Plain:
    """The verdict for a request with these facts, and every step that could have decided, in order.

    `{"service", "group", "pool", "place": {.., "says"}, "steps": [{"step", "taken", "because"}, ..],
    "datacentres": [..], "verdict": {..}}`.
    Takes no part: `load` stays as it is, no trial is used up. The dice are thrown, so that another time may differ.
    """
    entry = facts.entry
    verdict = choose(tables, facts, load.copy(), now, dice)
    whole = tables.plan(entry.group, facts.pool)
    plan, _ = plan_for(whole, facts)
    return {
        "service": entry.service,
        "group": entry.group,
        "pool": facts.pool,
        "place": _place(facts, whole),
        "steps": steps(Case(tables, facts, whole, plan, verdict)),
        "datacentres": [_as_expected(tables, entry.group, _datacentre(survey, plan)) for survey in plan.surveys],
        "verdict": verdict_to_plain(verdict),
    }


def verdict_to_plain(verdict: Verdict | Refusal) -> Plain:
    if isinstance(verdict, Refusal):
        why = {"why": verdict.why} if verdict.why else {}
        return {"refused": verdict.name, "reasons": list(verdict.reasons), **why}
    return {
        "datacentre": verdict.node.datacentre,
        "node": verdict.node.name,
        "reason": verdict.reason,
        "reasons": list(verdict.reasons),
    }


def _place(facts: Facts, plan: Plan) -> Plain:
    """`says` is empty where nobody asks where the client is, and nothing is known of it."""
    place = facts.place
    return {
        "country": place.country,
        "subdivision": place.subdivision,
        "continent": place.continent,
        "asn": place.asn,
        "location": list(place.location) if place.location is not None else None,
        "says": _about_place(facts.client, place) if plan.needs_place or place != NOWHERE else "",
    }


def _about_place(client: str, place: Place) -> str:
    if place == NOWHERE:
        return f"{client} is in no database: no geographic rule matches"
    codes = [code for code in (place.continent, place.country, place.subdivision) if code]
    asn = [f"AS{place.asn}"] if place.asn else []
    where = [f"{place.location[0]:.2f} north, {place.location[1]:.2f} east"] if place.location is not None else []
    return f"{client} is in {', '.join([*codes, *asn, *where])}"


def _datacentre(survey: Survey, plan: Plan) -> Plain:
    share = next((site.share for site in plan.sites if site.datacentre == survey.datacentre), 0.0)
    return {
        "datacentre": survey.datacentre,
        "part": survey.part.value,
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


def _as_expected(tables: Tables, group: str, told: Plain) -> Plain:
    """One that is out, and may be: the group is not there, and its standby is cold."""
    status = tables.snapshot.groups.get(group, PLAIN_GROUP)
    is_out = told["state"] == DatacentreState.OUT.value
    if not is_out or not is_cold(tables.topology.groups[group], status, told["datacentre"]):
        return told
    return {**told, "state": STANDBY, "cause": COLD}


def _why_skipped(survey: Survey) -> str:
    if survey.part in (Part.STANDBY, Part.LEAVING) and not survey.base:
        return survey.part.value
    if survey.state is not DatacentreState.SERVING and not survey.is_usable:
        return survey.state.value
    if not survey.available:
        return "no available node"
    return "weight 0" if not survey.base else "not needed"
