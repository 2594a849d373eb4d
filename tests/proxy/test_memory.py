from __future__ import annotations

from pathlib import Path

import pytest

from steer.proxy import memory


def test_what_is_kept_is_counted() -> None:
    before = memory.resident()
    kept = bytearray(b"x" * 32 * 1024 * 1024)
    assert memory.resident() - before > len(kept) // 2


def test_each_process_may_have_its_share_of_the_machine() -> None:
    assert memory.allowed(1) > memory.resident()
    assert memory.allowed(4) == memory.allowed(1) // 4


@pytest.mark.parametrize(
    ("written", "allowed"), [("67108864\n", 67_108_864), ("max\n", None), ("9223372036854771712\n", None)]
)
def test_a_control_group_may_allow_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str, allowed: int | None
) -> None:
    machine = memory.allowed(1)
    (tmp_path / "memory.max").write_text(written)
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    assert memory.allowed(1) == (allowed or machine)
