"""What this release does not do yet, though the schema has it: one row for each, deleted when it is built.

`steer check` lists what of it a configuration uses, and `steer run` refuses to start with it. Only what is written
counts as used, and only if it asks for something: `plans: {}` asks for nothing. Facts that features which are not
built will read (`pairs_with`, `needed`, `location`, `label`, `environment`) are no use of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from pydantic import BaseModel

from steer.config.advice import is_alone
from steer.config.schema import Config
from steer.config.source import Place
from steer.errors import Problem

Question = Callable[[Any], bool]


def _has(*words: str) -> Question:
    """Is the value one of the words, or a list with one of them in it?"""
    return lambda value: any(word in value if isinstance(value, tuple) else word == value for word in words)


class Unbuilt(NamedTuple):
    """`*` in the place is any name or index; `asks` tells by the value whether the feature is asked for.

    `unless` tells by the whole configuration that this way of using it is built.
    """

    place: str
    what: str
    asks: Question = bool
    unless: Callable[[Config], bool] = lambda _: False


UNBUILT = (
    Unbuilt("edges.*.role", "an edge that only observes", _has("witness")),
    Unbuilt("coordination", "coordination between edges"),
    Unbuilt("listeners.*.tls.client_ca", "asking for client certificates"),
    Unbuilt("groups.*.writes", "writing at one site only", _has("one-site")),
    Unbuilt("groups.*.on_out", "running a plan"),
    Unbuilt("groups.*.failover.automatic", "automatic failover with other edges", unless=is_alone),
    Unbuilt("groups.*.failover.plan", "running a plan"),
    Unbuilt("groups.*.failback.automatic", "automatic failback with other edges", unless=is_alone),
    Unbuilt("groups.*.failback.plan", "running a plan"),
    Unbuilt("groups.*.readiness", "readiness"),
    Unbuilt("groups.*.rpo_probe", "measuring what the application would lose"),
    Unbuilt("plans", "running a plan"),
    Unbuilt("drills", "drills"),
    Unbuilt("notifications", "notifications"),
)


def unbuilt(config: Config) -> tuple[Problem, ...]:
    """What the configuration asks for that this release does not do, in the order of the file."""
    found = [
        config.source.problem(place, "is not built yet", row.what)
        for place, value in written(config)
        for row in UNBUILT
        if _fits(place, row.place) and row.asks(value) and not row.unless(config)
    ]
    return tuple(sorted(found, key=lambda problem: (problem.line, problem.path)))


def written(value: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every part of a configuration that was written, not taken from a default, with its place."""
    if place:
        yield place, value
    for step, part in _parts(value):
        yield from written(part, (*place, step))


def _parts(value: Any) -> Iterator[tuple[str | int, Any]]:
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            if name in value.model_fields_set:
                yield name, getattr(value, name)
    elif isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, tuple):
        yield from enumerate(value)


def _fits(place: Place, pattern: str) -> bool:
    steps = pattern.split(".")
    return len(place) == len(steps) and all(step in ("*", part) for step, part in zip(steps, place, strict=True))
