from __future__ import annotations

from steer.proxy.counters import Counters
from steer.proxy.evidence import HOLD_S, Doubt
from steer.steering.model import Observation, Outcome

NODES = ("wlg-1", "wlg-2", "akl-1")


class Desk:
    """Takes down what is told."""

    def __init__(self) -> None:
        self.counters = Counters(NODES)
        self.told: list[str] = []

    def report(self, failure: Observation) -> None:
        self.told.append(failure.node)


def failure(node: int, at: float = 100.0, latency: float = 0.1, successes: int = 0) -> tuple[int, Observation]:
    return node, Observation(NODES[node], Outcome.RESET, at, latency=latency, successes=successes)


def test_a_failure_is_told_when_the_next_node_serves_the_request() -> None:
    desk = Desk()
    doubt = Doubt(desk)
    doubt.add(*failure(0))
    assert desk.told == []
    doubt.conclude(served=True)
    assert desk.told == ["wlg-1"]


def test_a_failure_is_told_when_there_is_no_other_try() -> None:
    desk = Desk()
    doubt = Doubt(desk)
    doubt.add(*failure(0))
    doubt.conclude(served=False)
    assert desk.told == ["wlg-1"]


def test_failures_on_two_nodes_are_evidence_against_neither_and_the_successes_before_them_still_count() -> None:
    desk = Desk()
    doubt = Doubt(desk)
    doubt.add(*failure(0, successes=7))
    doubt.add(*failure(1, successes=3))
    doubt.conclude(served=False)
    assert desk.told == []
    assert desk.counters.successes == [7, 3, 0]


def test_both_are_evidence_when_a_third_node_serves_the_request() -> None:
    desk = Desk()
    doubt = Doubt(desk)
    doubt.add(*failure(0))
    doubt.add(*failure(1))
    doubt.conclude(served=True)
    assert desk.told == ["wlg-1", "wlg-2"]


def test_a_failure_waits_for_a_second_and_no_longer() -> None:
    desk = Desk()
    doubt = Doubt(desk)
    doubt.add(*failure(0, at=100.0))
    doubt.expire(100.0 + HOLD_S - 0.1)
    assert desk.told == []
    doubt.expire(100.0 + HOLD_S)
    assert desk.told == ["wlg-1"]
    doubt.add(*failure(1, at=102.0))
    doubt.conclude(served=False)
    assert desk.told == ["wlg-1"], "the second one is the request's fault all the same"


def test_a_failure_that_took_long_waits_for_twice_as_long() -> None:
    desk = Desk()
    doubt = Doubt(desk)
    doubt.add(*failure(0, at=100.0, latency=20.0))
    doubt.expire(139.0)
    assert desk.told == []
    doubt.expire(140.0)
    assert desk.told == ["wlg-1"]


def test_two_failures_wait_for_the_end_of_the_request() -> None:
    desk = Desk()
    doubt = Doubt(desk)
    doubt.add(*failure(0))
    doubt.add(*failure(1))
    doubt.expire(1000.0)
    assert desk.told == []
