"""The suites, in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.tools import Tools
from compliance.place import Place
from compliance.report import Row


class Broken(Exception):
    """A tool did not do its work: there is no result. The message says why, in one line."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of a suite. `tool`: name and version; `missing`: what of it could not be had, and why."""

    tool: str
    rows: tuple[Row, ...]
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Suite:
    """`run` may raise Unavailable (skipped) and Broken. `method` is a sentence for the table."""

    name: str
    title: str
    method: str
    run: Callable[[Place, Tools], Ran]
