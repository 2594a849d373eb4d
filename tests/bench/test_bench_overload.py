from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.overload.__main__ import Result, main, row
from bench.overload.good import Measured


def result(**changes: float) -> Result:
    numbers = {
        "load": 0.5,
        "quiet_p99": 2.0,
        "p50": 1.0,
        "p99": 7.9,
        "slowest": 9.0,
        "asked": 1000,
        "failed": 0,
        "growth": 49.0,
    }
    return Result("ping", **{**numbers, **changes}, flood={"let in": 4}, refused={"penalty": 9}, failures={})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "is_fine"), [({}, True), ({"p99": 8.1}, False), ({"growth": 50.0}, False), ({"failed": 1}, False)]
)
def test_what_must_be_is_p99_growth_and_nothing_failed(changes: dict[str, float], is_fine: bool) -> None:
    assert result(**changes).is_fine == is_fine
    assert ("**no**" in row(result(**changes))) != is_fine


def test_quantiles_are_of_what_was_answered() -> None:
    measured = Measured([n / 1000 for n in range(1, 101)])
    assert (measured.quantile_ms(0.5), measured.quantile_ms(0.99), measured.quantile_ms(1.0)) == (51.0, 100.0, 100.0)


def test_a_short_run_measures_a_flood_and_writes_it_down(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the numbers are is the machine's business: only that they are there."""
    assert main(["--seconds", "1", "--kind", "ping", "--out", str(tmp_path)]) in (0, 1)
    (file,) = tmp_path.glob("*.json")
    (found,) = json.loads(file.read_text())["results"]
    assert (found["kind"], found["asked"], found["failed"]) == ("ping", 100, 0)
    assert found["flood"]["let in"] > 0
    assert found["refused"]["penalty"] > 0
    assert "| ping |" in (tmp_path / "README.md").read_text()
    assert "| ping |" in capsys.readouterr().out
