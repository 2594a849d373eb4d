"""What is right in a configuration that is wrong, so that all problems can be told in one go.

The references between parts can only be checked on a value that the schema takes. So the parts that it refuses are
taken out, the smallest that will do, and the rest is checked. `kept` remembers which items of a shortened list are
left; what was taken out still counts as written, so that nobody complains of a name that is there but wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from pydantic import ValidationError

from steer.config.messages import place_of
from steer.config.schema import Config
from steer.config.source import Place

# A part that is taken out may make the one around it wrong, and that again: as often as the schema is deep.
_MOST_PASSES = 16

_REQUIRED_AT_THE_TOP: dict[str, Any] = {
    "version": 1,
    "edge": {"name": "unknown"},
    "listeners": [],
    "datacentres": {},
    "pools": {},
    "groups": {},
    "services": {},
}


class Remainder:
    """A copy of the data that gets smaller until the schema takes it."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = deepcopy(data)
        self.kept: dict[Place, list[int]] = {}

    def validated(self, validate: Callable[[dict[str, Any]], Config]) -> Config | None:
        """The configuration without its wrong parts; None if too little is left."""
        for _ in range(_MOST_PASSES):
            try:
                return validate(self.data)
            except ValidationError as error:
                for place in sorted(_wrong_parts(error), key=_last_items_first):
                    self._take_out(place)
        return None

    def _take_out(self, place: Place) -> None:
        if not place:
            return
        around = self._find(place[:-1])
        step = place[-1]
        if isinstance(around, dict) and step in around:
            del around[step]
        elif isinstance(around, list) and isinstance(step, int) and step < len(around):
            self._take_out_item(place[:-1], around, step)
        elif not isinstance(around, dict | list):
            self._take_out(place[:-1])
        elif len(place) == 1:
            self.data[str(step)] = deepcopy(_REQUIRED_AT_THE_TOP[str(step)])

    def _take_out_item(self, place: Place, items: list[Any], index: int) -> None:
        original = self._in_file(place)
        self.kept.setdefault(original, list(range(len(items))))
        del self.kept[original][index]
        del items[index]

    def _find(self, place: Place) -> Any:
        value: Any = self.data
        for step in place:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return None
        return value

    def _in_file(self, place: Place) -> Place:
        found: Place = ()
        for step in place:
            indices = self.kept.get(found)
            found += (indices[step] if indices is not None and isinstance(step, int) else step,)
        return found


def _wrong_parts(error: ValidationError) -> set[Place]:
    """What to take out for each error: the value; for a key that is missing, what it is missing from."""
    parts: set[Place] = set()
    for detail in error.errors(include_url=False, include_input=False):
        place = place_of(detail)
        if detail["type"] == "default_factory_not_called":
            continue
        parts.add(place[:-1] if detail["type"] == "missing" and len(place) > 1 else place)
    return {place for place in parts if not any(place[:length] in parts for length in range(len(place)))}


def _last_items_first(place: Place) -> tuple[tuple[int, str], ...]:
    """So that taking out one item leaves the indices of those before it as they are."""
    return tuple((-step, "") if isinstance(step, int) else (0, step) for step in place)
