"""Which requests are kept as samples: a few a second, whatever the traffic, each with the number it stands for.

A request costs one countdown (20 ns). How many are passed over until the next one is drawn anew each time, so that no
rhythm of the traffic can hide from it: a geometric distribution, which is that of one throw of the dice for each
request. When more come than were expected, every second sample is dropped and the others stand for twice as many.

Samples hold addresses and keys of clients. They go to control and are kept in memory alone, never logged.
"""

from __future__ import annotations

from dataclasses import replace
from math import log
from random import Random
from typing import Any

from steer.steering.facts import Facts
from steer.steering.model import Dice
from steer.steering.samples import Sample, sample_of, sample_to_wire
from steer.steering.tables import Tables

WANTED = 20
"""Samples a second of one worker: about 1 to 2 KB/s to control; taking one costs some 2 us."""

MOST = 50
"""Between two reports (100 ms)."""


class Sampling:
    """For the life of the worker."""

    __slots__ = ("_begun", "_dice", "_drawn", "_every", "_passed", "_taken", "left")

    def __init__(self, dice: Dice | None = None) -> None:
        self._dice = dice if dice is not None else Random()
        self._every = 1.0
        self._taken: list[Sample] = []
        self._begun = 0.0
        self._passed = 0
        """Requests since `_begun`, up to the last draw."""
        self.left = self._drawn = 0
        """Requests to be passed over before the next sample: whoever has a request counts it down."""

    def pass_by(self, tables: Tables, facts: Facts) -> None:
        """A request: counted, or taken."""
        if self.left:
            self.left -= 1
        else:
            self.take(tables, facts)

    def take(self, tables: Tables, facts: Facts) -> None:
        """This request, when `left` is 0. Those of pinned hostnames say nothing of where others go."""
        self._passed += self._drawn + 1
        if facts.entry.pinned is None:
            if len(self._taken) >= MOST:
                self._thin()
            self._taken.append(sample_of(tables, facts, self._every))
        self._draw()

    def adapt(self, now: float) -> None:
        """About once a second: to how many requests come. A draw has no memory, so it may be made again."""
        came = self._passed + self._drawn - self.left
        self._every = max(1.0, came / (WANTED * max(0.1, now - self._begun)))
        self._begun, self._passed = now, 0
        self._draw()

    def drain(self) -> list[list[Any]]:
        """What goes to control; starts anew."""
        taken, self._taken = self._taken, []
        return [sample_to_wire(sample) for sample in taken]

    def forget(self) -> None:
        """Names mean something else from now on."""
        self._taken.clear()

    def _thin(self) -> None:
        self._every *= 2
        self._taken = [replace(sample, stands_for=2 * sample.stands_for) for sample in self._taken[::2]]

    def _draw(self) -> None:
        if self._every > 1:
            self.left = int(log(1.0 - self._dice.random()) / log(1.0 - 1.0 / self._every))
        else:
            self.left = 0
        self._drawn = self.left
