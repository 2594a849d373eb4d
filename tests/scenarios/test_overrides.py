"""What an operator sets: how soon it holds everywhere, what it survives, and what is refused."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.kit.waiting import until
from tests.scenarios.town import PINNED, Edge, Town, configuration, town
from tests.scenarios.traffic import Connection, Response

HOLDS_WITHIN = 0.2
WORKERS = 4


@pytest.fixture(scope="module", params=[(), ("--workers", "0")], ids=["4 workers", "no workers"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    tree = configuration(WORKERS, wellington=("wlg-1", "wlg-2"), auckland=("akl-1", "akl-2"))
    tree["pools"]["web"]["ejection"] = {"ramp": "100ms"}
    tree["groups"]["website"] |= {"safety": {"pause": "0s"}, "back_after": "0s"}
    with town(tmp_path_factory.mktemp("town"), tree, *request.param) as place:
        yield place


@pytest.fixture
async def place(shared: Town) -> AsyncIterator[Town]:
    """Every datacentre serves again before the next test begins."""
    yield shared
    for override in (await shared.edge.api("/overrides"))["items"]:
        await shared.edge.api(f"/overrides/{override['id']}", "DELETE", reason="the test is over")
    for wanted in ("wlg-1", "wlg-2", "akl-1", "akl-2"):
        await shared.edge.wait_for_answer(lambda answer, wanted=wanted: answer.node == wanted)  # type: ignore[misc]


class Watcher:
    """Asks every worker, again and again, where requests go: how long each took to follow a change."""

    def __init__(self, connections: Mapping[int, Connection]) -> None:
        self.connections = connections
        self.answers: dict[int, list[tuple[float, Response]]] = {pid: [] for pid in connections}

    async def watch(self, pid: int) -> None:
        while True:
            began = time.monotonic()
            self.answers[pid].append((began, await self.connections[pid].ask()))
            await asyncio.sleep(0.002)

    def last_use(self, datacentre: str) -> float:
        """When the last request that went there had begun, whatever the worker. Monotonic."""
        used = [at for answers in self.answers.values() for at, answer in answers if answer.datacentre == datacentre]
        return max(used, default=0.0)

    async def wait_for(self, more: int) -> None:
        """So many more answers of each worker."""
        wanted = {pid: len(answers) + more for pid, answers in self.answers.items()}
        await until(lambda: all(len(self.answers[pid]) >= n for pid, n in wanted.items()), f"{more} answers of each")


@asynccontextmanager
async def watching(edge: Edge) -> AsyncIterator[Watcher]:
    watcher = Watcher(await edge.connect_to_each_worker())
    tasks = [asyncio.create_task(watcher.watch(pid)) for pid in watcher.connections]
    try:
        yield watcher
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for connection in watcher.connections.values():
            await connection.close()
        assert [result for result in results if not isinstance(result, asyncio.CancelledError)] == []


async def datacentres(edge: Edge, requests: int = 40) -> set[str]:
    return {(await edge.ask()).datacentre for _ in range(requests)}


async def test_a_weight_holds_in_every_worker_within_200_ms(place: Town) -> None:
    async with watching(place.edge) as watcher:
        for target, left in (("wellington", "auckland"), ("auckland", "wellington"), ("wellington", "auckland")):
            await watcher.wait_for(20)
            set_at = time.monotonic()
            weights = {target: 100, left: 0}
            await place.edge.api("/groups/website/weights", "PUT", weights=weights, reason="test")
            assert time.monotonic() - set_at < HOLDS_WITHIN
            await watcher.wait_for(100)
            assert watcher.last_use(left) < set_at + HOLDS_WITHIN


async def test_what_was_set_holds_after_the_whole_edge_was_killed(place: Town) -> None:
    edge = place.edge
    await edge.api("/groups/website/weights", "PUT", weights={"wellington": 0, "auckland": 100}, reason="kept")
    await edge.api("/overrides", "POST", kind="drain", target={"node": "akl-1"}, reason="kept too")
    before = await edge.api("/overrides")
    edge.kill()
    edge.start()
    edge.wait_until_ready()
    assert await edge.api("/overrides") == before
    connections = await edge.connect_to_each_worker()
    answers = [await connection.ask() for connection in connections.values() for _ in range(20)]
    assert {answer.node for answer in answers} == {"akl-2"}
    for connection in connections.values():
        await connection.close()


async def test_a_drained_node_gets_nothing_until_it_is_restored(place: Town) -> None:
    edge = place.edge
    status, output, _ = await edge.command("drain", "wlg-1", "--reason", "patching", "--json")
    override = json.loads(output)
    assert (status, override["kind"], override["target"]) == (0, "drain", {"node": "wlg-1"})
    assert {(await edge.ask()).node for _ in range(60)} == {"wlg-2", "akl-1", "akl-2"}
    assert (await edge.node("wlg-1"))["drained"]
    status, _, _ = await edge.command("restore", "wlg-1", "--reason", "patched", "--json")
    assert status == 0
    await edge.wait_for_answer(lambda answer: answer.node == "wlg-1")
    assert (await edge.api("/overrides"))["items"] == []


async def test_an_ejected_datacentre_is_only_reached_by_its_own_hostname(place: Town) -> None:
    edge = place.edge
    status, output, _ = await edge.command("eject", "auckland", "--reason", "fire", "--json")
    assert (status, json.loads(output)["target"]) == (0, {"datacentre": "auckland"})
    assert await datacentres(edge) == {"wellington"}
    assert (await edge.ask(host=PINNED)).datacentre == "auckland"
    status, _, _ = await edge.command("restore", "auckland", "--reason", "out")
    assert status == 0
    await edge.wait_for_answer(lambda answer: answer.datacentre == "auckland")


async def test_an_override_ends_by_itself(place: Town) -> None:
    edge = place.edge
    weights = {"wellington": 0, "auckland": 100}
    await edge.api("/groups/website/weights", "PUT", weights=weights, reason="test", expires_in="1s")
    set_at = time.monotonic()
    assert await datacentres(edge) == {"auckland"}
    while (await edge.ask()).datacentre != "wellington":
        assert time.monotonic() - set_at < 1 + HOLDS_WITHIN + 0.5
    assert time.monotonic() - set_at > 0.8
    assert (await edge.api("/overrides"))["items"] == []


async def test_what_would_leave_nothing_is_refused_by_the_rule_s_name_unless_it_is_forced(place: Town) -> None:
    edge = place.edge
    assert (await edge.command("drain", "auckland", "--reason", "one"))[0] == 0
    status, _, errors = await edge.command("drain", "wellington", "--reason", "and the other")
    assert status == 1
    assert errors.count("\n") == 1
    assert "at least 1 must stay" in errors
    refused = await edge.api("/overrides", "POST", kind="drain", target={"datacentre": "wellington"}, reason="again")
    assert (refused["status"], refused["rule"]) == (409, "at_least")
    assert await datacentres(edge, 10) == {"wellington"}
    assert (await edge.command("drain", "wellington", "--reason", "I know", "--force"))[0] == 0
    answer = await edge.ask()
    assert (answer.status, answer.error) == (503, "no_node")


async def test_a_group_takes_one_change_in_five_seconds(tmp_path: Path) -> None:
    with town(tmp_path, configuration(1)) as place:
        edge = place.edge
        assert (await edge.command("weights", "website", "wellington=90", "auckland=10", "--reason", "one"))[0] == 0
        status, _, errors = await edge.command("weights", "website", "wellington=50", "--reason", "two")
        assert status == 1
        assert "less than 5 s ago" in errors
        forced = await edge.command("weights", "website", "wellington=50", "--reason", "two", "--force", "--json")
        assert forced[0] == 0
        assert (await edge.api("/groups/website"))["weights"] == {"wellington": 50, "auckland": 10}
