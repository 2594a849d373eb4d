"""Which of two clocks is wrong."""

from __future__ import annotations

import pytest

from steer.store.clocks import Anchored, is_astray, which_is_wrong
from steer.store.stamp import clock_of
from tests.kit.clock import ManualClock

NOW = 1_795_000_000_000
HOUR = 3_600_000


def test_an_anchored_clock_goes_on_when_the_machines_is_set() -> None:
    clock = SettableClock()
    anchored = Anchored(clock)
    begin = anchored.now_ms()
    clock.advance(2.0)
    clock.set_wall(-3600.0)
    assert anchored.now_ms() == begin + 2000
    assert anchored.wall_ms() == begin + 2000 - HOUR


class SettableClock(ManualClock):
    def set_wall(self, by: float) -> None:
        self._wall += by


def test_an_engine_that_answers_slowly_is_not_astray() -> None:
    assert not is_astray(NOW, NOW - 9000, NOW + 10, 5000)
    assert not is_astray(NOW, NOW + 4999, NOW + 5000, 5000)
    assert is_astray(NOW, NOW + 5001, NOW + 5002, 5000)
    assert is_astray(NOW, NOW - 9000, NOW - 5001, 5000)


@pytest.mark.parametrize(
    ("engine", "anchored", "wall", "seen", "sentence"),
    [
        (NOW + HOUR, NOW, NOW, NOW, "the engine's clock is wrong: it is 3600.0 s ahead of this edge's"),
        (NOW - HOUR, NOW, NOW, NOW - 2 * HOUR, "the engine's clock is wrong: it is 3600.0 s behind this edge's"),
        (NOW - HOUR, NOW, NOW, NOW, "the engine's clock is wrong: it was set back, 3600.0 s behind"),
        (NOW, NOW - HOUR, NOW - HOUR, NOW, "this edge's clock is wrong: it is 3600.0 s behind the engine's"),
        (NOW, NOW + HOUR, NOW, NOW, "this edge's clock was set since it started: the engine's is 3600.0 s behind it"),
        (NOW, NOW + HOUR, NOW - HOUR, NOW, "which was set since it started: set both by NTP"),
    ],
)
def test_the_sentence_says_which_is_wrong_and_by_how_much(
    engine: int, anchored: int, wall: int, seen: int, sentence: str
) -> None:
    assert sentence in which_is_wrong(engine, anchored, wall, clock_of(seen, 0), 5000)
