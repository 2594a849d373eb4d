"""From a file to a configuration: read, fill in, validate, check; every problem in one go."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from steer.clock import Clock, SystemClock
from steer.config.checks import cross_checks, file_checks
from steer.config.filling import Filling
from steer.config.messages import is_shadow, place_of, problem
from steer.config.partial import Remainder
from steer.config.reading import MOST_BYTES, Reading
from steer.config.schema import Config
from steer.config.schema_edge import Edge
from steer.config.source import Place, Source
from steer.errors import ConfigError, Problem


@dataclass(frozen=True, slots=True)
class Examination:
    """What a file says, as far as it is right, and all that is wrong with it, in the order of its lines."""

    config: Config | None
    problems: tuple[Problem, ...]


def load(
    path: Path, environ: Mapping[str, str] | None = None, *, check_files: bool = True, clock: Clock | None = None
) -> Config:
    """The configuration in a file. Raises ConfigError with every problem; `check_files` also opens what it names."""
    found = examine(path, environ, check_files=check_files, clock=clock)
    if found.problems or found.config is None:
        raise ConfigError(found.problems)
    return found.config


def examine(
    path: Path, environ: Mapping[str, str] | None = None, *, check_files: bool = True, clock: Clock | None = None
) -> Examination:
    """As `load`, but gives what is right beside what is wrong."""
    reading = Reading(str(path))
    try:
        with path.open("rb") as file:
            reading.take(file.read(MOST_BYTES + 1))
    except OSError as error:
        return Examination(None, (Problem(str(path), 0, "", f"cannot be read: {error.strerror}"),))
    if not reading.data:
        return Examination(None, tuple(reading.problems))
    return _examine_data(path, reading, os.environ if environ is None else environ, check_files, clock or SystemClock())


def _examine_data(
    path: Path, reading: Reading, environ: Mapping[str, str], check_files: bool, clock: Clock
) -> Examination:
    filling = Filling(reading.file, path.parent, reading.lines, environ)
    data = _with_edge_name(filling.fill(reading.data), environ)
    source = Source(reading.file, path.parent, data, reading.lines, filling.unfilled)
    config, wrong = _validated(data, source)
    problems = [*reading.problems, *filling.problems]
    problems += [found for place, found in wrong if place not in filling.failed]
    if config is not None:
        config = at_this_edge(config)
        checked = [*cross_checks(config), *(file_checks(config, clock.wall()) if check_files else ())]
        known = [place for place, _ in wrong] + list(filling.failed)
        problems += [found for place, found in checked if not _follows_from(place, known)]
    return Examination(config, tuple(sorted(set(problems), key=lambda found: (found.line, found.path, found.message))))


def _with_edge_name(data: dict[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """STEER_EDGE says which of the edges this one is, so that all of them can have the same file."""
    name, edge = environ.get("STEER_EDGE"), data.get("edge")
    if not name or not isinstance(edge, dict | None):
        return data
    return {**data, "edge": {**(edge or {}), "name": name}}


def _validated(data: dict[str, Any], source: Source) -> tuple[Config | None, list[tuple[Place, Problem]]]:
    """The configuration, or what is right of it and every error of the schema."""
    try:
        return validate(data, source.folder).with_source(source), []
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
    details = [detail for detail in details if not is_shadow(detail, source)]
    wrong = [(place_of(detail), problem(detail, source, Config)) for detail in details]
    remainder = Remainder(data)
    config = remainder.validated(lambda smaller: validate(smaller, source.folder))
    return config and config.with_source(replace(source, kept=remainder.kept)), wrong


def validate(data: dict[str, Any], folder: Path) -> Config:
    """Filled-in data as a configuration. Raises ValidationError."""
    return Config.model_validate(data, context={"folder": folder})


def _follows_from(place: Place, known: list[Place]) -> bool:
    """Is this the shadow of an error in the same place, in a part of it, or around it?"""
    return any(place[: len(other)] == other or other[: len(place)] == place for other in known)


def at_this_edge(config: Config) -> Config:
    """What `edges` says of this edge: its datacentre, and the addresses that it binds to."""
    member = config.edges.get(config.edge.name)
    if member is None:
        return config
    listeners = tuple(
        listener.model_copy(update={"bind": member.bind.get(listener.name, listener.bind)})
        for listener in config.listeners
    )
    admin = config.admin.model_copy(update={"bind": member.bind.get("admin", config.admin.bind)})
    bind = member.bind.get("replication", config.replication.bind)
    replication = config.replication.model_copy(update={"bind": bind})
    edge = _placed(config.edge, member.datacentre)
    return config.model_copy(update={"edge": edge, "listeners": listeners, "admin": admin, "replication": replication})


def _placed(edge: Edge, datacentre: str | None) -> Edge:
    return edge.model_copy(update={"datacentre": edge.datacentre or datacentre})
