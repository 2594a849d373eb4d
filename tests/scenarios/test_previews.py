"""A preview's numbers against what then really happens: an edge with two workers, and a few hundred clients."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from tests.kit.edge import Tree
from tests.scenarios.town import Town, configuration, town
from tests.scenarios.traffic import HOST, LOCAL, Connection

CHAT = "chat.agency.example"
CLIENTS = tuple(f"198.51.{100 + number // 200}.{number % 200}" for number in range(300))
TALKS = tuple(f"talk-{number}" for number in range(60))
CHANGE: Tree = {
    "kind": "weights",
    "target": {"group": "website"},
    "weights": {"wellington": 80, "auckland": 20},
    "reason": "more for the south",
}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Town]:
    """Stable clients, told by a proxy in front; the conversations of another service of the same group are learned."""
    tree = configuration(2, wellington=("wlg-1", "wlg-2"), auckland=("akl-1",))
    tree["listeners"][0] |= {"client_address": "x_forwarded_for", "trusted_proxies": [f"{LOCAL}/32"]}
    for node in tree["pools"]["web"]["nodes"]["auckland"]:
        node["capacity"] = 500
    tree["groups"]["website"] |= {"stable": "client", "safety": {"pause": "0s"}}
    tree["services"]["chat"] = {"hostnames": [CHAT], "group": "website", "routes": [{"path": "/", "pool": "web"}]}
    tree["services"]["chat"]["affinity"] = {"header": "X-Talk", "idle": "1h"}
    with town(tmp_path, tree) as there:
        yield there


@asynccontextmanager
async def crowd_of(place: Town) -> AsyncIterator[Crowd]:
    crowd = Crowd((await place.edge.connect_to_each_worker()).values())
    try:
        yield crowd
    finally:
        for worker in crowd.workers:
            await worker.close()


class Crowd:
    """Each client and each conversation asks, on the workers in turns: where they went."""

    def __init__(self, workers: Iterable[Connection]) -> None:
        self.workers = tuple(workers)

    async def clients(self) -> dict[str, str]:
        return await self._ask(HOST, {client: {"X-Forwarded-For": client} for client in CLIENTS})

    async def talks(self) -> dict[str, str]:
        fields = {talk: {"X-Forwarded-For": "203.0.113.9", "X-Talk": talk} for talk in TALKS}
        return await self._ask(CHAT, fields)

    async def _ask(self, host: str, fields: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
        turns = zip(fields.items(), cycle(self.workers), strict=False)
        return {who: (await worker.ask("/", host, fields=sent)).datacentre for (who, sent), worker in turns}

    async def wait_until_it_holds(self, client: str, datacentre: str) -> None:
        deadline = time.monotonic() + 15
        for worker in self.workers:
            while (await worker.ask("/", fields={"X-Forwarded-For": client})).datacentre != datacentre:
                assert time.monotonic() < deadline, f"{client} does not go to {datacentre}"


def share(of: Mapping[str, str], datacentre: str) -> float:
    return sum(found == datacentre for found in of.values()) / len(of)


def moved(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    return [who for who in before if before[who] != after[who]]


async def one_who_moves(place: Town, before: Mapping[str, str]) -> tuple[str, str]:
    """A client, and where control says that it goes now."""
    for client, datacentre in before.items():
        found = await place.edge.api(f"/explain?host={HOST}&client={client}")
        if found["verdict"]["datacentre"] != datacentre:
            return client, found["verdict"]["datacentre"]
    raise AssertionError("nobody moves")


def share_before(group: Mapping[str, Any], datacentre: str) -> float:
    (found,) = [each["share_before"] for each in group["datacentres"] if each["name"] == datacentre]
    return float(found)


async def test_what_a_preview_says_is_what_happens_when_it_is_applied(place: Town) -> None:
    async with crowd_of(place) as crowd:
        await compare(place, crowd)
    assert not any("198.51." in line for line in place.edge.log.splitlines())


async def preview_of(place: Town, crowd: Crowd, talks: Mapping[str, str]) -> Any:
    """With a sample of a conversation that goes on: they go on until there is one."""
    deadline = time.monotonic() + 15
    while True:
        assert await crowd.talks() == talks
        shown = await place.edge.api("/previews", "POST", **CHANGE)
        if shown["groups"][0]["sessions"]["sampled"]:
            return shown
        assert time.monotonic() < deadline, shown


async def compare(place: Town, crowd: Crowd) -> None:
    edge = place.edge
    before = await crowd.clients()
    talks = await crowd.talks()
    await edge.wait_for_requests(len(CLIENTS) + len(TALKS))

    shown = await preview_of(place, crowd, talks)
    (group,) = shown["groups"]
    assert (shown["verdict"], shown["samples"]["enough"]) == ("passes", True)
    assert (group["sessions"]["move"], group["sessions"]["leave"]) == (0.0, 0.0)
    assert [each["datacentre"] for each in shown["headroom"]] == ["auckland"]
    assert "198.51." not in str(shown)
    margin = group["clients"]["margin"] + 0.03
    assert share_before(group, "wellington") == pytest.approx(share({**before, **talks}, "wellington"), abs=0.2)
    assert await crowd.clients() == before

    applied = await edge.api(f"/previews/{shown['id']}/apply", "POST")
    assert applied["group"]["weights"] == {"wellington": 80, "auckland": 20}
    await crowd.wait_until_it_holds(*await one_who_moves(place, before))
    after = await crowd.clients()
    assert len(moved(before, after)) / len(CLIENTS) == pytest.approx(group["clients"]["move"], abs=margin)
    assert await crowd.talks() == talks
    assert {after[client] for client in moved(before, after)} == {"wellington"}

    again = await edge.api(f"/previews/{shown['id']}/apply", "POST")
    assert again["status"] == 409
    status, output, _ = await edge.command("weights", "website", "wellington=50", "--reason", "back", "--preview")
    assert (status, output.splitlines()[-1][:19]) == (0, "nothing is changed;")
