"""What the checks between parts of a configuration have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from steer.config.messages import did_you_mean
from steer.config.source import Place


class Finding(NamedTuple):
    """Something wrong at a place, before it has a file and a line."""

    place: Place
    message: str
    hint: str = ""


Findings = Iterator[Finding]


def known(place: Place, kind: str, name: str | None, names: Sequence[str]) -> Findings:
    """Nothing if the name is one of the names, or None; else what may have been meant."""
    if name is not None and name not in names:
        hint = did_you_mean(name, names) or (f"known here: {', '.join(names)}" if names else "there are none")
        yield Finding(place, f'there is no {kind} "{name}"', hint)


def all_known(place: Place, kind: str, names: Iterable[str], all_names: Sequence[str]) -> Findings:
    """The same for the keys of a mapping at a place."""
    for name in names:
        yield from known((*place, name), kind, name, all_names)


def each_known(place: Place, kind: str, names: Iterable[str], all_names: Sequence[str]) -> Findings:
    """The same for the items of a list at a place."""
    for index, name in enumerate(names):
        yield from known((*place, index), kind, name, all_names)


class Seen:
    """Finds what is there twice: the second of two names is wrong, and the message says where the first is."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._first: dict[str, str] = {}

    def again(self, name: str, place: Place, owner: str) -> Findings:
        if name in self._first:
            yield Finding(place, f"{self._what} {name} is already that of {self._first[name]}")
        self._first.setdefault(name, owner)
