"""Origins and edge as processes."""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from steer.demo.adapt import Node
from steer.demo.children import RETURNS_AFTER, Edge, Origins
from steer.demo.leash import Leash
from steer.demo.ports import Ports
from steer.demo.scene import Scene, read_tree, write_scene
from steer.errors import SteerError


@pytest.fixture
def leash(tmp_path: Path) -> Iterator[Leash]:
    folder = tmp_path / "scene"
    folder.mkdir()
    leash = Leash(folder)
    yield leash
    leash.release()


@pytest.fixture
def scene(leash: Leash) -> Scene:
    tree = read_tree(None)
    del tree["pools"]["web-uat"], tree["groups"]["website-uat"], tree["services"]["www-uat"]
    return write_scene(leash.folder, tree, Ports().near(19000), Ports())


@pytest.fixture
def origins(scene: Scene, leash: Leash) -> Iterator[Origins]:
    origins = Origins(scene, leash)
    for node in scene.nodes:
        origins.start(node)
    for node in scene.nodes:
        origins.wait_until_listening(node)
    yield origins
    origins.stop()


def who_answers(node: Node) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{node.port}/", timeout=10) as answer:
        return str(json.load(answer)["node"])


def test_each_node_has_an_origin_of_its_own(scene: Scene, origins: Origins) -> None:
    assert [who_answers(node) for node in scene.nodes] == ["wlg-1", "akl-1"]
    assert len({origins.pid(node) for node in scene.nodes}) == 2


def test_a_killed_origin_comes_back_after_a_while_as_another_process(scene: Scene, origins: Origins) -> None:
    first = scene.nodes[0]
    killed = origins.pid(first)
    assert list(origins.tend(now=100.0)) == []
    os.kill(killed, signal.SIGKILL)
    os.waitid(os.P_PID, killed, os.WEXITED | os.WNOWAIT)
    assert list(origins.tend(now=101.0)) == [f"wlg-1 (pid {killed}) is gone; it comes back in 15 s"]
    assert list(origins.tend(now=101.0 + RETURNS_AFTER - 0.1)) == []
    (news,) = origins.tend(now=101.0 + RETURNS_AFTER)
    assert news == f"wlg-1 is back, as pid {origins.pid(first)}"
    assert origins.pid(first) != killed
    origins.wait_until_listening(first)
    assert who_answers(first) == "wlg-1"
    assert list(origins.tend(now=200.0)) == []


def test_stop_ends_a_stopped_origin_too(scene: Scene, origins: Origins) -> None:
    os.kill(origins.pid(scene.nodes[0]), signal.SIGSTOP)
    origins.stop()
    for node in scene.nodes:
        with pytest.raises(ProcessLookupError):
            os.kill(origins.pid(node), 0)


def test_an_origin_that_cannot_start_is_an_error_with_its_last_words(scene: Scene, leash: Leash) -> None:
    origins = Origins(scene, leash)
    node = Node("wlg-1", "wellington", "web", port=1 << 20, https=False)
    origins.start(node)
    with pytest.raises(SteerError, match=r"^wlg-1 ended with status 1 \(it said: .*port must be 0-65535"):
        origins.wait_until_listening(node)


def test_an_edge_that_cannot_start_is_an_error_with_its_last_words(scene: Scene, leash: Leash) -> None:
    scene.configuration.write_text("version: 2\n")
    edge = Edge(scene, leash)
    with pytest.raises(SteerError, match=r"^the edge ended with status 1 \(it said: .*version"):
        edge.wait_until_ready()
    edge.stop()
