from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.store.__main__ import main
from bench.store.engines import Memory
from bench.store.loads import LOADS, Load, Sample
from bench.store.paced import reply_size
from bench.store.places import Place
from bench.store.report import Report, Result, render, verdict
from bench.store.shipping import Shipped

RATE = Load("SET, pipelined 16", "set", 16, rate=10_000)
LATE = Load("GET, 1,000/s", "get", 0, over_ms=1.0)


def result(place: str, *, rate: float = 1.0, p99: float = 1.0, cpu: float = 1.0) -> Result:
    return Result(load=LOADS[0].name, place=place, samples=(Sample(rate, 0.1, p99, cpu, 0.0),))


@pytest.mark.parametrize(("rate", "is_met"), [(9_999.0, False), (10_000.0, True)])
def test_a_rate_is_met_from_its_number_on(rate: float, is_met: bool) -> None:
    said = verdict(RATE, result("engine", rate=rate), result("redis"))
    assert said.startswith("10,000/s: ")
    assert ("**missed**" not in said) == is_met


@pytest.mark.parametrize(("p99", "said"), [(3.0, "(+1.00): met"), (3.1, "(+1.10): **missed**")])
def test_p99_is_what_it_is_over_a_redis_straight(p99: float, said: str) -> None:
    assert verdict(LATE, result("engine", p99=p99), result("redis", p99=2.0)).endswith(said)
    assert verdict(LATE, result("engine", p99=p99), None) == ""
    assert "nothing to say" in verdict(LATE, result("engine", p99=p99), result("redis", p99=35.0))


def test_the_process_that_served_is_the_one_that_did_the_most_and_the_engine_counts_apart() -> None:
    place = Place("engine", 1, root=10, engine=20)
    assert place.used({10: 5, 11: 5, 20: 0}, {10: 6, 11: 105, 12: 7, 20: 900}) == (100, 900)


@pytest.mark.parametrize(
    ("data", "size"), [(b"", 0), (b"$3\r\nab", 0), (b"$3\r\nabc\r\n+", 9), (b"$-1\r\n", 5), (b"-ERR no\r\n$", 9)]
)
def test_a_reply_is_counted_once_it_is_there_in_full(data: bytes, size: int) -> None:
    assert reply_size(data) == size


def test_the_table_has_ratios_and_says_what_was_missed_and_what_broke() -> None:
    report = Report(
        started="2026-01-01T00:00:00+00:00",
        commit="abc",
        changed=False,
        machine={"cpus": "2"},
        versions={"steer": "1"},
        rounds=1,
        busy=(0.5, 1.0),
        results=(
            result("redis", cpu=2.0),
            result("engine", rate=20_000.0, cpu=50.0),
            Result(load=LOADS[0].name, place="sealed", samples=(), broken="no answer"),
        ),
        memory=Memory(1000.0, 1200.0, 1700.0),
        shipped=Shipped(12_000.0, 50.0, 1.0, 2.0),
        shipped_through_an_edge=Shipped(9_000.0, 55.0, 1.0, 2.0, 40.0),
    )
    text = render(report)
    assert "| 50.0 | 20,000 | **25.0** (25.0 to 25.0) |" in text
    assert "broken: no answer" in text
    assert "carried 12,000 records/s (10,000/s: met), for 50.0 us of its CPU" in text
    assert "carried 9,000 records/s (10,000/s: **missed**)" in text
    assert "2.0 us of the other, 40.0 us of that edge, each." in text
    assert "(1.70 times, at most 1.6: **missed**)" in text


def test_a_short_run_measures_every_load_and_writes_it_down(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the numbers are is the machine's business: only that they are there."""
    words = ["--rounds", "1", "--commands", "400", "--places", "redis,engine", "--out", str(tmp_path)]
    assert main(words) in (0, 1)
    (file,) = tmp_path.glob("*.json")
    found = json.loads(file.read_text())
    assert [(each["load"], each["place"]) for each in found["results"]] == [
        (load.name, place) for load in LOADS for place in ("redis", "engine")
    ]
    assert all(sample["cpu_us"] > 0 for each in found["results"] for sample in each["samples"])
    assert found["shipped"]["per_second"] > 0
    assert found["memory"]["record"] > found["memory"]["plain"] > 1024
    assert "steer over a Redis" in capsys.readouterr().out
