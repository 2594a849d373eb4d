"""Few are taken, each stands for the right number, and none of a pinned hostname."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from steer.proxy.sampling import MOST, WANTED, Sampling
from steer.steering.tables import Tables
from tests.steering.towns import Request, request_for, tables_of, town


@pytest.fixture
def tables() -> Tables:
    return tables_of(town())


def passing(sampling: Sampling, tables: Tables, clients: Iterator[str], count: int) -> None:
    request = request_for(tables)
    for _ in range(count):
        sampling.pass_by(tables, replace(request, client=next(clients)))


def numbered() -> Iterator[str]:
    number = 0
    while True:
        yield f"client-{number % 10}"
        number += 1


def test_while_few_come_each_is_taken_and_stands_for_itself(tables: Tables) -> None:
    sampling = Sampling(random.Random(1))
    passing(sampling, tables, numbered(), 5)
    rows = sampling.drain()
    assert [(row[2], row[3]) for row in rows] == [(f"client-{number}", 1.0) for number in range(5)]
    assert sampling.drain() == []


def test_a_burst_is_thinned_and_each_stands_for_more(tables: Tables) -> None:
    sampling = Sampling(random.Random(1))
    passing(sampling, tables, numbered(), 5000)
    rows = sampling.drain()
    assert len(rows) <= MOST
    assert sum(row[3] for row in rows) == pytest.approx(5000, rel=0.5)


def test_whatever_the_rate_some_twenty_a_second_stand_for_all_in_proportion(tables: Tables) -> None:
    sampling, clients = Sampling(random.Random(7)), numbered()
    taken, stood = 0, Counter[str]()
    for second in range(1, 61):
        for _ in range(10):
            passing(sampling, tables, clients, 100)
            for row in sampling.drain():
                taken += 1
                stood[row[2]] += row[3]
        sampling.adapt(float(second))
    assert taken / 60 == pytest.approx(WANTED, rel=0.25)
    assert sum(stood.values()) == pytest.approx(60_000, rel=0.1)
    assert stood["client-3"] / sum(stood.values()) == pytest.approx(0.1, abs=0.03)


def test_when_the_traffic_falls_the_next_one_does_not_wait_for_what_was_drawn(tables: Tables) -> None:
    sampling, clients = Sampling(random.Random(1)), numbered()
    sampling.adapt(0.0)
    passing(sampling, tables, clients, 100_000)
    sampling.adapt(1.0)
    assert sampling.left > 1
    sampling.drain()
    passing(sampling, tables, clients, 3)
    sampling.adapt(2.0)
    passing(sampling, tables, clients, 5)
    assert len(sampling.drain()) >= 5


def test_those_of_pinned_hostnames_are_not_among_them(tables: Tables) -> None:
    sampling = Sampling()
    pinned: Request = request_for(tables, "stack.example")
    sampling.pass_by(tables, pinned)
    assert sampling.drain() == []


def test_of_another_configuration_nothing_is_told(tables: Tables) -> None:
    sampling = Sampling()
    sampling.pass_by(tables, request_for(tables))
    sampling.forget()
    assert sampling.drain() == []
