"""A node that answers 500 to everything: out after five of them, and those that were under way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.town import Town, configuration, town
from tests.scenarios.traffic import Load

NODE = "wlg-1"
KNOWN_WITHIN = 0.2
CLIENTS = ("127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4")
PATHS = ("/a", "/b", "/c")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Town]:
    with town(tmp_path, configuration()) as place:
        yield place


async def test_under_load_it_answers_five_and_those_that_had_begun(place: Town) -> None:
    edge = place.edge
    async with Load(
        edge.port(), path=lambda n: PATHS[n % len(PATHS)], source=lambda n: CLIENTS[n % len(CLIENTS)]
    ) as load:
        await load.wait_for_node(NODE, 50)
        await place.origins[NODE].fail(500)
        await edge.wait_for_node(NODE, "ejected")
        await load.wait_for(400)
    failed = sorted((a for a in load.answers if a.failure), key=lambda answer: answer.ended)
    assert {answer.failure for answer in failed} == {"500 "}
    assert {answer.response.node for answer in failed if answer.response} == {NODE}
    assert len(failed) >= 5
    assert [answer for answer in failed if answer.began > failed[4].ended + KNOWN_WITHIN] == []
    assert (await edge.node(NODE))["cause"] == "consecutive_5xx"


async def test_with_nothing_else_under_way_it_answers_five(place: Town) -> None:
    edge = place.edge
    await place.origins[NODE].fail(500)
    failed = 0
    for client, path in ((c, p) for _ in range(100) for c in CLIENTS for p in PATHS):
        answer = await edge.ask(path, source=client)
        failed += answer.status == 500
        if failed == 5:
            break
    await edge.wait_for_node(NODE, "ejected")
    await asyncio.sleep(KNOWN_WITHIN)  # what is promised is a time, not an event
    connections = (await edge.connect_to_each_worker()).values()
    answers = [await connection.ask() for _ in range(10) for connection in connections]
    assert {(answer.status, answer.node) for answer in answers} == {(200, "akl-1")}
    for connection in connections:
        await connection.close()


@pytest.mark.parametrize(
    ("clients", "paths"), [(CLIENTS[:1], PATHS), (CLIENTS, PATHS[:1])], ids=["one client", "one path"]
)
async def test_one_client_or_one_path_alone_proves_nothing(
    place: Town, clients: tuple[str, ...], paths: tuple[str, ...]
) -> None:
    await place.origins[NODE].fail(500)
    answers = [await place.edge.ask(path, source=client) for _ in range(10) for path in paths for client in clients]
    assert sum(answer.status == 500 for answer in answers) > 5
    await place.edge.wait_for_requests(len(answers))
    assert (await place.edge.node(NODE))["state"] == "serving"
