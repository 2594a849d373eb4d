"""A group that is at one datacentre is moved, by hand and by itself, under load and over the death of everything."""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from tests.kit.edge import Tree
from tests.kit.waiting import until
from tests.scenarios.town import Edge, configuration, town
from tests.scenarios.traffic import Answer, Connection, Load


def passive(**group: Any) -> Tree:
    """At Wellington, and could be at Auckland."""
    tree = configuration(2)
    rules = {"mode": "active-passive", "order": ["wellington", "auckland"], "safety": {"pause": "0s"}}
    tree["groups"]["website"] = {**rules, "out_after": "0s", "back_after": "0s", **group}
    tree["pools"]["web"]["ejection"] = {"ramp": "100ms", "base_time": "500ms", "max_time": "500ms"}
    return tree


Group = dict[str, Any]


async def wait_for_group(edge: Edge, is_so: Callable[[Group], bool]) -> Group:
    deadline = time.monotonic() + 15
    while not is_so(found := await edge.api("/groups/website")):
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.02)
    return cast("Group", found)


def at(datacentre: str, stage: str) -> Callable[[Group], bool]:
    return lambda group: (group["at"], group["stage"]) == (datacentre, stage)


async def test_a_move_by_hand_fails_no_request_and_no_other_datacentre_takes_one_before_or_after(
    tmp_path: Path,
) -> None:
    with town(tmp_path, passive()) as place:
        edge = place.edge
        async with Load(edge.port(), rate=200) as load:
            await load.wait_for(50)
            assert load.nodes.keys() == {"wlg-1"}
            status, output, errors = await edge.command("failover", "website", "--reason", "patching", "--json")
            assert (status, errors) == (0, "")
            assert json.loads(output)["at"] == "auckland"
            before = load.nodes["wlg-1"]
            await load.wait_for(100)
            assert load.nodes["wlg-1"] - before <= len(load.connections)
            status, output, _ = await edge.command("failback", "website", "--reason", "patched")
            assert (status, output) == (0, "website is at wellington\n")
            await load.wait_for_node("wlg-1", 100)
        assert load.failures == []


GRACE = 0.5
"""Seconds after an acknowledged move until every worker of a busy machine surely knows: more than twice the promise."""


class Itinerary:
    """Where a group was, by wall times: from when on, and from when on surely not any more."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._stays: list[tuple[float, float, str]] = [(0.0, math.inf, "wellington")]

    async def move(self, to: str) -> None:
        asked = time.time()
        await self._edge.api("/groups/website/failover", "POST", to=to, reason="back and forth")
        since, _, at = self._stays.pop()
        self._stays += [(since, time.time() + GRACE, at), (asked, math.inf, to)]

    def allows(self, answer: Answer) -> bool:
        """Nowhere is allowed too: the edge's own answers."""
        there = {at for since, until, at in self._stays if since <= answer.ended and answer.began <= until}
        return answer.response is None or answer.response.datacentre in {"", *there}


async def test_whoever_dies_and_whatever_is_reloaded_nothing_goes_where_the_group_was_once_a_move_is_acknowledged(
    tmp_path: Path,
) -> None:
    with town(tmp_path, passive()) as place:
        edge = place.edge
        itinerary = Itinerary(edge)
        async with Load(edge.port(), rate=150, keeps=False) as load:
            await itinerary.move("auckland")
            os.kill(edge.workers[0], signal.SIGKILL)
            await load.wait_for(200)
            control = edge.control
            await itinerary.move("wellington")
            os.kill(control, signal.SIGKILL)
            await load.wait_for(100)
            await until(lambda: edge.has_other_control(control), "another control")
            await edge.wait_for_workers(2)
            place.origins["wlg-1"].kill()
            os.kill(edge.process.pid, signal.SIGHUP)
            await load.wait_for(200)
        assert load.nodes.keys() >= {"wlg-1", "akl-1"}
        assert [answer for answer in load.answers if not itinerary.allows(answer)] == []


async def bound_to(edge: Edge, datacentre: str) -> str:
    """The cookie of a client that belongs there."""
    answer = await edge.ask()
    assert answer.datacentre == datacentre
    return answer.fields["set-cookie"].partition(";")[0]


async def where(edge: Edge, cookie: str) -> str:
    async with await Connection.open(edge.port()) as connection:
        return (await connection.ask(fields={"Cookie": cookie})).datacentre


async def test_who_stays_while_the_group_leaves_stays_after_the_death_of_everything(tmp_path: Path) -> None:
    tree = passive(drain={"sessions": "5m"})
    tree["services"]["www"]["affinity"] = {"cookie": "steer", "idle": "60s"}
    with town(tmp_path, tree) as place:
        edge = place.edge
        cookie = await bound_to(edge, "wellington")
        begun = await edge.api("/groups/website/failover", "POST", reason="patching")
        assert (begun["group"]["at"], begun["group"]["stage"]) == ("auckland", "leaving")
        edge.kill()
        edge.start()
        edge.wait_until_ready()
        again = await edge.api("/groups/website")
        assert (again["at"], again["stage"]) == ("auckland", "leaving")
        assert 0 < again["stays"][0]["seconds_left"] < 300
        assert await where(edge, cookie) == "wellington"
        assert (await edge.ask()).datacentre == "auckland"
        await wait_for_group(edge, lambda group: group["stays"][0]["clients_left"] == 1)
        await edge.api("/groups/website/failover", "POST", reason="no more time", ungraceful=True)
        await edge.wait_for_answer(lambda answer: answer.datacentre == "auckland")
        assert await where(edge, cookie) == "auckland"


async def test_it_fails_over_and_back_by_itself(tmp_path: Path) -> None:
    tree = passive(
        failover={"automatic": True, "after": "300ms"},
        failback={"automatic": True, "after": "300ms", "ramp": [50, 100], "hold": "300ms"},
    )
    with town(tmp_path, tree) as place:
        edge, origin = place.edge, place.origins["wlg-1"]
        async with Load(edge.port(), rate=100) as load:
            await load.wait_for_node("wlg-1", 20)
            origin.kill()
            moved = await wait_for_group(edge, at("auckland", "away"))
            assert moved["moved_because"] == "automatic: wellington was out for 0.3 s"
            assert moved["failovers_in_24h"] == 1
            await load.wait_for_node("akl-1", 20)
            origin.start()
            origin.wait_until_listening()
            await wait_for_group(edge, at("wellington", "home"))
            came_back = Counter(load.nodes)
            await load.wait_for_node("wlg-1", 20)
            assert load.nodes["akl-1"] - came_back["akl-1"] <= len(load.connections)
        failed = {answer.failure for answer in load.failures}
        assert all(failure.startswith(("502", "503", "504")) for failure in failed), failed
        await until(lambda: "group_moved" in edge.log, "the log says it")
