from __future__ import annotations

import pytest

from steer.proxy import leaving as module
from steer.proxy.leaving import Leaving
from steer.steering.snapshot import DatacentreState, DatacentreStatus, GroupStatus, Snapshot
from tests.kit.clock import ManualClock

DRAINING = {"wellington": DatacentreStatus(DatacentreState.DRAINING)}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def snapshot(group: GroupStatus) -> Snapshot:
    return Snapshot(1, groups={"website": group})


@pytest.mark.parametrize("group", [GroupStatus(datacentres=DRAINING), GroupStatus(leaving="wellington")])
def test_clients_of_a_datacentre_that_drains_or_is_left_are_told_and_no_others(
    clock: ManualClock, group: GroupStatus
) -> None:
    leaving = Leaving(clock)
    leaving.note("website", "wellington", 1, 60.0)
    assert leaving.take_news() == {}
    leaving.follow(snapshot(group))
    leaving.note("website", "wellington", 1, 60.0)
    leaving.note("website", "wellington", -2, 60.0)
    leaving.note("website", "auckland", 3, 60.0)
    leaving.note("other", "wellington", 4, 60.0)
    assert leaving.take_news() == {"bound": {"website": {"wellington": [1, -2]}}}
    leaving.follow(snapshot(GroupStatus()))
    leaving.note("website", "wellington", 5, 60.0)
    assert leaving.take_news() == {}


def test_a_client_that_goes_on_is_told_again_now_and_then(clock: ManualClock) -> None:
    leaving = Leaving(clock)
    leaving.follow(snapshot(GroupStatus(datacentres=DRAINING)))
    told = 0
    for _ in range(80):
        leaving.note("website", "wellington", 1, 80.0)
        told += leaving.take_news() != {}
        clock.advance(1)
    assert told == 8


def test_how_many_are_counted_is_bounded(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_CLIENTS", 3)
    leaving = Leaving(clock)
    leaving.follow(snapshot(GroupStatus(datacentres=DRAINING)))
    for id in range(10):
        leaving.note("website", "wellington", id, 60.0)
    assert leaving.take_news() == {"bound": {"website": {"wellington": [0, 1, 2]}}}


def test_a_client_that_has_gone_is_told_once_and_when_it_is_there_again_too(clock: ManualClock) -> None:
    leaving = Leaving(clock)
    leaving.follow(snapshot(GroupStatus(datacentres=DRAINING)))
    leaving.note("website", "wellington", 1, 60.0)
    leaving.take_news()
    leaving.end("website", "wellington", 1)
    leaving.end("website", "auckland", 2)
    assert leaving.take_news() == {"ended": {"website": {"wellington": [1]}}}
    leaving.end("website", "wellington", 1)
    assert leaving.take_news() == {}
    leaving.note("website", "wellington", 1, 60.0)
    assert leaving.take_news() == {"bound": {"website": {"wellington": [1]}}}


def test_of_a_client_that_comes_and_goes_between_two_messages_the_last_is_told(clock: ManualClock) -> None:
    leaving = Leaving(clock)
    leaving.follow(snapshot(GroupStatus(datacentres=DRAINING)))
    for id in (1, 2):
        leaving.note("website", "wellington", id, 60.0)
        leaving.end("website", "wellington", id)
    leaving.note("website", "wellington", 2, 60.0)
    assert leaving.take_news() == {
        "bound": {"website": {"wellington": [2]}},
        "ended": {"website": {"wellington": [1]}},
    }
