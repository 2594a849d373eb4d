"""Failure share, peers, slow: what they take for enough, and what never is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steer.steering.ejection import NOTE_EVERY
from steer.steering.latencies import BOUNDS, BUCKETS
from steer.steering.lookout import LOOK_EVERY, SLOW_WINDOW, peers_of, readings
from steer.steering.model import Ejection, Mode, Outcome, PeersRule, ShareRule, SlowRule
from steer.steering.snapshot import NodeState
from tests.steering.history import History
from tests.steering.towns import town

SERVING, EJECTED = NodeState.SERVING, NodeState.EJECTED

OFF = Ejection(
    gateway_mode=Mode.OFF,
    server_error_mode=Mode.OFF,
    share=ShareRule(mode=Mode.OFF),
    peers=PeersRule(mode=Mode.OFF),
    slow=SlowRule(mode=Mode.OFF),
)
SHARE = replace(OFF, share=ShareRule())
PEERS = replace(OFF, peers=PeersRule())
SLOW = replace(OFF, slow=SlowRule(mode=Mode.ON))


def asked(
    history: History, node: str, requests: int, failures: int = 0, *, clients: int = 4, paths: int = 4, at: int = 0
) -> None:
    """So many requests, and how many of them were answered 500; `at` is the first client and path."""
    history.succeed(node, requests - failures)
    for i in range(at, at + failures):
        history.fail(node, 1, Outcome.SERVER_ERROR, client=f"192.0.2.{i % clients}", path=f"/{i % paths}")


def look(history: History) -> None:
    history.wait(LOOK_EVERY)


# Failure share...


def test_half_of_twenty_requests_is_enough_of_a_share() -> None:
    history = History(town(2, 2, ejection=SHARE))
    asked(history, "wlg-1", 20, 10)
    look(history)
    [change] = history.changes
    assert (change.node, change.after, change.cause) == ("wlg-1", EJECTED, "failure_share")
    assert change.detail == "50.0 % of 20 requests failed in 10 s; it takes 50 %"


@pytest.mark.parametrize(("requests", "failures"), [(19, 19), (100, 49)], ids=["too few", "too small a share"])
def test_less_is_not(requests: int, failures: int) -> None:
    history = History(town(2, 2, ejection=SHARE))
    asked(history, "wlg-1", requests, failures)
    look(history)
    assert history.changes == []


def test_the_share_is_that_of_the_last_ten_seconds() -> None:
    history = History(town(2, 2, ejection=SHARE))
    asked(history, "wlg-1", 15, 15)
    history.wait(11)
    asked(history, "wlg-1", 15, 15)
    look(history)
    assert history.state("wlg-1") is SERVING
    history.wait(5)
    asked(history, "wlg-1", 10, 10)
    look(history)
    assert history.state("wlg-1") is EJECTED


@pytest.mark.parametrize(("clients", "paths"), [(1, 4), (4, 1), (1, 1)])
def test_one_client_or_one_path_is_never_a_share_even_beside_a_stray_failure(clients: int, paths: int) -> None:
    history = History(town(2, 2, ejection=SHARE))
    for _ in range(60):
        asked(history, "wlg-1", 100, 95, clients=clients, paths=paths)
        asked(history, "wlg-1", 1, 1, at=3)
        look(history)
    assert history.changes == []


# Against its peers...


def test_a_third_against_none_is_enough_and_the_detail_shows_the_interval() -> None:
    history = History(town(3, 0, ejection=PEERS))
    for node, failures in (("wlg-1", 40), ("wlg-2", 0), ("wlg-3", 0)):
        asked(history, node, 120, failures)
    look(history)
    [change] = history.changes
    assert (change.node, change.after, change.cause) == ("wlg-1", EJECTED, "peers")
    assert change.detail == (
        "33.3 % of 120 requests failed in 30 s; of its peers 0.0 % of 240 requests failed: "
        "with 95 % confidence 25.4 to 42.2 points more than they; it takes more than 20"
    )


@pytest.mark.parametrize(
    ("own", "others"),
    [((49, 40), (200, 0)), ((200, 100), (49, 0)), ((120, 30), (240, 0)), ((300, 150), (300, 120))],
    ids=["too few of its own", "too few of its peers'", "an interval that reaches under 20", "peers that fail as well"],
)
def test_less_than_20_points_for_certain_is_not(own: tuple[int, int], others: tuple[int, int]) -> None:
    history = History(town(2, 2, ejection=PEERS))
    asked(history, "wlg-1", *own)
    asked(history, "wlg-2", *others)
    look(history)
    assert history.changes == []


def test_peers_are_those_of_its_datacentre_and_where_none_serves_there_those_of_the_pool() -> None:
    history = History(town(2, 2, ejection=PEERS))
    records = [history.ledger.record(name) for name in ("wlg-1", "wlg-2", "akl-1", "akl-2")]
    assert [peer.node.name for peer in peers_of(records[0], records)] == ["wlg-2"]
    history.ledger.eject("wlg-2", history.now, history.mono)
    assert [peer.node.name for peer in peers_of(records[0], records)] == ["akl-1", "akl-2"]


def test_what_fails_everywhere_ejects_nobody() -> None:
    history = History(town(3, 3, ejection=PEERS))
    for _ in range(60):
        for number in range(3):
            asked(history, f"wlg-{number + 1}", 100, 45)
            asked(history, f"akl-{number + 1}", 100, 55)
        look(history)
    assert history.changes == []


@pytest.mark.parametrize(("clients", "paths"), [(1, 4), (4, 1), (1, 1)])
def test_one_client_or_one_path_is_nothing_against_peers(clients: int, paths: int) -> None:
    history = History(town(3, 0, ejection=PEERS))
    for _ in range(60):
        asked(history, "wlg-1", 100, 90, clients=clients, paths=paths)
        asked(history, "wlg-2", 100)
        asked(history, "wlg-3", 100)
        look(history)
    assert history.changes == []


def test_a_client_that_fails_on_a_peer_only_does_not_hide_a_node_that_fails() -> None:
    history = History(town(2, 0, ejection=PEERS))
    asked(history, "wlg-1", 200, 100)
    asked(history, "wlg-2", 1000, 800, clients=1)
    look(history)
    assert history.state("wlg-1") is EJECTED


# Slow...


def answered(history: History, node: str, within: float, times: int = 30) -> None:
    counts = [0.0] * (BUCKETS + 1)
    counts[BOUNDS.index(within)] = times
    history.ledger.measure(node, counts, history.mono)


def window(history: History, wlg_1: float, others: float, times: int = 30) -> None:
    """One whole window in which wlg-1 answers within so many seconds, and the others."""
    answered(history, "wlg-1", wlg_1, times)
    for node in ("wlg-2", "wlg-3", "akl-1"):
        answered(history, node, others, times)
    history.wait(SLOW_WINDOW)


def test_three_slow_windows_in_a_row_are_enough() -> None:
    history = History(town(3, 1, ejection=SLOW))
    window(history, 2.5, 0.1)
    window(history, 2.5, 0.1)
    assert history.state("wlg-1") is SERVING
    window(history, 2.5, 0.1)
    assert history.state("wlg-1") is EJECTED
    assert history.last().cause == "slow"
    assert history.last().detail.startswith("p95 2.42 s, the median of its peers' 0.0975 s: slow in 3 windows of 10 s")


@pytest.mark.parametrize(
    ("own", "others", "times"),
    [(1.0, 0.05, 30), (2.5, 1.0, 30), (2.5, 0.1, 19)],
    ids=["under a second", "under three times its peers'", "too few answers"],
)
def test_less_is_not_slow(own: float, others: float, times: int) -> None:
    history = History(town(3, 1, ejection=SLOW))
    for _ in range(6):
        window(history, own, others, times)
    assert history.changes == []


def test_one_good_window_or_a_gap_ends_the_row() -> None:
    history = History(town(3, 1, ejection=SLOW))
    for _ in range(3):
        window(history, 2.5, 0.1)
        window(history, 2.5, 0.1)
        window(history, 0.1, 0.1)
        window(history, 2.5, 0.1)
        window(history, 2.5, 0.1)
        history.wait(3 * SLOW_WINDOW)
    assert history.changes == []


def test_by_default_it_only_says_what_it_would_do() -> None:
    history = History(town(3, 1))
    for _ in range(3):
        window(history, 2.5, 0.1)
    assert history.state("wlg-1") is SERVING
    assert history.last().detail.startswith("would eject: p95 2.42 s")


# Modes and limits...


@pytest.mark.parametrize("detector", ["failure_share", "peers"])
def test_observing_it_says_what_it_would_do_once_a_minute(detector: str) -> None:
    rules = {
        "failure_share": replace(OFF, share=ShareRule(mode=Mode.OBSERVE)),
        "peers": replace(OFF, peers=PeersRule(mode=Mode.OBSERVE)),
    }[detector]
    history = History(town(3, 0, ejection=rules))
    for _ in range(round(1.5 * NOTE_EVERY / LOOK_EVERY)):
        asked(history, "wlg-1", 20, 20)
        asked(history, "wlg-2", 20)
        look(history)
    assert [(change.node, change.after, change.cause) for change in history.changes] == [
        ("wlg-1", SERVING, detector)
    ] * 2
    assert all(change.detail.startswith("would eject: ") for change in history.changes)


def test_they_take_at_most_half_of_a_datacentre() -> None:
    history = History(town(4, 0, ejection=SHARE))
    for node in ("wlg-1", "wlg-2", "wlg-3", "wlg-4"):
        asked(history, node, 100, 90)
    look(history)
    assert [history.state(f"wlg-{n}") for n in (1, 2, 3, 4)] == [EJECTED, EJECTED, SERVING, SERVING]
    assert "half of the pool's nodes in this datacentre are out already" in history.last().detail


def test_a_node_back_in_service_begins_with_empty_windows() -> None:
    history = History(town(2, 2, ejection=SHARE))
    asked(history, "wlg-1", 100, 90)
    look(history)
    history.ledger.restore("wlg-1", history.now, history.mono)
    look(history)
    assert history.state("wlg-1") is SERVING


def test_readings_leave_out_what_is_off() -> None:
    history = History(town(2, 2, ejection=replace(OFF, share=ShareRule(), slow=SlowRule())))
    record = history.ledger.record("wlg-1")
    found = readings(record, [record], history.mono)
    assert [(reading.detector, reading.mode) for reading in found] == [("failure_share", "on"), ("slow", "observe")]


def test_a_node_without_peers_says_so() -> None:
    history = History(town(1, 0, ejection=PEERS))
    [reading] = history.ledger.readings("wlg-1", history.mono)
    assert reading.says == "0.0 % of 0 requests failed in 30 s; it has no peers now"


# For any traffic...

NODES = ("wlg-1", "wlg-2", "wlg-3", "akl-1")
traffic = st.lists(
    st.tuples(st.sampled_from(NODES), st.integers(0, 200), st.floats(0, 1), st.integers(1, 3), st.floats(0, 12)),
    max_size=40,
)


def live(history: History, happenings: list[tuple[str, int, float, int, float]]) -> None:
    for node, requests, share, clients, pause in happenings:
        asked(history, node, requests, round(requests * share), clients=clients, paths=clients)
        answered(history, node, 10.0 if share > 0.5 else 0.1, requests)
        history.wait(pause)


@given(traffic)
def test_no_detector_takes_the_last_available_node(happenings: list[tuple[str, int, float, int, float]]) -> None:
    everything_acts = replace(Ejection(), gateway_mode=Mode.OFF, slow=SlowRule(mode=Mode.ON))
    history = History(town(3, 1, ejection=everything_acts))
    live(history, happenings)
    states = [history.state(node) for node in NODES]
    assert states[:3].count(SERVING) >= 2, "at most half of three"
    assert SERVING in states


@given(traffic)
def test_observing_never_moves_a_node(happenings: list[tuple[str, int, float, int, float]]) -> None:
    observing = replace(
        OFF,
        gateway_mode=Mode.OBSERVE,
        server_error_mode=Mode.OBSERVE,
        share=ShareRule(mode=Mode.OBSERVE),
        peers=PeersRule(mode=Mode.OBSERVE),
        slow=SlowRule(mode=Mode.OBSERVE),
    )
    history = History(town(3, 1, ejection=observing))
    live(history, happenings)
    assert {history.state(node) for node in NODES} == {SERVING}
    assert all(change.before is change.after for change in history.changes)


@given(traffic)
def test_what_one_client_sees_never_moves_a_node(happenings: list[tuple[str, int, float, int, float]]) -> None:
    history = History(town(3, 1))
    live(history, [(node, requests, share, 1, pause) for node, requests, share, _, pause in happenings])
    assert {history.state(node) for node in NODES} == {SERVING}
