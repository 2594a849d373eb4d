"""Where in the file each part of a configuration was written.

A *place* is the way to a value from the top: `("pools", "web", "nodes", "one", 0, "address")`, shown as
`pools.web.nodes.one[0].address`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from steer.errors import Problem

Place = tuple[str | int, ...]

_LONGEST_SHOWN = 60
# Shorter ones are no secret, and would be found inside ordinary words.
_SHORTEST_SECRET = 4


def show_place(place: Place) -> str:
    """The place as a person reads it; a key that holds dots or spaces stands in brackets."""
    text = ""
    for step in place:
        plain = isinstance(step, str) and re.fullmatch(r"[\w-]+", step)
        text += f".{step}" if plain and text else str(step) if plain else f"[{step}]"
    return on_one_line(text)


def show_value(value: Any) -> str:
    """The value as it would stand in the file, for the end of "must be ..., got"."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, str):
        return f'"{_shortened(hide_password(value))}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    return "nothing" if value is None else str(value)


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


def on_one_line(text: str) -> str:
    """The text without line ends and without what could steer a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def hide_password(text: str) -> str:
    """A URL without the password in it."""
    return re.sub(r"(://[^/@:]*):[^@]*@", r"\1:***@", text)


class EveryName(tuple[str, ...]):
    """The names in a part that is no mapping: none is known, but nobody can say of any that it is not there."""

    def __contains__(self, name: object) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Source:
    """A file as it was read. All sources are equal: where a thing is written is no part of what it says."""

    file: str = field(compare=False)
    folder: Path = field(compare=False)
    data: Mapping[str, Any] = field(compare=False, repr=False)
    """What is written, with `${...}` filled in."""
    lines: Mapping[Place, int] = field(compare=False, repr=False)
    unfilled: Mapping[Place, str] = field(default_factory=dict, compare=False, repr=False)
    """The text of each value that has `${...}` in it, as it stands in the file."""
    kept: Mapping[Place, list[int]] = field(default_factory=dict, compare=False, repr=False)
    """For lists of which a wrong part was left out: the index in the file of each item that is left."""

    def line(self, place: Place) -> int:
        """The line of the place, or of the nearest part around it that is written; 0: nothing is."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 0)

    def written(self, place: Place) -> Any:
        """What stands at the place, None where nothing does."""
        value: Any = self.data
        for step in place:
            found = value.get(step) if isinstance(value, Mapping) else _item(value, step)
            if found is None:
                return None
            value = found
        return value

    def keys(self, *place: str) -> tuple[str, ...]:
        """The names that are written at the place, whether what they stand for is right or wrong."""
        value = self.written(place)
        if value is not None and not isinstance(value, Mapping):
            return EveryName()
        return tuple(value or ())

    def items(self, *place: str) -> tuple[Any, ...]:
        """The items of the list that is written at the place."""
        value = self.written(place)
        return tuple(value) if isinstance(value, list) else ()

    def problem(self, place: Place, message: str, hint: str = "") -> Problem:
        """A problem at a place of the configuration that was made of this file."""
        place = self.in_file(place)
        message, hint = (on_one_line(self.unfill(text)) for text in (message, hint))
        return Problem(self.file, self.line(place), show_place(place), message, hint)

    def unfill(self, text: str) -> str:
        """The text with `${...}` wherever it quotes a value that came from outside the file."""
        for place, reference in self.unfilled.items():
            value = self.written(place)
            if isinstance(value, str) and len(value) >= _SHORTEST_SECRET:
                text = re.sub(re.escape(value), reference.replace("\\", r"\\"), text, flags=re.IGNORECASE)
        return text

    def in_file(self, place: Place) -> Place:
        """The place with the list indices that it has in the file."""
        found: Place = ()
        for step in place:
            indices = self.kept.get(found)
            found += (indices[step] if indices is not None and isinstance(step, int) else step,)
        return found


def _item(value: Any, step: str | int) -> Any:
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return value[step]
    return None


NOWHERE = Source("", Path(), {}, {})
