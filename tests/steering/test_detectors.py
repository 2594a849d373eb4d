from __future__ import annotations

import pytest

from steer.steering.detectors import COUNTS_LAG, Alarm, Runs
from steer.steering.model import Ejection, Mode, Observation, Outcome

GATEWAY = [outcome for outcome in Outcome if outcome.is_gateway_failure]


def seen(outcome: Outcome, at: float = 0.0, client: str = "a", path: str = "/a") -> Observation:
    return Observation("wlg-1", outcome, at, client=client, path=path)


def raised(runs: Runs, *failures: Observation) -> list[str]:
    return [alarm.detector for alarm in map(runs.add, failures) if alarm is not None]


def errors(count: int, clients: int = 2, paths: int = 2, at: float = 0.0) -> list[Observation]:
    return [seen(Outcome.SERVER_ERROR, at, f"client {i % clients}", f"/{i % paths}") for i in range(count)]


@pytest.mark.parametrize("outcome", GATEWAY)
def test_three_gateway_failures_in_a_row_are_enough(outcome: Outcome) -> None:
    runs = Runs(Ejection())
    assert raised(runs, seen(outcome), seen(outcome)) == []
    assert runs.add(seen(outcome)) == Alarm(
        "consecutive_gateway_failures", Mode.ON, f"3 in a row, the last: {outcome.value}"
    )


def test_gateway_failures_of_different_kinds_add_up() -> None:
    assert raised(Runs(Ejection()), *map(seen, (Outcome.REFUSED, Outcome.RESET, Outcome.RESPONSE_TIMEOUT)))


def test_a_success_breaks_both_runs() -> None:
    runs = Runs(Ejection())
    raised(runs, seen(Outcome.REFUSED), seen(Outcome.REFUSED))
    runs.break_off()
    assert raised(runs, seen(Outcome.REFUSED), seen(Outcome.REFUSED)) == []
    raised(runs, *errors(4))
    runs.break_off()
    assert raised(runs, *errors(4)) == []


def test_another_5xx_breaks_the_run_of_gateway_failures() -> None:
    refused, error = seen(Outcome.REFUSED), seen(Outcome.SERVER_ERROR)
    assert raised(Runs(Ejection()), refused, refused, error, refused, refused) == []


def test_five_5xx_by_two_clients_on_two_paths_are_enough() -> None:
    runs = Runs(Ejection())
    assert raised(runs, *errors(4)) == []
    assert raised(runs, *errors(1)) == ["consecutive_5xx"]


@pytest.mark.parametrize(("clients", "paths"), [(1, 2), (2, 1), (1, 1)])
def test_one_client_or_one_path_is_not_enough_however_many(clients: int, paths: int) -> None:
    assert raised(Runs(Ejection()), *errors(200, clients, paths)) == []


def test_a_long_run_of_one_client_turns_when_another_joins_on_another_path() -> None:
    runs = Runs(Ejection())
    raised(runs, *errors(200, 1, 1))
    assert raised(runs, seen(Outcome.SERVER_ERROR, 0.0, "another", "/b")) == ["consecutive_5xx"]


def test_gateway_statuses_count_for_both() -> None:
    runs = Runs(Ejection(consecutive_gateway_failures=0))
    statuses = [seen(Outcome.GATEWAY_STATUS, 0.0, f"c{i % 2}", f"/{i % 2}") for i in range(2)]
    assert raised(runs, *errors(3), *statuses) == ["consecutive_5xx"]


def test_connection_failures_leave_the_run_of_5xx_as_it_is() -> None:
    runs = Runs(Ejection())
    assert raised(runs, *errors(4), seen(Outcome.REFUSED), *errors(1)) == ["consecutive_5xx"]


def test_an_alarm_begins_its_run_anew() -> None:
    failures = [seen(Outcome.RESET)] * 7
    assert len(raised(Runs(Ejection(gateway_mode=Mode.OBSERVE)), *failures)) == 2


@pytest.mark.parametrize(
    "rules",
    [
        Ejection(gateway_mode=Mode.OFF, server_error_mode=Mode.OFF),
        Ejection(consecutive_gateway_failures=0, consecutive_5xx=0),
    ],
)
def test_a_detector_that_is_off_raises_nothing(rules: Ejection) -> None:
    assert raised(Runs(rules), *[seen(Outcome.GATEWAY_STATUS, 0.0, f"c{i}", f"/{i}") for i in range(20)]) == []


def test_a_late_count_of_successes_breaks_only_what_is_older_than_it_can_be() -> None:
    runs = Runs(Ejection())
    raised(runs, seen(Outcome.REFUSED, 10.0), seen(Outcome.REFUSED, 10.1))
    runs.break_off_before(10.0 + COUNTS_LAG + 0.01)
    assert raised(runs, seen(Outcome.REFUSED, 10.2)) == []
    assert raised(runs, seen(Outcome.REFUSED, 10.2)) == ["consecutive_gateway_failures"]


def test_old_5xx_are_broken_by_a_count_too() -> None:
    runs = Runs(Ejection())
    raised(runs, *errors(4))
    runs.break_off_before(1.0)
    assert raised(runs, *errors(4, at=1.0)) == []
    assert repr(runs) == "<Runs [0 gateway failures, 4 5xx]>"


def test_a_failure_that_comes_late_counts_for_no_run_that_a_success_broke_since() -> None:
    runs = Runs(Ejection())
    runs.break_off_before(10.0)
    assert raised(runs, *[seen(Outcome.RESET, 9.8)] * 3) == []
    assert raised(runs, *[seen(Outcome.RESET, 10.1)] * 3) == ["consecutive_gateway_failures"]
