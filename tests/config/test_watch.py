from __future__ import annotations

from pathlib import Path

import pytest

from steer.config.watch import LOOK_EVERY, SETTLE, Watch, stamp_of


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "steer.yaml"
    file.write_text("one")
    return file


def noticed(watch: Watch, begin: float, seconds: float) -> list[float]:
    """When it said so, looking ten times a second."""
    moments = [begin + step / 10 for step in range(int(seconds * 10))]
    return [moment for moment in moments if watch.look(moment)]


def test_a_file_that_rests_is_never_noticed(file: Path) -> None:
    assert noticed(Watch(file, stamp_of(file)), 100.0, 5.0) == []


def test_a_change_is_noticed_once_and_after_it_has_settled(file: Path) -> None:
    watch = Watch(file, stamp_of(file))
    watch.look(100.0)
    file.write_text("two and more")
    (moment,) = noticed(watch, 100.1, 5.0)
    assert 100.0 + LOOK_EVERY + SETTLE <= moment <= 100.0 + LOOK_EVERY + SETTLE + 0.2


def test_while_it_is_still_written_nothing_is_said(file: Path) -> None:
    watch = Watch(file, stamp_of(file))
    for step in range(20):
        file.write_text("x" * step)
        assert not watch.look(100.0 + step / 10)
    assert len(noticed(watch, 102.0, 1.0)) == 1


def test_a_file_that_is_away_for_a_moment_is_no_change(file: Path) -> None:
    watch = Watch(file, stamp_of(file))
    file.rename(file.with_suffix(".old"))
    assert noticed(watch, 100.0, 3.0) == []
    file.with_suffix(".old").rename(file)
    assert noticed(watch, 103.0, 3.0) == []


def test_what_was_read_meanwhile_is_no_change(file: Path) -> None:
    watch = Watch(file, stamp_of(file))
    file.write_text("two and more")
    watch.read(stamp_of(file))
    assert noticed(watch, 100.0, 3.0) == []
