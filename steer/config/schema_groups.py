"""What moves together, and by which rules: `groups`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from steer.config.base import Count, Flag, Model, Name, Number, Percent, PositiveCount, Text, Weight, section, wrong
from steer.config.network import UrlPath
from steer.config.schema_actions import Probe
from steer.config.schema_places import Asns, Continents, Countries, Networks, Subdivisions, listed
from steer.config.units import PositiveSeconds, Seconds, Share
from steer.patterns import Pattern


def _searched(value: str) -> str:
    try:
        Pattern(value)
    except ValueError as error:
        raise wrong(str(error)) from None
    return value


SearchedRegex = Annotated[Text, AfterValidator(_searched)]
"""A regular expression for what clients send: see `steer.patterns` for what it may have."""
Names = Annotated[tuple[str, ...], BeforeValidator(listed)]
Paths = Annotated[tuple[UrlPath, ...], BeforeValidator(listed)]
Bias = Annotated[Number, Field(ge=-99), Field(le=99)]
Ramp = Annotated[tuple[Percent, ...], Field(min_length=1)]
"""Percent of the traffic, step by step."""


class HeaderMatch(Model):
    """One of `equals`, `prefix`, `regex`."""

    name: Text
    equals: str | None = None
    prefix: str | None = None
    regex: SearchedRegex | None = None

    @model_validator(mode="after")
    def _one_way(self) -> HeaderMatch:
        if sum(way is not None for way in (self.equals, self.prefix, self.regex)) != 1:
            raise wrong("needs exactly one of equals, prefix and regex")
        return self


class When(Model):
    """Which clients a rule is for; several keys are "and", lists are "or"."""

    region: Names = ()
    country: Countries = ()
    subdivisions: Subdivisions = ()
    continent: Continents = ()
    asn: Asns = ()
    cidr: Networks = ()
    header: HeaderMatch | None = None
    path: Paths = ()


class Rule(Model):
    """Weights, or the nearest datacentre, for the clients that it matches."""

    name: Name
    when: When
    weights: dict[str, Weight] | None = None
    nearest: Flag = False
    bias: dict[str, Bias] = section()

    @model_validator(mode="after")
    def _one_answer(self) -> Rule:
        if (self.weights is None) is not self.nearest:
            raise wrong("needs either weights or nearest: true")
        return self


class Failover(Model):
    automatic: Flag = False
    after: Seconds = 60.0
    plan: str | None = None
    most_per_day: Count = 4


class Failback(Model):
    automatic: Flag = False
    after: Seconds = 600.0
    plan: str | None = None
    ramp: Ramp = (100,)
    hold: Seconds = 0.0


class Drain(Model):
    sessions: Seconds = 300.0


class Penalty(Model):
    """1000 for each *out*; from `suspend` on nothing moves by itself until it is under `reuse`."""

    half_life: PositiveSeconds = 1800.0
    suspend: PositiveCount = 1500
    reuse: PositiveCount = 750


class Safety(Model):
    """`at_least` datacentres stay serving; `pause` between two changes."""

    at_least: Count = 1
    pause: Seconds = 5.0


class Fingerprint(Model):
    path: UrlPath


class ReadinessCheck(Probe):
    name: Text


class Readiness(Model):
    every: PositiveSeconds = 300.0
    fingerprint: Fingerprint | None = None
    checks: tuple[ReadinessCheck, ...] = ()


def _out_after(group: dict[str, Any]) -> float:
    return 0.0 if group.get("mode") == "active-active" else 30.0


Writes = Literal["any-site", "one-site"]


def _writes(group: dict[str, Any]) -> Writes:
    return "one-site" if group.get("mode") == "pilot-light" else "any-site"


class Group(Model):
    """`weights` are for active-active, `order` for the other modes. Empty `critical`: all pools decide."""

    mode: Literal["active-active", "active-passive", "pilot-light"]
    weights: dict[str, Weight] = section()
    order: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    stable: Literal["none", "client"] = "none"
    spill: Flag = False
    trickle: Share = 0.0
    standby: Literal["warm", "cold"] = "warm"
    writes: Writes = Field(default_factory=_writes)
    critical: tuple[str, ...] = ()
    out_after: Seconds = Field(default_factory=_out_after)
    back_after: Seconds = 10.0
    on_out: str | None = None
    failover: Failover = section()
    failback: Failback = section()
    drain: Drain = section()
    penalty: Penalty = section()
    safety: Safety = section()
    readiness: Readiness = section()
    rpo_probe: Probe | None = None
