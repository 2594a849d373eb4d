"""h2load: what its words mean, and times that count from when a request was due."""

from __future__ import annotations

import random

import pytest

from bench.loads import LoadFailed
from bench.loads.h2load import Record, check, paced, parse

DONE = """
finished in 2.00s, 100.00 req/s, 100.00KB/s
requests: 200 total, 201 started, 200 done, 200 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 200 2xx, 0 3xx, 0 4xx, 0 5xx
"""
CONNECTIONS, RATE, SECONDS = 50, 1000, 4
PERIOD_US = CONNECTIONS * 1_000_000 // RATE


def on_time(took: int = 1000) -> list[Record]:
    """Each connection has its turn once in a period, at a moment of its own."""
    dice = random.Random(7)
    moments = [dice.randrange(PERIOD_US) for _ in range(CONNECTIONS)]
    turns = range(SECONDS * 1_000_000 // PERIOD_US)
    return sorted((turn * PERIOD_US + moment, took) for turn in turns for moment in moments)


def test_requests_that_began_when_they_were_due_took_what_they_took() -> None:
    seen = paced(on_time(), RATE, CONNECTIONS)
    assert (seen.operations, seen.p50_ms, seen.p99_ms) == (SECONDS * RATE, 1.0, 1.0)


def test_who_stalls_pays_for_those_that_had_to_wait() -> None:
    """For 200 ms nothing is answered: the load begins what was due meanwhile after that, and sees 1 ms for each."""
    stall_us, at_us = 200_000, 2_000_000
    records = [(max(start, at_us + stall_us) if start > at_us else start, took) for start, took in on_time()]
    seen = paced(sorted(records), RATE, CONNECTIONS)
    assert seen.p50_ms == 1.0
    assert seen.p99_ms == pytest.approx(160, abs=10), "of 4,000 the 40 slowest waited for 160 to 200 ms"


def test_a_rate_that_was_not_kept_has_no_p99() -> None:
    slow = [(start * 2, took) for start, took in on_time()]
    with pytest.raises(LoadFailed, match=r"50\d requests/s were served, 1,000 were due"):
        paced(slow, RATE, CONNECTIONS)
    with pytest.raises(LoadFailed, match="too few"):
        paced(on_time()[:10], RATE, CONNECTIONS)


def test_the_log_is_start_status_and_duration() -> None:
    assert parse("1000\t200\t350\n2000\t200\t400\n") == [(1000, 350), (2000, 400)]
    with pytest.raises(LoadFailed, match="no answer"):
        parse("")


@pytest.mark.parametrize(
    ("was", "became", "said"),
    [
        ("0 failed", "3 failed", "3 failed"),
        ("0 errored", "2 errored", "2 errored"),
        ("0 timeout", "1 timeout", "1 timeout"),
        ("0 5xx", "4 5xx", "4 5xx"),
        ("0 3xx", "5 3xx", "5 3xx"),
    ],
)
def test_an_answer_that_is_not_2xx_spoils_the_sample(was: str, became: str, said: str) -> None:
    check(DONE)
    with pytest.raises(LoadFailed, match=said):
        check(DONE.replace(was, became))


def test_output_without_a_result_is_no_sample() -> None:
    with pytest.raises(LoadFailed, match="no result"):
        check("could not connect")
