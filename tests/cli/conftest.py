from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from steer.cli import audit, config, explain, keys, moving, overrides, ping, previews, sessions, status, token, weights
from tests.kit.admin import RunningAdmin, running_admin

Run = Callable[..., Awaitable[Result]]


@pytest.fixture
def app() -> typer.Typer:
    """The commands as the command line has them, without those of the edge itself."""
    made = typer.Typer(pretty_exceptions_enable=False)
    for module in (audit, config, explain, keys, moving, overrides, ping, previews, sessions, status, token, weights):
        module.register(made)
    return made


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STEER_ADMIN", "STEER_TOKEN", "STEER_STATE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def admin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RunningAdmin]:
    """A running edge's admin API; the commands find it, and its local token, by the environment."""
    async with running_admin(tmp_path) as running:
        monkeypatch.setenv("STEER_ADMIN", running.url)
        monkeypatch.setenv("STEER_STATE", str(tmp_path / "state"))
        yield running


@pytest.fixture
def run(app: typer.Typer) -> Run:
    """Run a command in a thread, while the API answers in the loop."""

    async def invoke(*words: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, app, list(words))

    return invoke
