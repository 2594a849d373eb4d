"""Moving a group from the command line: failover, failback, hold, release, and what the others show of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from steer.cli import moving
from steer.control.keeper import Keeper
from steer.steering.model import FailbackRules, FailoverRules, Rule, When
from tests.cli.conftest import Run
from tests.kit.admin import RunningAdmin, portal_topology, running_admin


@pytest.fixture
async def portal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RunningAdmin]:
    """With a group `portal` that is at Wellington, and a rule of `website`."""
    places = portal_topology(
        failover=FailoverRules(automatic=True), failback=FailbackRules(ramp=(10, 100), hold=60), pause=0.0
    )
    rules = (
        Rule("canary", When(paths=("/",)), {"wellington": 90.0, "auckland": 10.0}),
        Rule("near", When(), nearest=True),
    )
    website = replace(places.groups["website"], rules=rules)
    async with running_admin(tmp_path, places=replace(places, groups={**places.groups, "website": website})) as running:
        monkeypatch.setenv("STEER_ADMIN", running.url)
        monkeypatch.setenv("STEER_STATE", str(tmp_path / "state"))
        monkeypatch.setattr(moving, "POLL", 0.01)
        yield running


def keeper_of(admin: RunningAdmin) -> Keeper:
    assert isinstance(admin.context.keeper, Keeper)
    return admin.context.keeper


async def until_it_leaves(admin: RunningAdmin) -> None:
    for _ in range(10_000):
        if keeper_of(admin).group_report("portal").stage == "leaving":
            return
        await asyncio.sleep(0.001)
    raise AssertionError("portal never left")


async def pass_time(admin: RunningAdmin, seconds: float) -> None:
    """As control does, while a command follows."""
    for _ in range(round(seconds / 10)):
        admin.clock.advance(10)
        keeper_of(admin).tick()
        await asyncio.sleep(0.001)


async def test_a_failover_is_followed_until_nobody_is_left(portal: RunningAdmin, run: Run) -> None:
    command = asyncio.ensure_future(run("failover", "portal", "--reason", "fire"))
    await until_it_leaves(portal)
    assert not command.done()
    await pass_time(portal, 310)
    result = await command
    assert (result.exit_code, result.output) == (0, "portal is at auckland\n")


async def test_without_waiting_it_says_what_has_begun(portal: RunningAdmin, run: Run) -> None:
    result = await run("failover", "portal", "--to", "auckland", "--reason", "fire", "--no-wait")
    assert result.output == "portal is at auckland, leaving wellington: 0 clients left, 5 min left\n"
    status = await run("status")
    assert "at auckland, leaving wellington: 0 clients left, 5 min left" in status.output
    found = json.loads((await run("failover", "portal", "--ungraceful", "--reason", "no time", "--json")).output)
    assert (found["at"], found["stage"], found["stays"]) == ("auckland", "away", [])


async def test_a_failback_is_followed_through_its_ramp(portal: RunningAdmin, run: Run) -> None:
    await run("failover", "portal", "--ungraceful", "--reason", "fire")
    begun = await run("failback", "portal", "--reason", "out", "--no-wait")
    assert begun.output == "portal is at auckland, returning: 10 % to wellington\n"
    assert "at auckland, 10 % to wellington" in (await run("status")).output
    command = asyncio.ensure_future(run("failback", "portal", "--force", "--reason", "now", "--json"))
    await until_it_leaves(portal)
    await pass_time(portal, 310)
    assert json.loads((await command).output)["stage"] == "home"


async def test_who_follows_is_told_when_somebody_turns_it_round(portal: RunningAdmin, run: Run) -> None:
    command = asyncio.ensure_future(run("failover", "portal", "--reason", "fire"))
    await until_it_leaves(portal)
    keeper_of(portal).failover("portal", "wellington", ungraceful=False, owner="other", reason="no fire", force=False)
    result = await command
    assert result.exit_code == 1
    assert "portal goes to wellington now" in result.output


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("failover", "portal"), 2, "a change needs --reason"),
        (("failover", "portal", "--to", "wellington", "--reason", "r"), 1, "portal is at wellington already"),
        (("failover", "portal", "--to", "nowhere", "--reason", "r"), 1, "no datacentre is called 'nowhere'"),
        (("failover", "website", "--reason", "r"), 1, "`steer drain DATACENTRE --group website`"),
        (("failback", "portal", "--reason", "r"), 1, "portal is at home already: wellington"),
        (("failback", "nope", "--reason", "r"), 1, "no group is called 'nope'"),
        (("release", "portal", "--reason", "r"), 1, "portal is not held"),
        (("hold", "nope", "--reason", "r"), 1, "no group is called 'nope'"),
        (("weights", "portal", "wellington=1", "--reason", "r"), 1, "`steer failover portal` moves it"),
        (("weights", "website", "--rule", "nope"), 1, "no rule of website is called 'nope'"),
    ],
)
async def test_what_cannot_be_is_one_line_with_what_to_do(
    portal: RunningAdmin, run: Run, words: tuple[str, ...], status: int, said: str
) -> None:
    result = await run(*words)
    assert result.exit_code == status
    assert said in result.output
    assert result.output.count("\n") == 1


async def test_a_held_group_says_so_until_it_is_released(portal: RunningAdmin, run: Run) -> None:
    result = await run("hold", "portal", "--reason", "network works", "--expires", "2h")
    assert result.output.startswith("held portal until 2023-11-15 00:13:20Z (")
    assert "HELD by hold: local: network works" in (await run("status")).output
    listed = (await run("overrides")).output.splitlines()[1].split()
    assert listed[1:4] == ["hold", "portal", "local"]
    assert (await run("release", "portal", "--reason", "over")).output == "released portal\n"
    assert (await run("overrides")).output == "nothing is overridden\n"


async def test_a_drain_counts_its_clients_down(portal: RunningAdmin, run: Run) -> None:
    assert (await run("drain", "auckland", "--group", "portal", "--reason", "patching")).exit_code == 0
    keeper_of(portal).tick()
    keeper_of(portal).count(0, {"bound": {"portal": {"auckland": [1]}}})
    assert (await run("overrides")).output.splitlines()[-1] == "portal: leaving auckland: 1 client left, 5 min left"
    (place,) = [each for each in (await portal.get("/api/v1/groups/portal")).body["datacentres"] if each["until"]]
    assert place["name"] == "auckland"


async def test_weights_of_a_rule_are_shown_and_set(portal: RunningAdmin, run: Run) -> None:
    words = ("weights", "website", "wellington=80", "auckland=20", "--rule", "canary", "--reason", "more")
    result = await run(*words)
    assert result.output.splitlines()[1].split() == ["wellington", "80", "90"]
    shown = (await run("weights", "website")).output.splitlines()
    assert shown[-2:] == ["rule canary: wellington=80 auckland=20 (overridden)", "rule near: the nearest"]
    assert "rule canary wellington=80 auckland=20" in " ".join((await run("overrides")).output.split())
    assert (await run("weights", "website", "--rule", "near")).output == "rule near goes to the nearest datacentre\n"
