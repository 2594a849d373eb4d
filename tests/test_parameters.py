from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from steer import parameters
from steer.config import load
from steer.steering.model import Mode, PeersRule, Pool, ShareRule, SlowRule

CONFIG = Path(__file__).parents[1] / "config"
EXAMPLES = sorted(set(CONFIG.glob("*.yaml")) - {CONFIG / "reference.yaml"})  # that one is a list of keys


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_a_node_s_index_is_its_place_among_all_nodes(file: Path) -> None:
    config = load(file, {}, check_files=False)
    names = [node.name for pool in config.pools.values() for members in pool.nodes.values() for node in members]
    nodes = [node for pool in config.pools for node in parameters.topology(config).pools[pool].nodes]
    assert [node.name for node in nodes] == names
    assert [node.index for node in nodes] == list(range(len(names)))


def pool(folder: Path, **parts: object) -> Pool:
    """The pool of a configuration in which it has these keys too."""
    nodes = {"one": [{"name": "n1", "address": "http://127.0.0.1:1"}]}
    tree = {
        "version": 1,
        "edge": {"name": "edge-a"},
        "listeners": [{"name": "http", "bind": "127.0.0.1:8080"}],
        "datacentres": {"one": {"id": 1}},
        "pools": {"web": {"nodes": nodes, **parts}},
        "groups": {"website": {"mode": "active-active", "weights": {"one": 1}}},
        "services": {
            "www": {"hostnames": ["www.example"], "group": "website", "routes": [{"path": "/", "pool": "web"}]}
        },
    }
    file = folder / "steer.yaml"
    file.write_text(yaml.safe_dump(tree))
    return parameters.topology(load(file, {}, check_files=False)).pools["web"]


def test_the_defaults_of_the_detectors_are_those_of_the_schema(tmp_path: Path) -> None:
    rules = pool(tmp_path).ejection
    assert (rules.share, rules.peers, rules.slow) == (ShareRule(), PeersRule(), SlowRule())


def test_what_is_written_of_a_detector_reaches_it(tmp_path: Path) -> None:
    rules = pool(
        tmp_path,
        ejection={
            "share": {"percent": "40%", "window": "20s", "requests": 30, "mode": "observe"},
            "peers": {"points": 15, "window": "60s", "requests": 80, "mode": "off"},
            "slow": {"times": 2, "floor": "500ms", "windows": 5, "mode": "on"},
        },
    ).ejection
    assert rules.share == ShareRule(0.4, 20.0, 30, Mode.OBSERVE)
    assert rules.peers == PeersRule(0.15, 60.0, 80, Mode.OFF)
    assert rules.slow == SlowRule(2, 0.5, 5, Mode.ON)


@pytest.mark.parametrize(("mode", "acts"), [("on", True), ("observe", False), ("off", False)])
def test_a_check_that_does_not_act_keeps_no_node_from_serving(tmp_path: Path, mode: str, acts: bool) -> None:
    made = pool(tmp_path, health_check={"mode": mode, "must_pass_first": True})
    assert (made.checked, made.must_pass_first, made.check_mode) == (acts, acts, Mode(mode))
