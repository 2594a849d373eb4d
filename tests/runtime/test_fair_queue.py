from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from steer.runtime.fair_queue import FairQueue


def filled(room: int, *keys: str) -> FairQueue[str]:
    queue = FairQueue[str](room)
    for number, key in enumerate(keys):
        queue.add(key, f"{key}{number}")
    return queue


def test_keys_have_their_turns_whoever_has_more() -> None:
    queue = filled(100, "a", "a", "a", "b", "b", "c")
    assert list(queue.drain()) == ["a0", "b3", "c5", "a1", "b4", "a2"]


def test_a_key_alone_has_half_of_the_room_and_the_next_half_of_the_rest() -> None:
    queue = FairQueue[int](64)
    assert sum(queue.add("flood", n) for n in range(1000)) == 32
    assert sum(queue.add("other flood", n) for n in range(1000)) == 16
    assert queue.add("good", 0)
    assert len(queue) == 49


def test_what_was_taken_makes_room() -> None:
    queue = filled(4, "a", "a")
    assert not queue.add("a", "a2")
    assert queue.take() == "a0"
    assert queue.add("a", "a3")


def test_nothing_is_taken_from_an_empty_one() -> None:
    assert FairQueue[int](4).take() is None


def test_who_is_held_is_passed_over() -> None:
    queue = filled(100, "a", "a", "b")
    assert [queue.take("a".__eq__), queue.take("a".__eq__), queue.take()] == ["b2", None, "a0"]


@settings(deadline=None)
@given(st.lists(st.sampled_from("abcd") | st.none()), st.integers(1, 20))
def test_nothing_is_lost_and_the_order_of_a_key_stays(steps: list[str | None], room: int) -> None:
    queue = FairQueue[tuple[str, int]](room)
    added, taken = [], []
    for number, key in enumerate(steps):
        if key is not None:
            if queue.add(key, (key, number)):
                added.append((key, number))
        elif queue:
            taken += [thing for thing in [queue.take()] if thing is not None]
        assert len(queue) <= room
    taken += queue.drain()
    assert sorted(taken) == sorted(added)
    for key in "abcd":
        assert [each for each in taken if each[0] == key] == [each for each in added if each[0] == key]
    assert len(queue) == 0
