from __future__ import annotations

import stat
from pathlib import Path

import pytest

from bench.tools import Tools, Unavailable, cache_folder


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def tools(tmp_path: Path, said: list[str]) -> Tools:
    return Tools(tmp_path / "cache", said.append)


def test_a_program_that_is_there_is_not_installed(tools: Tools, said: list[str]) -> None:
    assert tools.program("sh").endswith("/sh")
    assert said == []


def test_a_program_that_cannot_be_had_names_its_package(
    tools: Tools, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No apt-get in PATH: what a machine without it, or a user who is not root, has."""
    for name in ("dirname", "sh", "id"):
        (tmp_path / name).symlink_to(f"/usr/bin/{name}")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match=r"h2shout is not installed: apt-get install nghttp2-shout"):
        tools.program("h2shout", "nghttp2-shout")


def test_an_environment_that_is_whole_is_used_again(tools: Tools, said: list[str]) -> None:
    whole = tools._folder("nothing", ("a", "b"))
    whole.mkdir(parents=True)
    (whole / "whole").touch()
    assert tools.environment("nothing", "a", "b") == whole / "bin"
    assert said == []
    assert tools._folder("nothing", ("a",)) != whole


def test_python_2_7_is_taken_where_it_runs(tools: Tools, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "root/versions/2.7.0/bin/python2.7"
    running = tmp_path / "root/versions/2.7.9/bin/python2.7"
    for path, ending in ((broken, 1), (running, 0)):
        path.parent.mkdir(parents=True)
        path.write_text(f"#!/bin/sh\nexit {ending}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "root"))
    assert tools._python2() == str(running)


def test_without_python_2_7_and_pyenv_it_says_what_to_install(
    tools: Tools, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match=r"needs Python 2\.7: install pyenv"):
        tools._python2()


def test_the_cache_is_where_the_desktop_standard_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "steer-suites"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "steer-suites"
