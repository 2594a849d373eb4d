from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from steer.sessions.keyring import KNOWN_AFTER
from tests.cli.conftest import Run
from tests.kit.admin import RunningAdmin, running_admin
from tests.kit.keys import Keys


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path)


@pytest.fixture
async def keeping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: Keys) -> AsyncIterator[RunningAdmin]:
    async with running_admin(tmp_path, rings={"affinity": keys}) as running:
        monkeypatch.setenv("STEER_ADMIN", running.url)
        monkeypatch.setenv("STEER_STATE", str(tmp_path / "state"))
        yield running


@pytest.mark.usefixtures("keeping")
async def test_a_rotation_says_what_to_do_next(run: Run, keys: Keys) -> None:
    added = await run("keys", "rotate", "affinity")
    assert added.exit_code == 0
    assert added.output.startswith("key ")
    assert f"Copy {keys.file} to every other edge, then say this once more" in " ".join(added.output.split())
    early = await run("keys", "rotate", "affinity")
    assert early.exit_code == 1
    assert "too new" in early.output
    keys.clock.advance(KNOWN_AFTER)
    done = await run("keys", "rotate", "affinity", "--reason", "monthly", "--json")
    said = json.loads(done.output)
    assert (said["step"], said["key"]) == ("activated", keys.ring().active.id)


@pytest.mark.usefixtures("keeping")
async def test_keys_are_listed_without_themselves(run: Run, keys: Keys) -> None:
    listed = await run("keys", "list")
    header, row = listed.output.splitlines()
    assert header.split()[:3] == ["RING", "KEY", "STATE"]
    assert row.split()[:3] == ["affinity", keys.ring().active.id, "active"]
    assert [ring["name"] for ring in json.loads((await run("keys", "list", "--json")).output)] == ["affinity"]


@pytest.mark.usefixtures("admin")
async def test_without_cookies_there_are_none(run: Run) -> None:
    said = (await run("keys", "list")).output
    assert said == "no service has cookies of affinity and no namespace is sealed, so there are no keys\n"


async def test_a_ring_that_there_is_not_is_a_wrong_use(run: Run) -> None:
    assert (await run("keys", "rotate", "tokens")).exit_code == 2
