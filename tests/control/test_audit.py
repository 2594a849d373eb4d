"""The audit: on disk, in order, whole after a crash, and bounded."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from steer.control.audit import KEPT, Audit, Change
from tests.kit.clock import ManualClock


def change(reason: str = "patching") -> Change:
    return Change("ops", "operator", "127.0.0.1", "weights.set", {"group": "website"}, reason, {"a": 1}, {"a": 2})


def reasons(records: list[dict[str, Any]]) -> list[str]:
    return [record["reason"] for record in records]


def test_a_record_is_one_line_of_json_with_who_from_where_before_and_after(tmp_path: Path) -> None:
    audit = Audit(tmp_path / "audit.jsonl", ManualClock())
    audit.record(change("one\nline ü"))
    audit.close()
    (line,) = (tmp_path / "audit.jsonl").read_text().splitlines()
    assert json.loads(line) == {
        "id": 1,
        "at": "2023-11-14T22:13:20+00:00",
        "who": "ops",
        "role": "operator",
        "from": "127.0.0.1",
        "action": "weights.set",
        "target": {"group": "website"},
        "reason": "one\nline ü",
        "before": {"a": 1},
        "after": {"a": 2},
    }
    assert stat.S_IMODE((tmp_path / "audit.jsonl").stat().st_mode) == 0o600


def test_ids_go_on_after_a_new_start(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    for expected in (1, 2, 3):
        audit = Audit(path)
        assert audit.record(change())["id"] == expected
        audit.close()


def test_a_line_torn_by_a_crash_is_passed_over_and_the_next_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    audit = Audit(path)
    audit.record(change("first"))
    audit.close()
    with path.open("ab") as file:
        file.write(b'{"id": 2, "at": "20')
    audit = Audit(path)
    audit.record(change("after the crash"))
    assert reasons(audit.page(10)) == ["after the crash", "first"]
    audit.close()


def test_pages_go_from_the_newest_to_the_oldest_over_rotations(tmp_path: Path) -> None:
    audit = Audit(tmp_path / "audit.jsonl", rotate_at=600)
    for number in range(1, 11):
        audit.record(change(str(number)))
    assert (tmp_path / "audit.jsonl.2").exists()
    first = audit.page(4)
    assert reasons(first) == ["10", "9", "8", "7"]
    assert reasons(audit.page(4, before=first[-1]["id"])) == ["6", "5", "4", "3"]
    audit.close()


def test_no_file_outgrows_its_size_and_the_oldest_goes(tmp_path: Path) -> None:
    audit = Audit(tmp_path / "audit.jsonl", rotate_at=600)
    for number in range(60):
        audit.record(change(str(number)))
    audit.close()
    files = list(tmp_path.iterdir())
    assert len(files) == KEPT + 1
    assert all(file.stat().st_size <= 600 for file in files)


def test_only_what_is_not_older_is_given(tmp_path: Path) -> None:
    clock = ManualClock()
    audit = Audit(tmp_path / "audit.jsonl", clock)
    for number in range(3):
        audit.record(change(str(number)))
        clock.advance(60)
    assert reasons(audit.page(10, since=clock.wall() - 120)) == ["2", "1"]
    audit.close()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_sends_the_record_to_the_log_and_does_not_stop_the_change(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    audit = Audit(tmp_path / "audit.jsonl")
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, audit._handle)
    os.close(full)
    record = audit.record(change("the disk is full"))
    audit.close()
    assert record["id"] == 1
    assert "the audit cannot be written" in caplog.text
    assert "the disk is full" in caplog.text
