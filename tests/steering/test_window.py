from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from steer.steering.window import MOST_KEYS, Frequent, Tally, Window

LENGTH = 10.0


def window(failures: int = 0, successes: int = 0, *, clients: int = 2, paths: int = 2, now: float = 100.0) -> Window:
    """So many failures, by so many clients on so many paths in turn."""
    made = Window(LENGTH)
    for number in range(failures):
        made.fail(f"client {number % clients}", f"/{number % paths}", now)
    made.succeed(successes, now)
    return made


# Time...


def test_what_is_older_than_the_window_is_forgotten() -> None:
    seen = window(4, 6)
    assert seen.seen(109.0) == Tally(4, 10)
    assert seen.seen(110.0) == Tally(0, 0)


def test_what_comes_bit_by_bit_goes_bit_by_bit() -> None:
    seen = Window(LENGTH)
    for second in range(20):
        seen.succeed(1, 100.0 + second)
    assert seen.seen(119.0) == Tally(0, 10)
    assert [seen.seen(119.0 + later).requests for later in range(12)] == [*range(10, -1, -1), 0]


def test_a_gap_longer_than_the_window_empties_it_and_costs_nothing() -> None:
    seen = window(4, 6)
    seen.succeed(3, 1e9)
    assert seen.seen(1e9) == Tally(0, 3)
    assert seen.by_clients(1e9) == Tally(0, 3)


def test_a_gap_shorter_than_the_window_keeps_what_was_before_it() -> None:
    seen = window(4, 6)
    seen.fail("client 0", "/0", 107.5)
    assert seen.seen(107.5) == Tally(5, 11)
    assert seen.seen(112.0) == Tally(1, 1)


def test_cleared_it_begins_anew() -> None:
    seen = window(4, 6)
    seen.clear()
    assert seen.seen(100.0) == Tally(0, 0)
    assert seen.by_clients_and_paths(100.0).failures == 0


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 3), st.booleans()), max_size=60))
def test_it_counts_what_a_plain_list_counts(happenings: list[tuple[float, int, bool]]) -> None:
    """A failure of the last nine tenths is in it, one of before the last ten tenths is not."""
    seen, now, failures = Window(LENGTH), 50.0, []
    for pause, successes, fails in happenings:
        now += pause
        seen.succeed(successes, now)
        if fails:
            seen.fail("a", "/a", now)
            failures.append(now)
    surely = sum(at > now - 0.9 * LENGTH for at in failures)
    perhaps = sum(at > now - LENGTH for at in failures)
    assert surely <= seen.seen(now).failures <= perhaps


# Who and where...


def test_failures_of_several_clients_on_several_paths_all_count() -> None:
    assert window(30, 70).by_clients(100.0) == Tally(30, 100)
    assert window(30, 70).by_clients_and_paths(100.0) == Tally(30, 100)


def test_failures_of_one_client_count_for_nothing_not_even_as_requests() -> None:
    assert window(1000, 70, clients=1).by_clients(100.0) == Tally(0, 70)


def test_failures_on_one_path_count_for_nothing() -> None:
    assert window(1000, 70, paths=1).by_clients(100.0) == Tally(0, 70)
    assert window(1000, 70, paths=1).by_clients_and_paths(100.0) == Tally(0, 70)


def test_a_client_that_fails_most_counts_no_more_than_the_next() -> None:
    seen = window(1000, 70, clients=1)
    seen.fail("another", "/else", 100.0)
    assert seen.by_clients(100.0) == Tally(2, 72)


def test_a_path_that_fails_most_stands_out_only_where_paths_are_asked_for() -> None:
    seen = window(1000, 70, clients=10, paths=1)
    seen.fail("another", "/else", 100.0)
    assert seen.by_clients(100.0) == Tally(1001, 1071)
    assert seen.by_clients_and_paths(100.0) == Tally(2, 72)


def test_clients_are_weighed_over_the_whole_window() -> None:
    seen = Window(LENGTH)
    for second in range(9):
        for _ in range(10):
            seen.fail(f"client {second % 2}", f"/{second % 2}", 100.0 + second)
    assert seen.by_clients(108.0) == Tally(80, 80)


def test_a_thousand_clients_that_fail_once_each_are_no_single_one() -> None:
    seen = Window(LENGTH)
    for number in range(1000):
        seen.fail(f"client {number}", f"/{number}", 100.0)
    assert seen.by_clients_and_paths(100.0).failures >= 1000 * (1 - 1 / MOST_KEYS)


def test_memory_is_bounded_and_the_one_that_stands_out_is_found_among_ten_thousand() -> None:
    seen = Window(LENGTH)
    for number in range(10_000):
        seen.fail("loud", "/loud", 100.0)
        if number % 10 == 0:
            seen.fail(f"client {number}", f"/{number}", 100.0)
    assert seen.by_clients(100.0).failures < 0.2 * 11_000
    [bucket] = seen._buckets
    assert len(bucket.clients.counts) <= MOST_KEYS
    assert len(bucket.paths.counts) <= MOST_KEYS


@given(st.lists(st.integers(0, 40), max_size=400))
def test_the_frequent_are_counted_as_well_as_misra_and_gries_promise(keys: list[int]) -> None:
    frequent, exact = Frequent(), Counter(keys)
    for key in keys:
        frequent.add(key)
    assert len(frequent.counts) <= MOST_KEYS
    for key, count in exact.items():
        assert count - len(keys) / (MOST_KEYS + 1) <= frequent.counts.get(key, 0) <= count


def test_it_says_what_it_holds() -> None:
    assert repr(window(4, 6)) == "<Window of 10 s [4 failures, 6 successes]>"
