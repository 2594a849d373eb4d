"""What a configuration may do, but whoever wrote it should know: warnings of `steer check`, which stop nothing."""

from __future__ import annotations

from steer.config.schema import Config
from steer.config.source import Place
from steer.errors import Problem


def is_alone(config: Config) -> bool:
    """Whether one edge decides for itself: no other one serves, and nothing coordinates."""
    serving = [member for member in config.edges.values() if member.role == "serving"]
    return len(serving) <= 1 and config.coordination is None


def advice(config: Config) -> tuple[Problem, ...]:
    """In the order of the file."""
    found = [
        config.source.problem(place, "is decided by this edge alone: 1 of 1", "what it cannot reach counts as out")
        for place in _automatic(config)
        if is_alone(config)
    ]
    return tuple(sorted(found, key=lambda problem: (problem.line, problem.path)))


def _automatic(config: Config) -> list[Place]:
    return [
        ("groups", name, "failover", "automatic") for name, group in config.groups.items() if group.failover.automatic
    ]
