"""`steer demo`: what it refuses. That it runs is in tests/demo/test_show.py."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from steer.cli.demo import register
from steer.demo.ports import Ports


def run(*arguments: str) -> Result:
    app = typer.Typer()
    register(app)
    return CliRunner().invoke(app, arguments)


@pytest.fixture
def port() -> int:
    return Ports().near(19100)


def test_a_taken_port_is_one_line_and_status_1(port: int) -> None:
    with socket.create_server(("127.0.0.1", port)):
        result = run("--port", str(port))
    assert result.exit_code == 1
    assert result.stderr == f"steer demo: port {port} is taken (choose another with --port)\n"
    assert result.stdout == ""


def test_a_wrong_file_prints_every_problem_and_is_status_1(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("version: 1\nlisteners: 3\npools: 4\n")
    result = run("--config", str(wrong))
    assert result.exit_code == 1
    assert f"{wrong}:2: listeners: " in result.stderr
    assert f"{wrong}:3: pools: " in result.stderr


@pytest.mark.parametrize("text", ["soon", "60", "-1s", ""])
def test_a_duration_that_is_none_is_a_usage_error(text: str) -> None:
    result = run("--for", text)
    assert result.exit_code == 2
    assert "must be a duration" in result.stderr


def test_nothing_is_left_in_the_temporary_folder_after_a_refusal(
    port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with socket.create_server(("127.0.0.1", port)):
        assert run("--port", str(port)).exit_code == 1
    assert list(tmp_path.iterdir()) == []
