"""Nodes that fail at some of what they do, and pages that fail everywhere: who is ejected, and who is not."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.kit.edge import Tree
from tests.kit.waiting import until
from tests.scenarios.town import Edge, Town, configuration, town
from tests.scenarios.traffic import LOCAL, Connection, Load

NODE = "wlg-1"
NODES = ("wlg-1", "wlg-2", "wlg-3")
CLIENTS = ("127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4")
PATHS = ("/a", "/b", "/c", "/d", "/e")
LOOKED_AT = 2.0
"""Seconds in which control surely looks at all windows."""


def three_nodes(workers: int = 2) -> Tree:
    tree = configuration(workers, wellington=NODES, auckland=())
    tree["pools"]["web"]["nodes"].pop("auckland")
    tree["groups"]["website"]["weights"] = {"wellington": 1}
    del tree["services"]["www"]["pinned_hostnames"]["stack-dr.cwp.example"]
    return tree


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Town]:
    with town(tmp_path, three_nodes()) as place:
        yield place


async def tell_origin(place: Town, node: str, what: str) -> None:
    async with await Connection.open(place.origins[node].port) as connection:
        await connection.ask(f"/.origin/break?{what}", method="POST")


async def states(edge: Edge) -> dict[str, str]:
    return {node: (await edge.node(node))["state"] for node in NODES}


async def test_one_client_that_asks_for_a_page_that_always_fails_ejects_nobody(place: Town) -> None:
    """At 100/s beside others who are served, and at 100/s all alone."""
    edge = place.edge
    for node in NODES:
        await tell_origin(place, node, "status=500&path=/bad")
    good = Load(edge.port(), 50, path=lambda n: PATHS[n % len(PATHS)], source=lambda n: CLIENTS[1 + n % 3])
    async with Load(edge.port(), 100, path=lambda _: "/bad") as bad:
        await bad.wait_for(300)
        async with good:
            await bad.wait_for(500)
        await asyncio.sleep(LOOKED_AT)  # nothing happens: that has no event
    assert {answer.failure for answer in bad.answers} == {"500 "}
    assert not good.failures
    assert set(bad.nodes) == set(NODES)
    assert await states(edge) == dict.fromkeys(NODES, "serving")
    assert not any(word in edge.log for word in ("ejected", "noted"))


async def test_a_node_that_fails_at_a_third_of_what_its_peers_do_well_is_ejected_against_them(tmp_path: Path) -> None:
    tree = three_nodes()
    # A third of many requests has five in a row now and then, depending on who is served by which worker.
    tree["pools"]["web"]["ejection"] = {"consecutive_5xx": 0}
    with town(tmp_path, tree) as place:
        edge = place.edge
        await tell_origin(place, NODE, "status=500&every=3")
        async with Load(
            edge.port(), path=lambda n: PATHS[n % len(PATHS)], source=lambda n: CLIENTS[n % len(CLIENTS)]
        ) as load:
            found = await edge.wait_for_node(NODE, "ejected")
            await load.wait_for(50)
        status, shown, _ = await edge.command("explain", "--node", NODE)
        told = await edge.api(f"/nodes/{NODE}/explain")
        others = {node: state for node, state in (await states(edge)).items() if node != NODE}
    assert found["cause"] == "peers"
    assert others == {"wlg-2": "serving", "wlg-3": "serving"}
    assert status == 0
    assert told["because"] in shown
    assert "with 95 % confidence" in told["because"]
    assert "it takes more than 20" in told["because"]


async def test_a_request_that_fails_on_every_node_is_evidence_against_none(place: Town) -> None:
    """503 would be retried and count after three in a row, whoever met it."""
    edge = place.edge
    for node in NODES:
        await tell_origin(place, node, "status=503&path=/poison")
    connections = (await edge.connect_to_each_worker()).values()
    for _ in range(20):
        for connection in connections:
            assert (await connection.ask("/poison")).status == 503
    for connection in connections:
        await connection.close()
    await edge.wait_for_requests(20 * len(connections))
    assert await states(edge) == dict.fromkeys(NODES, "serving")
    assert {(await edge.node(node))["times"] for node in NODES} == {0}


async def test_a_node_that_fails_at_what_another_does_well_is_ejected_though_no_client_notices(place: Town) -> None:
    edge = place.edge
    await tell_origin(place, NODE, "status=503")
    async with Load(edge.port(), 50) as load:
        found = await edge.wait_for_node(NODE, "ejected")
    assert found["cause"] == "consecutive_gateway_failures"
    assert not load.failures


@contextmanager
def silent_ports(number: int) -> Iterator[list[int]]:
    """Bound, but nobody listens there."""
    with ExitStack() as stack:
        found = []
        for _ in range(number):
            taken = stack.enter_context(socket.socket())
            taken.bind((LOCAL, 0))
            found.append(taken.getsockname()[1])
        yield found


async def test_an_edge_that_is_cut_off_ejects_nobody_and_serves_at_once_when_it_is_back(tmp_path: Path) -> None:
    tree = configuration(2, wellington=("wlg-1", "wlg-2"), auckland=("akl-1", "akl-2"))
    with silent_ports(2) as ports:
        tree["edge"]["canaries"] = [f"{LOCAL}:{port}" for port in ports]
        with town(tmp_path, tree) as place:
            edge = place.edge
            async with Load(edge.port(), 50) as load:
                await load.wait_for(50)
                for origin in place.origins.values():
                    origin.kill()
                await until(lambda: '"event": "isolated"' in edge.log, "isolated")
                assert (await edge.api("/status"))["isolated"]
                assert "ISOLATED" in (await edge.command("status"))[1]
                await load.wait_for(50)
                for name in place.origins:
                    assert (await edge.node(name))["state"] == "serving"
                for origin in place.origins.values():
                    origin.start()
                await until(lambda: '"event": "isolation_ended"' in edge.log, "reconnected")
                await load.wait_for_node("wlg-1", 10)
                await load.wait_for_node("akl-2", 10)
            assert not (await edge.api("/status"))["isolated"]
            ejected = [json.loads(line) for line in edge.log.splitlines() if '"event": "ejected"' in line]
            assert {event["reason"].partition(":")[0] for event in ejected} <= {"consecutive_gateway_failures"}


async def test_without_canaries_the_same_nodes_are_ejected(tmp_path: Path) -> None:
    with town(tmp_path, configuration(2)) as place:
        async with Load(place.edge.port(), 50) as load:
            await load.wait_for(20)
            for origin in place.origins.values():
                origin.kill()
            for name in place.origins:
                await place.edge.wait_for_node(name, "ejected")
        assert not (await place.edge.api("/status"))["isolated"]
