from __future__ import annotations

import json
from typing import Any

from steer.steering.explain_node import explain_node
from steer.steering.model import Ejection, Outcome
from tests.steering.history import History
from tests.steering.towns import town


def about(history: History, node: str = "wlg-1") -> dict[str, Any]:
    return dict(json.loads(json.dumps(explain_node(history.ledger, node, history.mono))))


def test_a_serving_node_can_be_ejected_or_drained() -> None:
    told = about(History(town(2, 1)))
    assert (told["state"], told["evidence"], told["returns"]) == ("serving", [], "")
    assert told["operator"] == ["eject", "drain"]


def test_an_ejected_node_tells_its_evidence_and_when_and_how_it_returns() -> None:
    history = History(town(2, 1, checked=True))
    history.fail("wlg-1", 3)
    history.wait(10)
    told = about(history)
    assert (told["state"], told["detector"], told["times"]) == ("ejected", "consecutive_gateway_failures", 1)
    assert [each["outcome"] for each in told["evidence"]] == ["refused"] * 3
    assert told["returns"].startswith("probing in ")
    assert told["returns"].endswith(" s: its active check, 3 trials, then the ramp")
    assert told["operator"] == ["restore", "eject", "drain"]


def test_a_failed_check_tells_how_it_failed() -> None:
    history = History(town(2, 1, checked=True))
    history.check("wlg-1", passed=False)
    assert about(history)["evidence"][0]["detail"] == "status 500"


def test_a_serving_node_tells_what_each_detector_sees() -> None:
    history = History(town(2, 1))
    history.fail("wlg-1", 2)
    told = {each["detector"]: each for each in about(history)["detectors"]}
    assert list(told) == ["consecutive_gateway_failures", "consecutive_5xx", "failure_share", "peers", "slow"]
    assert told["consecutive_gateway_failures"]["says"] == "2 in a row; it takes 3"
    assert told["slow"]["mode"] == "observe"
    assert (told["peers"]["requests"], told["peers"]["peers"]) == (0, 1)


def test_a_node_that_was_ejected_against_its_peers_shows_the_interval_until_it_is_back() -> None:
    history = History(town(2, 1, ejection=Ejection(consecutive_5xx=0)))
    for i in range(300):
        history.succeed("wlg-2")
        history.succeed("wlg-1", 1 if i % 3 else 0)
        history.fail("wlg-1", 0 if i % 3 else 1, Outcome.SERVER_ERROR, client=f"192.0.2.{i % 7}", path=f"/{i % 5}")
    history.wait(1)
    told = about(history)
    assert (told["detector"], told["detectors"]) == ("peers", [])
    assert "with 95 % confidence" in told["because"]
    history.serve_time("wlg-1")
    assert about(history)["because"] == told["because"]
    for _ in range(3):
        history.trial("wlg-1")
    assert about(history)["because"] == "3 trials passed"


def test_a_probing_node_tells_what_it_waits_for() -> None:
    history = History(town(2, 1, checked=True))
    history.fail("wlg-1", 3)
    history.serve_time("wlg-1")
    assert about(history)["returns"] == "its active check: 0 of 2 passes in a row, then 3 trials"
    history.check("wlg-1", passed=True, times=2)
    history.trial("wlg-1")
    assert about(history)["returns"] == "trials: 1 of 3 succeeded, then the ramp"


def test_a_node_that_must_pass_first_waits_for_its_checks_alone() -> None:
    history = History(town(2, 1, checked=True, must_pass_first=True))
    assert about(history)["returns"] == "its active check: 0 of 2 passes in a row"


def test_what_an_operator_did_an_operator_undoes() -> None:
    history = History(town(2, 1))
    history.ledger.eject("wlg-1", history.now, history.mono)
    assert about(history)["returns"] == "an operator who restores it"
    history.ledger.drain("wlg-2", True, history.now, history.mono)
    assert about(history, "wlg-2")["returns"] == "the end of its drain"
    assert about(history, "wlg-2")["operator"] == ["restore"]
