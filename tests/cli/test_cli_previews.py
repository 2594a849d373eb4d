"""`--preview` and `steer apply` from the command line."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from steer.steering.model import Bound
from steer.steering.samples import Sample
from tests.cli.conftest import Run
from tests.kit.admin import RunningAdmin, portal_topology, running_admin
from tests.kit.samples import clients, tell


@pytest.fixture
async def portal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RunningAdmin]:
    """A group `website` with 10 requests a second, and a group `portal` with clients that stay at Wellington."""
    places = portal_topology()
    nodes = tuple(replace(node, capacity=20.0) for node in places.nodes)
    places = replace(places, nodes=nodes, pools={"web": replace(places.pools["web"], nodes=nodes)})
    async with running_admin(tmp_path, places=places) as running:
        known = [Sample("www", "web", client) for client in clients(120)]
        bound = [Sample("portal", "web", client, bound=Bound("wellington", "wlg-1")) for client in clients(50)]
        counted = {("www", "website", "wellington"): 10, ("portal", "portal", "wellington"): 5}
        tell(running.context.totals, [*known, *bound], counted)
        monkeypatch.setenv("STEER_ADMIN", running.url)
        monkeypatch.setenv("STEER_STATE", str(tmp_path / "state"))
        yield running


async def test_it_is_shown_and_then_applied_by_its_id(portal: RunningAdmin, run: Run) -> None:
    shown = await run("weights", "website", "wellington=0", "--reason", "patching", "--preview")
    lines = shown.output.splitlines()
    id = lines[-1].rpartition(" ")[2]
    assert (shown.exit_code, lines) == (
        0,
        [
            "website: 120 samples of 120 clients, the oldest 0 s old, 10.0 requests a second",
            "DATACENTRE  NOW     WITHOUT  WITH    SHARE WITHOUT  SHARE WITH",
            "wellington  10.0/s  5.0/s    0.0/s   50 %           0 %",
            "auckland    0.0/s   5.0/s    10.0/s  50 %           100 %",
            "50 % of the clients move (give or take 9 points)",
            "web in wellington, if one more node dies: carries 20 of 5.0 requests a second, headroom 15",
            "web in auckland, if one more node dies: carries 0 of 10.0 requests a second, short 10",
            "safety rules that pass: pause (website), at_least (website), min_nodes (website)",
            f"nothing is changed; until 2023-11-14 22:28:20Z: steer apply {id}",
        ],
    )
    assert portal.context.keeper.overrides() == ()
    done = await run("apply", id)
    assert (done.exit_code, done.output) == (0, f"applied {id}\n")
    assert portal.context.keeper.overrides()[0].value == {"wellington": 0.0}
    again = await run("apply", id)
    assert again.exit_code == 1
    assert "was applied already" in again.output


async def test_of_too_few_samples_it_says_so_and_of_sessions_who_may_stay(portal: RunningAdmin, run: Run) -> None:
    shown = await run("failover", "portal", "--reason", "fire", "--preview")
    assert shown.output.startswith(
        "portal: too few samples: 50 samples of 50 clients, the oldest 0 s old, 5.0 requests"
    )
    assert "0 % of 50 sessions move, 100 % may stay until the drain ends" in shown.output
    portal.clock.advance(400)
    shown = await run("failover", "portal", "--reason", "fire", "--preview")
    assert shown.output.startswith("portal: too few samples: none of the last minutes, 0.0 requests a second\n")
    assert "wellington  0.0/s  ?        ?     ?" in shown.output


async def test_a_rule_that_refuses_is_said_and_the_answer_is_no(portal: RunningAdmin, run: Run) -> None:
    refused = await run("weights", "website", "wellington=0", "auckland=0", "--reason", "r", "--preview")
    assert refused.exit_code == 1
    assert "at_least refuses: website would have no datacentre with weight" in refused.output
    assert "  (refused)" not in refused.output
    forced = await run("weights", "website", "wellington=0", "auckland=0", "--reason", "r", "--preview", "--force")
    assert forced.exit_code == 0
    assert "at_least would refuse, and is overridden" in forced.output


@pytest.mark.parametrize(
    "words",
    [
        ("drain", "wlg-1"),
        ("eject", "auckland", "--group", "website"),
        ("hold", "portal", "--expires", "2h"),
        ("failover", "portal", "--to", "auckland", "--ungraceful"),
    ],
)
async def test_other_changes_have_previews_too(portal: RunningAdmin, run: Run, words: tuple[str, ...]) -> None:
    shown = await run(*words, "--reason", "r", "--preview", "--json")
    assert shown.exit_code == 0
    found = json.loads(shown.output)
    assert (found["kind"], found["verdict"]) == (words[0], "passes")
    assert portal.context.keeper.overrides() == ()
    applied = json.loads((await run("apply", found["id"], "--json")).output)
    assert {"kind", "group"} & applied.keys()


async def test_and_so_have_those_that_take_something_back(portal: RunningAdmin, run: Run) -> None:
    await run("drain", "wlg-1", "--reason", "r")
    await run("hold", "portal", "--reason", "r")
    id = json.loads((await run("overrides", "--json")).output)[0]["id"]
    await run("failover", "portal", "--ungraceful", "--reason", "r", "--no-wait")
    for words in (("restore", "wlg-1"), ("release", "portal"), ("overrides", "--lift", id), ("failback", "portal")):
        shown = await run(*words, "--reason", "r", "--preview", "--json")
        assert (shown.exit_code, json.loads(shown.output)["verdict"]) == (0, "passes"), words
    assert len(portal.context.keeper.overrides()) == 2


async def test_a_preview_of_no_weights_is_a_mistake(portal: RunningAdmin, run: Run) -> None:
    assert (await run("weights", "website", "--reason", "r", "--preview")).exit_code == 2
