"""Another configuration for an edge that serves: what takes effect, what goes on, and what is refused."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.kit.edge import Tree, free_port
from tests.kit.processes import connections_to, is_stopped
from tests.kit.waiting import until
from tests.scenarios.echoing import echoing, websockets
from tests.scenarios.town import Town, configuration, over_tls, town
from tests.scenarios.traffic import LOCAL, Connection, Load

WORKERS = 2
PATIENCE = 10.0


def reloadable() -> Tree:
    tree = configuration(WORKERS, wellington=("wlg-1", "wlg-2"), auckland=("akl-1", "akl-2"))
    tree["groups"]["website"]["safety"] = {"pause": "0s"}
    return tree


class Place:
    """An edge, and the configuration that is in its file."""

    def __init__(self, found: Town, tree: Tree) -> None:
        self.edge = found.edge
        self.origins = found.origins
        self.tree = tree

    def write(self) -> None:
        """In one step, as careful tools do."""
        new = self.edge.file.with_suffix(".new")
        new.write_text(yaml.safe_dump(self.tree, sort_keys=False))
        new.replace(self.edge.file)

    async def reload(self) -> list[str]:
        """What changed."""
        self.write()
        answer = await self.edge.api("/config/reload", "POST", reason="test")
        assert "changes" in answer, answer
        return [change["path"] for change in answer["changes"]]

    async def nodes(self, requests: int = 60) -> set[str]:
        """Of new connections, so that every worker has some of them."""
        return {(await self.edge.ask()).node for _ in range(requests)}

    def remove(self, datacentre: str, node: str) -> None:
        members = self.tree["pools"]["web"]["nodes"][datacentre]
        members[:] = [each for each in members if each["name"] != node]

    def said(self, event: str) -> int:
        """How often the edge's log has this event."""
        lines = self.edge.log.splitlines()
        return sum(json.loads(line)["event"] == event for line in lines if line.startswith("{"))


@pytest.fixture(params=[(), ("--workers", "0")], ids=["2 workers", "no workers"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    tree = reloadable()
    with town(tmp_path, tree, *request.param) as found:
        yield Place(found, tree)


@pytest.fixture
def with_workers(tmp_path: Path) -> Iterator[Place]:
    tree = reloadable()
    with town(tmp_path, tree) as found:
        yield Place(found, tree)


async def test_reloads_under_load_fail_nothing_drop_nothing_and_forget_nothing(tmp_path: Path) -> None:
    tree = reloadable()
    tree["pools"]["web"]["nodes"]["auckland"].append({"name": "akl-3", "address": f"http://{LOCAL}:{free_port()}"})
    sockets = free_port()
    tree["pools"]["sockets"] = {"nodes": {"wellington": [{"name": "ws-1", "address": f"http://{LOCAL}:{sockets}"}]}}
    tree["services"]["www"]["routes"].append({"path": "/socket", "pool": "sockets"})
    tree["groups"]["website"]["critical"] = ["web"]
    tree["pools"]["web"]["ejection"] = {"base_time": "300s"}
    with town(tmp_path, tree, own=["ws-1"]) as found:
        place = Place(found, tree)
        edge = place.edge
        await edge.api("/overrides", "POST", kind="drain", target={"node": "akl-2"}, reason="kept")
        await edge.api("/groups/website/weights", "PUT", weights={"wellington": 30, "auckland": 70}, reason="kept")
        overrides = await edge.api("/overrides")
        async with echoing(sockets), websockets(edge.port(), 100) as open_sockets, Load(edge.port(), rate=500) as load:
            place.origins["wlg-2"].kill()
            ejected = await edge.wait_for_node("wlg-2", "ejected")
            await load.wait_for(200)
            spare = tree["pools"]["web"]["nodes"]["auckland"].pop()
            for number in range(6):
                members = tree["pools"]["web"]["nodes"]["auckland"]
                members[:] = [member for member in members if member is not spare]
                if number % 2:
                    members.append(spare)
                tree["pools"]["web"]["timeouts"] = {"connect": f"{number + 1}s"}
                await place.reload()
                await load.wait_for(250)
            assert await open_sockets.broken() == []
            now = await edge.node("wlg-2")
            overrides_now = await edge.api("/overrides")
        assert load.failures == []
        assert (now["state"], now["since"], now["until"]) == ("ejected", ejected["since"], ejected["until"])
        assert load.ended == 0
        assert load.nodes["akl-3"]
        assert overrides_now == overrides
        assert len(overrides["items"]) == 2


async def test_a_node_that_comes_is_used_and_one_that_goes_is_not(place: Place) -> None:
    assert await place.nodes() == {"wlg-1", "wlg-2", "akl-1", "akl-2"}
    place.remove("wellington", "wlg-2")
    assert await place.reload() == ["pools.web.nodes.wellington.wlg-2"]
    assert await place.nodes() == {"wlg-1", "akl-1", "akl-2"}
    other = {"name": "wlg-3", "address": f"http://{LOCAL}:{place.origins['wlg-2'].port}"}
    place.tree["pools"]["web"]["nodes"]["wellington"].append(other)
    await place.reload()
    assert await place.nodes() == {"wlg-1", "wlg-3", "akl-1", "akl-2"}
    assert (await place.edge.node("wlg-3"))["state"] == "serving"
    assert (await place.edge.api("/nodes/wlg-2"))["status"] == 404


async def test_a_node_that_moves_is_asked_where_it_is_now(place: Place) -> None:
    for node in place.tree["pools"]["web"]["nodes"]["auckland"]:
        node["address"] = f"http://{LOCAL}:{place.origins['wlg-1'].port}"
    await place.nodes()
    for name in ("akl-1", "akl-2"):
        place.origins[name].kill()
    await place.reload()
    answers = [await place.edge.ask() for _ in range(60)]
    assert {answer.status for answer in answers} == {200}
    assert {"akl-1", "akl-2"} & {answer.node for answer in answers}


async def test_hostnames_routes_and_weights_hold_at_once(place: Place) -> None:
    edge = place.edge
    service = place.tree["services"]["www"]
    service["hostnames"] = ["new.agency.example"]
    service["routes"] = [{"path": "/only", "pool": "web"}]
    place.tree["groups"]["website"]["weights"] = {"wellington": 0, "auckland": 100}
    async with await Connection.open(edge.port()) as connection:
        assert (await connection.ask()).status == 200
        await place.reload()
        assert (await connection.ask()).error == "no_such_host"
        assert (await connection.ask("/", "new.agency.example")).status == 404
        for _ in range(20):
            assert (await connection.ask("/only", "new.agency.example")).datacentre == "auckland"


async def test_connections_to_nodes_that_stay_are_kept(place: Place) -> None:
    origin = place.origins["wlg-1"]
    async with Load(place.edge.port()) as load:
        await load.wait_for(200)
        before = set(connections_to(origin.port))
        place.remove("auckland", "akl-1")
        await place.reload()
        await load.wait_for(100)
    assert before
    assert before <= set(connections_to(origin.port))
    await until(lambda: not connections_to(place.origins["akl-1"].port), "those to the other one are closed")


async def test_a_wrong_file_changes_nothing_and_every_problem_is_answered(place: Place) -> None:
    edge = place.edge
    before = await edge.api("/config")
    place.tree["groups"]["website"]["weights"]["wellington"] = -1
    place.tree["edge"]["reveal"] = "maybe"
    place.write()
    status, output, errors = await edge.command("config", "reload", "--reason", "oh")
    assert (status, output) == (1, "")
    assert [line.partition(": ")[2].partition(":")[0] for line in errors.splitlines()] == [
        "edge.reveal",
        "groups.website.weights.wellington",
    ]
    assert await edge.api("/config") == before
    assert place.said("reload_refused") == 1
    assert (await edge.ask()).status == 200


async def test_what_needs_a_restart_is_refused_in_one_line_each(place: Place) -> None:
    edge = place.edge
    place.tree["listeners"][0]["bind"] = f"{LOCAL}:{free_port()}"
    place.tree["edge"]["drain"] = "1s"
    place.tree["edge"]["reveal"] = False
    place.write()
    status, output, _ = await edge.command("config", "diff", "--json")
    changes = {change["path"]: change["needs_restart"] for change in json.loads(output)["changes"]}
    assert status == 1
    assert {path: bool(why) for path, why in changes.items()} == {
        "edge.reveal": False,
        "edge.drain": True,
        "listeners.http.bind": True,
    }
    status, _, errors = await edge.command("config", "reload", "--reason", "try")
    assert status == 1
    assert len(errors.splitlines()) == 2
    assert (await edge.ask()).node  # still revealed


async def test_sighup_reloads(place: Place) -> None:
    place.remove("wellington", "wlg-1")
    place.write()
    place.edge.process.send_signal(signal.SIGHUP)
    await until(lambda: place.said("reloaded"), "it has reloaded")
    assert await place.nodes() == {"wlg-2", "akl-1", "akl-2"}


async def test_a_watched_file_is_taken_over_when_it_rests(tmp_path: Path) -> None:
    tree = reloadable()
    tree["edge"]["watch"] = True
    with town(tmp_path, tree) as found:
        place = Place(found, tree)
        place.remove("wellington", "wlg-1")
        place.write()
        await until(lambda: place.said("reloaded") == 1, "it has reloaded", PATIENCE)
        assert await place.nodes() == {"wlg-2", "akl-1", "akl-2"}
        place.edge.file.write_text("nothing: right\n")
        await until(lambda: place.said("reload_refused") == 1, "it has refused", PATIENCE)
        assert await place.nodes() == {"wlg-2", "akl-1", "akl-2"}


async def test_whoever_starts_later_has_the_new_configuration(with_workers: Place) -> None:
    place = with_workers
    edge = place.edge
    place.remove("wellington", "wlg-1")
    await place.reload()
    before = await edge.api("/config")
    for pid in edge.workers:
        os.kill(pid, signal.SIGKILL)
        await until(lambda gone=pid: len(edge.workers) == WORKERS and gone not in edge.workers, "another worker")  # type: ignore[misc]
    control = edge.control
    os.kill(control, signal.SIGKILL)
    await until(lambda: edge.has_other_control(control), "another control process")
    await edge.wait_for_workers(WORKERS)
    assert await edge.api("/config") == before
    assert await place.nodes() == {"wlg-2", "akl-1", "akl-2"}
    place.remove("auckland", "akl-1")
    await place.reload()
    assert await place.nodes() == {"wlg-2", "akl-2"}


async def test_a_worker_that_does_not_answer_holds_all_back(with_workers: Place) -> None:
    place = with_workers
    edge = place.edge
    async with await Connection.open(edge.port()) as connection:
        await connection.ask()
        holder = edge.holder(connection)
        victim = next(pid for pid in edge.workers if pid != holder)
        os.kill(victim, signal.SIGSTOP)
        await until(lambda: is_stopped(victim), "a worker is stopped")
        place.remove("wellington", "wlg-1")
        place.write()
        refused = await edge.api("/config/reload", "POST", reason="test")
        assert (refused["status"], refused["type"].rpartition("#")[2]) == (503, "not_done")
        assert "did not prepare" in refused["detail"]
        assert {(await connection.ask()).node for _ in range(60)} == {"wlg-1", "wlg-2", "akl-1", "akl-2"}
        os.kill(victim, signal.SIGCONT)
        await until(lambda: not is_stopped(victim), "it goes on")
        await place.reload()
        assert {(await connection.ask()).node for _ in range(60)} == {"wlg-2", "akl-1", "akl-2"}
    assert await place.nodes() == {"wlg-2", "akl-1", "akl-2"}


async def test_other_certificates_are_shown_and_open_connections_live_on(tmp_path: Path) -> None:
    tree = reloadable()
    trust = over_tls(tree, tmp_path)
    with town(tmp_path, tree) as found:
        place = Place(found, tree)
        async with await Connection.open(place.edge.port(), tls=trust.client) as connection:
            assert (await connection.ask()).status == 200
            for suffix in ("pem", "key"):
                (tmp_path / f"www.{suffix}").rename(tmp_path / f"other.{suffix}")
            tree["listeners"][0]["tls"]["certificates"] = [{"certificate": "other.pem", "key": "other.key"}]
            await place.reload()
            assert (await connection.ask()).status == 200
            shown = await place.edge.api("/certificates")
            assert [Path(each["file"]).name for each in shown["items"]] == ["other.pem"]
            for _ in range(20):
                async with await Connection.open(place.edge.port(), tls=trust.client) as another:
                    assert (await another.ask()).status == 200


async def test_a_request_under_way_ends_at_the_node_that_has_left(place: Place) -> None:
    edge = place.edge
    tree = place.tree
    async with await Connection.open(edge.port()) as connection:
        connection.send("/slow?s=1")
        await until(lambda: any(connections_to(origin.port) for origin in place.origins.values()), "it is at a node")
        for datacentre in ("wellington", "auckland"):
            tree["pools"]["web"]["nodes"][datacentre].pop(0)
            tree["pools"]["web"]["nodes"][datacentre][0]["name"] += "-again"
        await place.reload()
        answer = await connection.receive()
        assert (answer.status, answer.node in place.origins) == (200, True)
        assert {(await connection.ask()).node for _ in range(40)} == {"wlg-2-again", "akl-2-again"}
