"""What is kept of a request that was sampled: enough to ask again where it would go, and no more of its client.

Which rule a request is for depends on the configuration alone. So its name is kept, and not the path, the fields or
the place by which it matched; of the place only the location, where the rule goes to the nearest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from steer.steering.facts import Facts
from steer.steering.lines import plan_for
from steer.steering.model import Bound, Location
from steer.steering.tables import Tables


@dataclass(frozen=True, slots=True)
class Sample:
    """One request of a hostname that is not pinned."""

    service: str
    pool: str
    client: str
    stands_for: float = 1.0
    """So many requests: more, the faster they came."""
    rule: str = ""
    """The rule of the group that it matched; empty: none."""
    idempotent: bool = False
    bound: Bound | None = None
    key: str = ""
    location: Location | None = None


def sample_of(tables: Tables, facts: Facts, stands_for: float) -> Sample:
    """What is kept of a request for which these tables have a plan."""
    entry = facts.entry
    whole = tables.plan(entry.group, facts.pool)
    plan, _ = plan_for(whole, facts)
    has_affinity = entry.affinity is not None
    return Sample(
        service=entry.service,
        pool=facts.pool,
        client=facts.client,
        stands_for=stands_for,
        rule=next((branch.rule.rule.name for branch in whole.branches if branch.plan is plan), ""),
        idempotent=facts.idempotent,
        bound=facts.bound if has_affinity else None,
        key=facts.key if has_affinity else "",
        location=facts.place.location if plan.near is not None else None,
    )


def sample_to_wire(sample: Sample) -> list[Any]:
    bound, location = sample.bound, sample.location
    return [
        sample.service,
        sample.pool,
        sample.client,
        sample.stands_for,
        sample.rule,
        sample.idempotent,
        [bound.datacentre, bound.node] if bound is not None else [],
        sample.key,
        list(location) if location is not None else [],
    ]


Row = tuple[str, str, str, float, str, bool, tuple[str, str] | tuple[()], str, Location | tuple[()]]
"""What `sample_to_wire` makes."""


def sample_from_wire(row: Row) -> Sample:
    service, pool, client, stands_for, rule, idempotent, bound, key, location = row
    return Sample(
        service=service,
        pool=pool,
        client=client,
        stands_for=stands_for,
        rule=rule,
        idempotent=idempotent,
        bound=Bound(*bound) if bound else None,
        key=key,
        location=location if location else None,
    )
