"""Whether a request that had to wait may still go where it was sent: the group may have moved meanwhile."""

from __future__ import annotations

from steer.steering.facts import Facts
from steer.steering.lines import plan_for
from steer.steering.model import Verdict
from steer.steering.plan import Part, Plan
from steer.steering.snapshot import DatacentreState
from steer.steering.tables import Tables


def may_still_go(tables: Tables, facts: Facts, verdict: Verdict) -> bool:
    """By the tables of now, which may be of a later snapshot than the verdict, or of another configuration: then what
    is not in that goes on by what it began with.

    Of the datacentre alone: what has become of the node shows when it is tried.
    """
    datacentre = verdict.node.datacentre
    whole = tables.plans.get(facts.entry.group, {}).get(facts.pool)
    if facts.entry.pinned is not None or whole is None:
        return True
    bound = facts.bound if facts.entry.affinity is not None else None
    if bound is not None and bound.datacentre == datacentre and datacentre in whole.stays:
        return True
    plan, _ = plan_for(whole, facts)
    if datacentre in _for_new_clients(plan):
        return True
    survey = next((each for each in plan.surveys if each.datacentre == datacentre), None)
    if survey is None or survey.state is DatacentreState.DRAINING:
        return False
    if survey.part in (Part.CURRENT, Part.STANDBY, Part.LEAVING) and not survey.base:
        return verdict.reason in ("trickle", "trial") and plan.trickle is not None
    return True


def _for_new_clients(plan: Plan) -> set[str]:
    """Where a client that is new could be sent now, however little is left."""
    weighted = {site.datacentre for site in (*plan.sites, *plan.spares)}
    return weighted | {slot.node.datacentre for tier in plan.tiers for slot in tier.slots}
