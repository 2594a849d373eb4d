from __future__ import annotations

import weakref
from math import inf

from hypothesis import given
from hypothesis import strategies as st

from steer.proxy.deadlines import TICK, Deadlines


class Item:
    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.watched = inf
        self.expired: list[float] = []

    def expire(self, now: float) -> None:
        self.expired.append(now)


def watched(deadlines: Deadlines, deadline: float) -> Item:
    item = Item(deadline)
    deadlines.watch(item)
    return item


def test_an_item_expires_after_its_deadline_and_once() -> None:
    deadlines = Deadlines(100.0)
    item = watched(deadlines, 101.0)
    deadlines.sweep(100.9)
    assert item.expired == []
    deadlines.sweep(101.2)
    deadlines.sweep(105.0)
    assert item.expired == [101.2]


def test_a_forgotten_item_is_not_kept_until_its_time() -> None:
    deadlines = Deadlines(100.0)
    item = watched(deadlines, 175.0)
    item.deadline = 101.0
    deadlines.watch(item)
    deadlines.forget(item)
    seen = weakref.ref(item)
    del item
    assert seen() is None


def test_a_deadline_that_moved_on_is_looked_at_again_when_it_is_due() -> None:
    deadlines = Deadlines(100.0)
    item = watched(deadlines, 101.0)
    item.deadline = 102.0
    deadlines.sweep(101.5)
    assert item.expired == []
    deadlines.sweep(102.2)
    assert len(item.expired) == 1


def test_a_deadline_that_moved_forward_needs_watch_and_then_expires_once() -> None:
    deadlines = Deadlines(100.0)
    item = watched(deadlines, 175.0)
    item.deadline = 101.0
    assert item.deadline < item.watched
    deadlines.watch(item)
    deadlines.sweep(101.2)
    deadlines.sweep(176.0)
    assert item.expired == [101.2]


def test_a_forgotten_item_never_expires() -> None:
    deadlines = Deadlines(100.0)
    item = watched(deadlines, 101.0)
    deadlines.forget(item)
    deadlines.sweep(200.0)
    assert item.expired == []


def test_a_deadline_of_never_is_not_watched() -> None:
    deadlines = Deadlines(100.0)
    item = watched(deadlines, inf)
    deadlines.sweep(1000.0)
    assert item.expired == []
    assert item.watched == inf


def test_a_sweep_that_comes_late_makes_up_for_all_ticks_it_missed() -> None:
    deadlines = Deadlines(100.0)
    items = [watched(deadlines, 100.0 + i / 10) for i in range(1, 50)]
    deadlines.sweep(110.0)
    assert all(item.expired == [110.0] for item in items)


@given(st.floats(0.0, 50.0), st.lists(st.floats(0.01, 3.0), min_size=1, max_size=60))
def test_whatever_the_sweeps_a_deadline_is_never_early_and_at_most_two_ticks_late(
    delay: float, pauses: list[float]
) -> None:
    start = 1000.0
    deadlines = Deadlines(start)
    item = watched(deadlines, start + delay)
    now = start
    for pause in pauses:
        before, now = now, now + pause
        deadlines.sweep(now)
        if item.expired:
            assert now >= item.deadline
            assert before <= item.deadline + 2 * TICK
            return
    assert now < item.deadline + 2 * TICK
