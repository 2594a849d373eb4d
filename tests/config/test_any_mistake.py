"""Whatever is wrong in an example, and wherever: the answer is a list of problems, never a crash."""

from __future__ import annotations

import json
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steer.config import examine, unbuilt
from steer.config.reading import Reading

EXAMPLES = Path(__file__).parents[2] / "config"
Place = tuple[str | int, ...]


def data_of(name: str) -> dict[str, Any]:
    reading = Reading(name)
    reading.take((EXAMPLES / name).read_bytes())
    return reading.data


DATA = {path.name: data_of(path.name) for path in sorted(EXAMPLES.glob("*.yaml"))}
WRONG = [None, True, -1, 3.5, "", "x", "${GONE}", [], [None], ["x", "x"], {}, {"x": 1}, {"": None}, [{"name": "x"}]]


def places(value: Any, place: Place = ()) -> list[Place]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [*([place] if place else []), *(found for step, part in inner for found in places(part, (*place, step)))]


PLACES = [(name, place) for name, data in DATA.items() for place in places(data)]


def change(data: dict[str, Any], place: Place, value: Any) -> dict[str, Any]:
    """A copy with another value at the place; without it, where the value is `...`."""
    copy = deepcopy(data)
    around: Any = copy
    # An earlier change may have taken the place away.
    with suppress(KeyError, IndexError, TypeError):
        for step in place[:-1]:
            around = around[step]
        if value is ...:
            del around[place[-1]]
        else:
            around[place[-1]] = value
    return copy


mistakes = st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from([..., *WRONG])), min_size=1, max_size=3)


@settings(max_examples=60, deadline=None)
@given(mistakes)
def test_any_mistakes_are_told_and_nothing_breaks(
    tmp_path_factory: pytest.TempPathFactory, wrong: list[tuple[tuple[str, Place], Any]]
) -> None:
    name = wrong[0][0][0]
    data = DATA[name]
    for (other, place), value in wrong:
        data = change(data, place, value) if other == name else data
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(json.dumps(data))
    found = examine(path, {}, check_files=False)
    assert found.config is not None or found.problems
    assert all(str(problem).startswith(str(path)) for problem in found.problems)
    if found.config is not None:
        unbuilt(found.config)
