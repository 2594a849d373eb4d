from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from steer.config import load
from steer.steering.model import (
    Affinity,
    Area,
    FieldTest,
    GroupMode,
    HashBy,
    Mode,
    OnLoss,
    PeersRule,
    Pool,
    ShareRule,
    SlowRule,
    Topology,
    When,
)
from steer.topology import topology

CONFIG = Path(__file__).parents[1] / "config"
EXAMPLES = sorted(set(CONFIG.glob("*.yaml")) - {CONFIG / "reference.yaml"})  # that one is a list of keys


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_a_node_s_index_is_its_place_among_all_nodes(file: Path) -> None:
    config = load(file, {}, check_files=False)
    names = [node.name for pool in config.pools.values() for members in pool.nodes.values() for node in members]
    nodes = [node for pool in config.pools for node in topology(config).pools[pool].nodes]
    assert [node.name for node in nodes] == names
    assert [node.index for node in nodes] == list(range(len(names)))


def pool(folder: Path, **parts: object) -> Pool:
    """The pool of a configuration in which it has these keys too."""
    return made_of(folder, parts).pools["web"]


def made_of(folder: Path, in_pool: Mapping[str, object] | None = None, **in_group: object) -> Topology:
    nodes = {"one": [{"name": "n1", "address": "http://127.0.0.1:1"}]}
    tree = {
        "version": 1,
        "edge": {"name": "edge-a"},
        "listeners": [{"name": "http", "bind": "127.0.0.1:8080"}],
        "datacentres": {"one": {"id": 1}},
        "pools": {"web": {"nodes": nodes, **(in_pool or {})}},
        "groups": {"website": {"mode": "active-active", "weights": {"one": 1}, **in_group}},
        "services": {
            "www": {"hostnames": ["www.example"], "group": "website", "routes": [{"path": "/", "pool": "web"}]}
        },
    }
    file = folder / "steer.yaml"
    file.write_text(yaml.safe_dump(tree))
    return topology(load(file, {}, check_files=False))


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


@pytest.mark.parametrize(
    ("written", "made"),
    [
        ("client", HashBy("client")),
        ("header:X-Tenant", HashBy("header", "x-tenant")),
        ("cookie:Basket", HashBy("cookie", "Basket")),
    ],
)
def test_a_hash_is_of_the_client_a_header_or_a_cookie(tmp_path: Path, written: str, made: HashBy) -> None:
    by_hash = pool(tmp_path, algorithm={"hash": written})
    assert (by_hash.algorithm, by_hash.hash_by) == ("hash", made)


def of(name: str) -> Topology:
    return topology(load(CONFIG / f"{name}.yaml", {}, check_files=False))


def test_a_rule_s_regions_are_parts_of_the_world() -> None:
    made = of("regional-canary")
    (rule,) = made.groups["web-tier"].rules
    states = frozenset(["WA", "OR", "CA", "NV", "AZ", "UT", "ID", "MT", "WY", "CO", "NM", "AK", "HI"])
    assert rule.when == When(regions=(Area(frozenset({"US"}), states),))
    assert (rule.name, rule.weights) == ("west-us-canary", {"east": 90, "west": 10})
    assert made.locations == {"east": (37.37, -79.82), "west": (47.23, -119.85)}
    assert made.ids == {"east": 1, "west": 2}


def test_a_group_that_is_at_one_datacentre_has_its_order_and_its_rules_of_moving() -> None:
    made = of("ecosystem-swap")
    ecosystem, portal = made.groups["ecosystem"], made.groups["tasks-portal"]
    assert (ecosystem.mode, ecosystem.datacentres) == (GroupMode.ACTIVE_PASSIVE, ("north-europe", "west-europe"))
    assert (ecosystem.drain_sessions, ecosystem.failover.automatic, ecosystem.out_after) == (1200, False, 30)
    assert (portal.failover.after, portal.failback.ramp, portal.failback.hold) == (60, (5, 25, 50, 100), 60)


def test_a_learned_key_is_a_header_in_lower_case_with_what_ends_it() -> None:
    assert of("ecosystem-swap").services["assistant"].affinity == Affinity(
        "header", "x-conversation-id", 1200, 1200, "x-conversation-end", "x-conversation-ended", OnLoss.STICKY
    )


def test_a_request_s_field_is_tested_by_its_name_in_lower_case(tmp_path: Path) -> None:
    rule = {"name": "beta", "when": {"header": {"name": "X-Beta", "equals": "1"}, "path": "/a"}, "weights": {"one": 1}}
    (made,) = made_of(tmp_path, rules=[rule]).groups["website"].rules
    assert made.when == When(field=FieldTest("x-beta", equals="1"), paths=("/a",))
