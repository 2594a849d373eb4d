"""A new version takes the place of one that serves: SIGUSR2."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest
import yaml

from tests.kit.edge import Tree, free_port
from tests.kit.processes import children, is_alive
from tests.kit.waiting import until, wait_until
from tests.scenarios.echoing import echoing, websockets
from tests.scenarios.town import Edge, Town, configuration, town
from tests.scenarios.traffic import LOCAL, Connection, Load, ask_once

WORKERS = 2
START = 20.0


class Adopted:
    """The new version's supervisor, as far as `Edge` needs it: it is no child of ours."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def poll(self) -> int | None:
        return None if is_alive(self.pid) else 0

    def terminate(self) -> None:
        os.kill(self.pid, signal.SIGTERM)

    def wait(self, timeout: float = START) -> int:
        wait_until(lambda: not is_alive(self.pid), "it has ended", timeout)
        return 0


def started(edge: Edge) -> int:
    """How many new versions were started."""
    return len(re.findall(r"started a new version as process \d+", edge.log))


def newest(edge: Edge) -> int:
    """The last one's process id."""
    return int(re.findall(r"started a new version as process (\d+)", edge.log)[-1])


async def begin(edge: Edge) -> int:
    """Ask for a new version; its process id."""
    before = started(edge)
    os.kill(edge.process.pid, signal.SIGUSR2)
    await until(lambda: started(edge) > before, "a new version is started")
    return newest(edge)


async def upgrade(edge: Edge) -> subprocess.Popen[bytes]:
    """Until the new version serves: it is the edge's process then. The old one, which drains."""
    before = edge.log.splitlines().count("ready")
    pid = await begin(edge)
    await until(lambda: edge.log.splitlines().count("ready") > before, "it is ready", START)
    old, edge.process = edge.process, cast("subprocess.Popen[bytes]", Adopted(pid))
    return old


@contextmanager
def upgradable(folder: Path, tree: Tree, own: tuple[str, ...] = ()) -> Iterator[Town]:
    """Whatever the test does, no version is left."""
    with town(folder, tree, own=own) as place:
        first = place.edge.process
        try:
            yield place
        finally:
            if started(place.edge):
                for pid in (newest(place.edge), *children(newest(place.edge))):
                    if is_alive(pid):
                        os.kill(pid, signal.SIGKILL)
            place.edge.process = first


def upgradable_tree() -> Tree:
    tree = configuration(WORKERS, wellington=("wlg-1", "wlg-2"), auckland=("akl-1", "akl-2"))
    tree["groups"]["website"]["safety"] = {"pause": "0s"}
    tree["edge"]["drain"] = "2s"
    return tree


async def ends(old: subprocess.Popen[bytes], within: float = START) -> None:
    assert await asyncio.to_thread(old.wait, within) == 0


@pytest.mark.parametrize("keeps", [True, False], ids=["connections are kept", "a connection for each request"])
async def test_an_upgrade_under_load_fails_nothing_drops_nothing_and_forgets_nothing(
    tmp_path: Path, keeps: bool
) -> None:
    tree = upgradable_tree()
    sockets = free_port()
    tree["edge"]["drain"] = "8s"
    tree["pools"]["sockets"] = {"nodes": {"wellington": [{"name": "ws-1", "address": f"http://{LOCAL}:{sockets}"}]}}
    tree["services"]["www"]["routes"].append({"path": "/socket", "pool": "sockets"})
    tree["groups"]["website"]["critical"] = ["web"]
    tree["pools"]["web"]["ejection"] = {"base_time": "300s"}
    with upgradable(tmp_path, tree, own=("ws-1",)) as place:
        edge = place.edge
        await edge.api("/groups/website/weights", "PUT", weights={"wellington": 30, "auckland": 70}, reason="kept")
        before = await edge.api("/overrides")
        async with (
            echoing(sockets),
            websockets(edge.port(), 100) as open_sockets,
            Load(edge.port(), rate=500, keeps=keeps) as load,
        ):
            place.origins["wlg-2"].kill()
            ejected = await edge.wait_for_node("wlg-2", "ejected")
            await load.wait_for(200)
            old = await upgrade(edge)
            assert await open_sockets.broken() == []
            await load.wait_for(500)
            assert await open_sockets.broken() == []
            now = await edge.node("wlg-2")
            assert await edge.api("/overrides") == before
        assert load.failures == []
        assert (now["state"], now["since"], now["until"]) == ("ejected", ejected["since"], ejected["until"])
        await ends(old)
        assert (await edge.ask()).status == 200


async def test_websockets_of_the_old_version_live_until_its_drain_ends(tmp_path: Path) -> None:
    tree = upgradable_tree()
    sockets = free_port()
    tree["pools"]["web"]["nodes"] = {"wellington": [{"name": "ws-1", "address": f"http://{LOCAL}:{sockets}"}]}
    tree["groups"]["website"]["weights"] = {"wellington": 1, "auckland": 0}
    with upgradable(tmp_path, tree, own=("ws-1",)) as place:
        async with echoing(sockets), websockets(place.edge.port(), 5) as open_sockets:
            began = time.monotonic()
            old = await upgrade(place.edge)
            assert await open_sockets.broken() == []
            await ends(old)
            assert time.monotonic() - began >= 2
            assert len(await open_sockets.broken()) == 5


async def test_what_a_reload_cannot_change_an_upgrade_can(tmp_path: Path) -> None:
    tree = upgradable_tree()
    with upgradable(tmp_path, tree) as place:
        edge = place.edge
        tree["edge"]["workers"] = 3
        other = free_port()
        tree["listeners"].append({"name": "other", "bind": f"{LOCAL}:{other}"})
        edge.file.write_text(yaml.safe_dump(tree, sort_keys=False))
        await ends(await upgrade(edge))
        assert len(edge.workers) == 3
        assert (await ask_once(other)).status == 200
        tree["edge"]["workers"] = 1
        del tree["listeners"][1]
        edge.file.write_text(yaml.safe_dump(tree, sort_keys=False))
        old = await upgrade(edge)
        await until(lambda: old.poll() is not None, "the second version has ended")
        assert len(edge.workers) == 1
        assert {(await edge.ask()).status for _ in range(60)} == {200}
        with pytest.raises(ConnectionRefusedError):
            await Connection.open(other)


async def test_a_new_version_that_cannot_start_leaves_the_old_one_as_it_was(tmp_path: Path) -> None:
    with upgradable(tmp_path, upgradable_tree()) as place:
        edge = place.edge
        workers, control = edge.workers, edge.control
        edge.file.write_text("version: 1\n")
        async with Load(edge.port()) as load:
            await begin(edge)
            await until(lambda: "has ended before it served: going on" in edge.log, "the old one goes on")
            await load.wait_for(50)
        assert load.failures == []
        assert (edge.workers, edge.control) == (workers, control)
        assert "listeners: is missing" in edge.log


async def test_one_that_dies_after_control_was_asked_to_go_gets_the_old_control_back(tmp_path: Path) -> None:
    with upgradable(tmp_path, upgradable_tree()) as place:
        edge = place.edge
        await edge.api("/overrides", "POST", kind="drain", target={"node": "akl-2"}, reason="kept")
        before = await edge.api("/overrides")
        workers, control = edge.workers, edge.control
        os.kill(control, signal.SIGSTOP)
        async with Load(edge.port()) as load:
            pid = await begin(edge)
            await until(lambda: "ending what owns the state" in edge.log, "the new workers are ready", START)
            os.kill(pid, signal.SIGKILL)
            await until(lambda: "has ended before it served: going on" in edge.log, "the old one goes on")
            os.kill(control, signal.SIGCONT)
            await until(lambda: edge.has_other_control(control), "another control process")
            await edge.wait_for_workers(WORKERS)
            await load.wait_for(50)
        assert await edge.api("/overrides") == before
        assert edge.workers == workers
        assert (await edge.ask()).status == 200
        await ends(await upgrade(edge))


async def test_sigterm_while_the_new_version_starts_leaves_the_sockets_to_it(tmp_path: Path) -> None:
    with upgradable(tmp_path, upgradable_tree()) as place:
        edge = place.edge
        pid = await begin(edge)
        old = edge.process
        old.terminate()
        await until(lambda: edge.log.splitlines().count("ready") == 2, "the new one is ready", START)
        edge.process = cast("subprocess.Popen[bytes]", Adopted(pid))
        await ends(old)
        assert {(await edge.ask()).status for _ in range(20)} == {200}
