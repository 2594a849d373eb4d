"""What is different between two configurations, and what of it a running edge cannot take over. Pure.

    changes(old, new) -> Change, Change ...     `needs_restart` says why, where one cannot be applied

Entries of a list that have a name (listeners, nodes) are compared by it, all other lists as a whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import BaseModel

from steer.config.schema import Config
from steer.config.showing import redacted
from steer.config.source import Place, on_one_line, show_place

MOST_SHOWN = 60
"""Letters of one value: more is read in the file."""


@dataclass(frozen=True, slots=True)
class Change:
    """`before` and `after` as JSON, secrets hidden; None: it is not there. `needs_restart`: why, or empty."""

    path: str
    before: str | None
    after: str | None
    needs_restart: str = ""

    @property
    def kind(self) -> str:
        """added, removed or changed."""
        return "added" if self.before is None else "removed" if self.after is None else "changed"

    def __str__(self) -> str:
        values = {"added": self.after, "removed": self.before}.get(self.kind, f"{self.before} -> {self.after}")
        reason = f" ({self.needs_restart})" if self.needs_restart else ""
        return f"{self.kind} {self.path}: {values}{reason}"


class Fixed(NamedTuple):
    """What stays as it is for the life of the processes; `*` is any name. `presence`: it may change, not come or go."""

    place: str
    why: str
    presence: bool = False


SOCKETS = "sockets are bound when an edge starts"
STORE = "the store process is told when it starts"

FIXED = (
    Fixed("edge.name", "the loop check and the state of this edge go by its name"),
    Fixed("edge.workers", "a worker's slot in each listener is bound when an edge starts"),
    Fixed("edge.user", "privileges are dropped when an edge starts"),
    Fixed("edge.state", "the state file is locked and open"),
    Fixed("edge.drain", "every process is told when it starts"),
    Fixed("edge.log", "logs are opened when a process starts"),
    Fixed("edge.canaries", "an edge that is isolated now rests on them"),
    Fixed("edge.datacentre", STORE),
    Fixed("datacentres.*.id", STORE),
    Fixed("datacentres.*.redis", STORE),
    Fixed("sessions", STORE),
    Fixed("replication", STORE),
    Fixed("admin.bind", SOCKETS),
    Fixed("admin.tls", "its TLS context is made when an edge starts"),
    Fixed("listeners.*", SOCKETS, presence=True),
    Fixed("listeners.*.bind", SOCKETS),
    Fixed("listeners.*.client_address", "how connections are taken is set up when a worker starts"),
    Fixed("listeners.*.tls", "its TLS context is made before the workers, which share its keys", presence=True),
)
"""One row for each key that a reload cannot change. All others it can."""


def changes(old: Config, new: Config) -> tuple[Change, ...]:
    """In the order of the schema. Defaults count like what is written."""
    found = _differences(_part(old, redacted(old)), _part(new, redacted(new)), ())
    return tuple(
        Change(show_place(place), _shown(before), _shown(after), _why_fixed(place, before, after))
        for place, before, after in found
    )


@dataclass(frozen=True, slots=True)
class _Value:
    """What has no parts to compare one by one, and how others may see it."""

    value: Any
    shown: Any


_Part = _Value | dict[str, Any]
"""A dict holds parts."""


def _part(value: Any, shown: Any) -> _Part:
    if isinstance(value, BaseModel):
        return {name: _part(getattr(value, name), shown[name]) for name in type(value).model_fields}
    if isinstance(value, dict):
        return {name: _part(each, shown[name]) for name, each in value.items()}
    if isinstance(value, tuple) and value and all(hasattr(each, "name") for each in value):
        return {each.name: _part(each, seen) for each, seen in zip(value, shown, strict=True)}
    return _Value(value, shown)


def _differences(
    old: _Part | None, new: _Part | None, place: Place
) -> Iterator[tuple[Place, _Part | None, _Part | None]]:
    """None: there is no such part."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in (*old, *(name for name in new if name not in old)):
            yield from _differences(old.get(name), new.get(name), (*place, name))
    elif old is None or new is None or isinstance(old, dict) or isinstance(new, dict) or old.value != new.value:
        yield place, _something(old), _something(new)


def _something(part: _Part | None) -> _Part | None:
    """A part that was left out has the value None, and that says no more than no part."""
    return None if isinstance(part, _Value) and part.value is None else part


def _why_fixed(place: Place, before: _Part | None, after: _Part | None) -> str:
    for row in FIXED:
        steps = row.place.split(".")
        fits = (step in ("*", part) for step, part in zip(steps, place, strict=False))
        is_inside = len(place) >= len(steps) and all(fits)
        if is_inside and (not row.presence or (len(place) == len(steps) and None in (before, after))):
            return f"needs a restart: {row.why}"
    return ""


def _shown(part: _Part | None) -> str | None:
    if part is None:
        return None
    text = on_one_line(json.dumps(_plain(part), ensure_ascii=False))
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."


def _plain(part: _Part) -> Any:
    """Without what was left out."""
    if isinstance(part, _Value):
        return part.shown
    return {name: _plain(each) for name, each in part.items() if _something(each) is not None}
