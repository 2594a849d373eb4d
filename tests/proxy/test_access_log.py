from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steer.proxy import access_log
from steer.proxy.access_log import AccessLog, Stamp, escaped


def test_lines_wait_for_the_flush_and_are_appended_in_order(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_text("old\n")
    log = AccessLog(str(path))
    log.add("one\n")
    log.add("two\n")
    assert path.read_text() == "old\n"
    log.flush()
    assert path.read_text() == "old\none\ntwo\n"


def test_off_keeps_nothing() -> None:
    assert not AccessLog("off").on


def test_a_pipe_that_nobody_reads_loses_lines_and_counts_them_and_never_blocks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(access_log, "MAX_WAITING", 100_000)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    log = AccessLog(str(fifo))
    line = "x" * 999 + "\n"
    began = time.monotonic()
    for _ in range(400):
        log.add(line)
        log.flush()
    assert time.monotonic() - began < 5
    assert log.dropped > 0
    assert os.read(reader, 1000) == line.encode()
    os.close(reader)


def test_a_pipe_whose_reader_is_slow_loses_nothing(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    log = AccessLog(str(fifo))
    sent = "".join(f"{number:0999d}\n" for number in range(300))
    log.add(sent)
    got = b""
    while len(got) < len(sent):
        log.flush()
        got += os.read(reader, 65536)
    assert got.decode() == sent
    assert log.dropped == 0
    os.close(reader)


def test_a_stamp_is_the_wall_time_of_a_monotonic_one() -> None:
    stamp = Stamp()
    text = stamp.text(time.monotonic())
    wall = time.strftime("%Y-%m-%dT%H:%M", time.gmtime())
    assert text.startswith(wall) or time.gmtime().tm_sec <= 1
    assert text.endswith("Z")
    assert len(text) == len("2026-08-22T10:00:00.000Z")


def test_stamps_rise_with_time() -> None:
    stamp = Stamp()
    now = time.monotonic()
    texts = [stamp.text(now + step / 7) for step in range(40)]
    assert texts == sorted(texts)
    assert len(set(texts)) == 40


@given(st.binary().map(lambda data: bytes(0x21 + byte % 0x5E for byte in data)))
def test_whatever_the_target_the_line_stays_json(target: bytes) -> None:
    assert json.loads(f'"{escaped(target)}"') == target.decode()
