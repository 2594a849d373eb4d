from __future__ import annotations

import io
import json

import pytest

from steer.control.events import Event, Events, Level
from tests.kit.clock import ManualClock


def test_events_are_numbered_and_told_from_any_number_on() -> None:
    events = Events(ManualClock(), stream=io.StringIO())
    ejected = events.record("ejected", "wlg-1", "consecutive_gateway_failures", Level.WARNING)
    serving = events.record("serving", "wlg-1")
    assert events.since() == (ejected, serving)
    assert events.since(ejected.number) == (serving,)
    assert events.since(serving.number) == ()


def test_only_the_last_ones_are_kept() -> None:
    events = Events(ManualClock(), stream=io.StringIO(), most=3)
    for number in range(5):
        events.record("serving", f"wlg-{number}")
    assert [event.number for event in events.since()] == [3, 4, 5]


def test_a_listener_hears_each_event_until_it_stops() -> None:
    events, heard = Events(ManualClock(), stream=io.StringIO()), list[Event]()
    stop = events.listen(heard.append)
    first = events.record("serving", "wlg-1")
    stop()
    stop()
    events.record("serving", "wlg-2")
    assert heard == [first]


def test_an_event_is_one_line_of_json_in_the_log() -> None:
    log = io.StringIO()
    events = Events(ManualClock(wall=1_700_000_000.25), stream=log)
    events.record("ejected", "wlg-1", "3 gateway failures\nin a row", Level.WARNING)
    assert log.getvalue().count("\n") == 1
    assert json.loads(log.getvalue()) == {
        "time": "2023-11-14T22:13:20.250Z",
        "level": "warning",
        "event": "ejected",
        "what": "wlg-1",
        "reason": "3 gateway failures\nin a row",
    }


def test_the_log_leaves_out_what_is_below_its_level_and_the_ring_does_not() -> None:
    log = io.StringIO()
    events = Events(ManualClock(), Level.WARNING, log)
    events.record("serving", "wlg-1", level=Level.INFO)
    events.record("out", "wellington", level=Level.ERROR)
    assert [json.loads(line)["what"] for line in log.getvalue().splitlines()] == ["wellington"]
    assert len(events.since()) == 2


def test_without_a_stream_the_log_is_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    Events(ManualClock()).record("serving", "wlg-1")
    assert json.loads(capsys.readouterr().err)["what"] == "wlg-1"


def test_a_log_that_nobody_reads_any_more_does_not_stop_the_edge() -> None:
    log = io.StringIO()
    log.close()
    events = Events(ManualClock(), stream=log)
    assert events.record("serving", "wlg-1") in events.since()
