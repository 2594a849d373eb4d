"""What is done on a failover, and how it is practised: `plans`, `drills`, `notifications` (recovery.md)."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from steer.config.base import Count, Flag, Model, Text, wrong
from steer.config.network import HttpUrl
from steer.config.schema_actions import Exec, HttpCall
from steer.config.schema_groups import Ramp
from steer.config.schema_pools import Expect
from steer.config.units import PositiveSeconds, Seconds, Share

InDrill = Literal["run", "skip"]
ACTIONS = ("exec", "http", "check", "approve", "wait", "drain", "fence", "shift", "notify", "plan", "parallel")
_SKIPPED_IN_DRILLS = ("exec", "http", "fence", "approve")
_REPEATED_ON_TAKEOVER = ("check", "shift")


class StepCheck(Model):
    """Holds when so many nodes are healthy, when a URL answers as expected, or when the fingerprints agree."""

    pool: str | None = None
    datacentre: str | None = None
    healthy_nodes: Count | None = None
    url: HttpUrl | None = None
    expect: Expect | None = None
    fingerprints: Literal["agree"] | None = None

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        nodes = (self.pool, self.datacentre, self.healthy_nodes)
        asked = (any(part is not None for part in nodes), self.url is not None, self.fingerprints is not None)
        if sum(asked) != 1 or (asked[0] and None in nodes):
            raise wrong("needs one of {pool, datacentre, healthy_nodes}, {url, expect} and {fingerprints: agree}")
        return self


class Approve(Model):
    in_drill: InDrill = "skip"


class StepDrain(Model):
    sessions: Seconds | None = None


class Fence(Model):
    datacentre: str


class AbortIf(Model):
    """A share of errors, or a p95 in seconds, at the target."""

    error_rate: Share | None = None
    p95: PositiveSeconds | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.error_rate is None and self.p95 is None:
            raise wrong("needs error_rate or p95")
        return self


class Shift(Model):
    to: str
    ramp: Ramp = (100,)
    hold: Seconds = 0.0
    abort_if: AbortIf | None = None


class Notify(Model):
    url: HttpUrl


class Action(Model):
    """Exactly one of the things that a step can do."""

    exec: Exec | None = None
    http: HttpCall | None = None
    check: StepCheck | None = None
    approve: Approve | None = None
    wait: Seconds | None = None
    drain: StepDrain | None = None
    fence: Fence | None = None
    shift: Shift | None = None
    notify: Notify | None = None
    plan: str | None = None
    parallel: tuple[Step, ...] | None = None

    @property
    def kind(self) -> str:
        return next(name for name in ACTIONS if getattr(self, name) is not None)

    @model_validator(mode="after")
    def _one_action(self) -> Self:
        if sum(getattr(self, name) is not None for name in ACTIONS) != 1:
            raise wrong(f"needs exactly one of {', '.join(ACTIONS)}")
        return self


class Step(Action):
    name: Text
    timeout: PositiveSeconds = 300.0
    retries: Count = 0
    on_failure: Literal["stop", "continue", "undo"] = "stop"
    on_takeover: Literal["repeat", "ask"] | None = None
    undo: Action | None = None
    in_drill: InDrill | None = None
    promotes: Flag = False

    @property
    def runs_in_drill(self) -> bool:
        """As written, by the step or by its approval; else what changes the world is left out."""
        written = self.in_drill or (self.approve.in_drill if self.approve else None)
        return written == "run" if written else self.kind not in _SKIPPED_IN_DRILLS

    @property
    def repeats_on_takeover(self) -> bool:
        return self.on_takeover == "repeat" if self.on_takeover else self.kind in _REPEATED_ON_TAKEOVER


class Objective(Model):
    rto: PositiveSeconds | None = None
    rpo: Seconds | None = None


class Plan(Model):
    objective: Objective = Objective()
    steps: tuple[Step, ...] = Field(min_length=1)


_DAY = r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun|daily)"
Schedule = Annotated[str, Field(pattern=rf"^{_DAY} ([01][0-9]|2[0-3]):[0-5][0-9] [A-Za-z_+-]+(/[A-Za-z0-9_+-]+)*$")]
"""Day, time, time zone: `Sun 03:00 Pacific/Auckland`."""

_DATE = r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
Dates = Annotated[str, Field(pattern=rf"^{_DATE}(/{_DATE})?$")]
"""A day, or two days with all between: `2026-12-24/2027-01-04`."""


class Drill(Model):
    group: str
    kind: Literal["evacuate", "fail"] = "evacuate"
    plan: str | None = None
    then: str | None = None
    rule: str | None = None
    share: Share | None = None
    schedule: Schedule | None = None
    longest: PositiveSeconds = 1800.0
    outcome_alarms: tuple[AbortIf, ...] = ()
    blocked_on: tuple[Dates, ...] = ()


Event = Literal["out", "failover", "held", "isolated", "certificate", "lag", "readiness", "drill"]


class Notification(Model):
    url: HttpUrl
    on: tuple[Event, ...] = Field(min_length=1)
