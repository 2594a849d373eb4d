"""Processes die, or are told to end, while they serve."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.processes import connections_to, holders, is_stopped
from tests.kit.waiting import until
from tests.scenarios.town import Edge, Town, configuration, town
from tests.scenarios.traffic import Connection, Load, Response

WORKERS = 4


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Town]:
    tree = configuration(WORKERS)
    tree["groups"]["website"]["safety"] = {"pause": "0s"}
    with town(tmp_path, tree) as place:
        yield place


async def stopped_worker(edge: Edge) -> int:
    victim = edge.workers[0]
    os.kill(victim, signal.SIGSTOP)
    await until(lambda: is_stopped(victim), "the worker is stopped")
    return victim


def waiting(edge: Edge, connections: list[Connection]) -> list[Connection]:
    """Those that no worker has accepted."""
    known = connections_to(edge.port())
    return [connection for connection in connections if known[connection.port] == 0]


async def answers(connections: list[Connection]) -> list[Response]:
    return await asyncio.gather(*(connection.receive() for connection in connections))


async def test_connections_that_wait_for_a_killed_worker_are_answered_by_the_next(place: Town) -> None:
    edge = place.edge
    victim = await stopped_worker(edge)
    connections = await asyncio.gather(*(Connection.open(edge.port()) for _ in range(40)))
    for connection in connections:
        connection.send()
    assert len(waiting(edge, connections)) >= 2
    os.kill(victim, signal.SIGKILL)
    assert {answer.status for answer in await answers(connections)} == {200}
    await until(lambda: len(edge.workers) == WORKERS and victim not in edge.workers, "another worker")
    for connection in connections:
        await connection.close()


async def test_connections_that_wait_for_a_silent_worker_are_served_by_a_neighbour(place: Town) -> None:
    edge = place.edge
    victim = await stopped_worker(edge)
    connections = await asyncio.gather(*(Connection.open(edge.port()) for _ in range(40)))
    for connection in connections:
        connection.send()
    began = time.monotonic()
    assert {answer.status for answer in await answers(connections)} == {200}
    assert time.monotonic() - began < 4
    assert victim not in holders(edge.port(), [victim]).values()
    for connection in connections:
        await connection.close()


async def test_a_worker_killed_under_load_fails_nothing_but_what_it_was_answering(place: Town) -> None:
    edge = place.edge
    async with Load(edge.port(), keeps=False) as load:
        await load.wait_for(100)
        victim = await stopped_worker(edge)
        await until(lambda: any(inode == 0 for inode in connections_to(edge.port()).values()), "its queue fills")
        its_own = set(holders(edge.port(), [victim]))
        os.kill(victim, signal.SIGKILL)
        await load.wait_for(400)
    assert [answer for answer in load.failures if answer.client not in its_own] == []
    assert len(edge.workers) == WORKERS


async def test_without_control_traffic_goes_on_and_overrides_hold(place: Town) -> None:
    edge = place.edge
    weights = {"wellington": 0, "auckland": 100}
    await edge.api("/groups/website/weights", "PUT", weights=weights, reason="to see that it holds")
    before = await edge.api("/overrides")
    async with Load(edge.port()) as load:
        await load.wait_for(100)
        for _ in range(2):
            control = edge.control
            os.kill(control, signal.SIGKILL)
            await load.wait_for(100)
            await until(lambda gone=control: edge.has_other_control(gone), "another control process")  # type: ignore[misc]
        await edge.wait_for_workers(WORKERS)
        assert await edge.api("/overrides") == before
        began = len(load.answers)
        await load.wait_for(100)
    assert load.failures == []
    assert {answer.response.node for answer in load.answers[began:] if answer.response is not None} == {"akl-1"}


async def test_a_node_that_fails_is_left_by_all_workers_after_control_was_replaced(place: Town) -> None:
    edge = place.edge
    control = edge.control
    os.kill(control, signal.SIGKILL)
    await until(lambda: edge.has_other_control(control), "another control process")
    await edge.wait_for_workers(WORKERS)
    async with Load(edge.port()) as load:
        await load.wait_for(50)
        place.origins["wlg-1"].kill()
        await edge.wait_for_node("wlg-1", "ejected")
        began = len(load.answers)
        await load.wait_for(100)
    assert load.failures == []
    assert {answer.response.node for answer in load.answers[began + 40 :] if answer.response is not None} == {"akl-1"}


@pytest.mark.parametrize("workers", [4, 1, 0])
async def test_sigterm_lets_what_has_begun_finish(tmp_path: Path, workers: int) -> None:
    with town(tmp_path, configuration(), "--workers", str(workers)) as place:
        edge = place.edge
        async with await Connection.open(edge.port()) as idle, await Connection.open(edge.port()) as busy:
            await idle.ask()
            busy.send("/slow?s=1.5")
            await until(lambda: _in_flight(place), "the slow request is at its node")
            edge.terminate()
            assert await idle.reader.read() == b""
            while not await _is_known_to_drain(edge):
                assert not busy.reader.at_eof(), "the slow request was answered before"
            answer = await busy.receive()
            assert (answer.status, answer.fields["connection"]) == (200, "close")
            assert await busy.reader.read() == b""
        assert await asyncio.to_thread(edge.process.wait, 10) == 0
        with pytest.raises(ConnectionRefusedError):
            await Connection.open(edge.port())


async def _is_known_to_drain(edge: Edge) -> bool:
    try:
        health = await edge.ask("/.steer/health")
    except ConnectionError:  # of a worker that is shutting its door at this moment
        return False
    return (health.status, health.error) == (503, "draining")


def _in_flight(place: Town) -> bool:
    """A connection that the edge has opened to a node."""
    return any(connections_to(origin.port) for origin in place.origins.values())


async def test_sigterm_under_load_fails_nothing_that_it_took(place: Town) -> None:
    edge = place.edge
    began = time.monotonic()
    async with Load(edge.port(), keeps=False) as load:
        await load.wait_for(100)
        edge.terminate()
        assert await asyncio.to_thread(edge.process.wait, 15) == 0
    assert time.monotonic() - began < 5
    lost = [answer for answer in load.failures if answer.client]  # without a connection there is no client's port
    assert lost == []


async def test_sigterm_ends_it_after_its_time_whatever_is_under_way(tmp_path: Path) -> None:
    tree = configuration(2)
    tree["edge"]["drain"] = "500ms"
    with town(tmp_path, tree) as place:
        edge = place.edge
        async with await Connection.open(edge.port()) as connection:
            connection.send("/slow?s=30")
            await until(lambda: _in_flight(place), "the slow request is at its node")
            began = time.monotonic()
            edge.terminate()
            with pytest.raises((OSError, EOFError)):
                await connection.receive()
        assert await asyncio.to_thread(edge.process.wait, 10) == 0
        assert 0.4 < time.monotonic() - began < 3


async def test_without_workers_it_serves_the_same(tmp_path: Path) -> None:
    tree = configuration()
    tree["pools"]["web"]["ejection"] = {"base_time": "1s", "ramp": "1s"}
    tree["groups"]["website"]["back_after"] = "100ms"
    with town(tmp_path, tree, "--workers", "0") as place:
        edge, origin = place.edge, place.origins["wlg-1"]
        async with Load(edge.port()) as load:
            await load.wait_for_node("wlg-1", 20)
            origin.kill()
            await edge.wait_for_node("wlg-1", "ejected")
            began = len(load.answers)
            await load.wait_for(50)
            assert "wlg-1" not in {a.response.node for a in load.answers[began:] if a.response is not None}
            origin.start()
            await load.wait_for_node("wlg-1", 20)
        assert load.failures == []
