from __future__ import annotations

from typing import Any

import pytest

from steer.config import Config, load, unbuilt
from steer.config.advice import advice, is_alone
from steer.config.built import UNBUILT
from steer.config.shape import types_at


def test_a_configuration_that_uses_what_is_built_is_all_built(write: Any, right: str) -> None:
    assert unbuilt(load(write(right), {}, check_files=False)) == ()


@pytest.mark.parametrize("row", UNBUILT, ids=lambda row: row.place)
def test_each_row_of_the_table_is_about_something_that_the_schema_has(row: Any) -> None:
    place = tuple(0 if row.place.startswith("listeners") and step == "*" else step for step in row.place.split("."))
    assert types_at(Config, place)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("{path: /healthz}", "{path: /healthz, mode: observe}"),
        ("timeouts: {connect: 1s}", "ejection: {share: {percent: 40%}, peers: {mode: observe}, slow: {mode: on}}"),
        ("timeouts: {connect: 1s}", "ejection: {consecutive_5xx: {failures: 5, mode: observe}}"),
        ("timeouts: {connect: 1s}", "algorithm: {hash: client}"),
        ("timeouts: {connect: 1s}", "proxy_protocol: v2"),
        ("two: 50}}", "two: 50}, spill: false, stable: none, trickle: 0%, rules: [], writes: any-site}"),
        ("two: 50}}", "two: 50}, failover: {automatic: false, after: 5s}, rpo_probe: null}"),
        ("edge: {name: edge-a}", "edge: {name: edge-a, watch: true, canaries: ['192.0.2.1:53', 'www.example:443']}"),
        ("    redirect_to_https: true", "    protocols: [http/1.1, h2]\n    client_address: peer\n    tcp: null"),
        ("{id: 1}", "{id: 1, location: [0, 0], redis: null, label: One}"),
        ("services:", "geo: {database: null}\nplans: {}\ndrills: {}\nnotifications: []\nservices:"),
    ],
)
def test_what_asks_for_nothing_uses_nothing(write: Any, right: str, old: str, new: str) -> None:
    assert right.count(old) == 1
    assert unbuilt(load(write(right.replace(old, new)), {}, check_files=False)) == ()


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("two: 50}}", "two: 50}, writes: one-site}", "groups.website.writes"),
        ("services:", "plans: {move: {steps: [{name: wait, wait: 1s}]}}\nservices:", "plans"),
    ],
)
def test_what_asks_for_something_is_named(write: Any, right: str, old: str, new: str, path: str) -> None:
    assert right.count(old) == 1
    found = unbuilt(load(write(right.replace(old, new)), {}, check_files=False))
    assert [problem.path for problem in found] == [path]


def test_a_configuration_that_came_from_no_file_is_asked_too() -> None:
    data = {
        "version": 1,
        "edge": {"name": "a"},
        "listeners": [],
        "notifications": [{"url": "http://a.example/", "on": ["out"]}],
    }
    config = Config.model_validate({**data, "datacentres": {}, "pools": {}, "groups": {}, "services": {}})
    assert [problem.path for problem in unbuilt(config)] == ["notifications"]


def automatic(right: str, more: str = "") -> str:
    return right.replace("two: 50}}", "two: 50}, failover: {automatic: true}, failback: {automatic: true}}" + more)


def test_an_edge_that_is_alone_moves_groups_by_itself_and_is_told_that_nobody_else_is_asked(
    write: Any, right: str
) -> None:
    alone = automatic(right).replace("  edge-b: {datacentre: two}\n", "")
    config = load(write(alone), {}, check_files=False)
    assert unbuilt(config) == ()
    assert [problem.path for problem in advice(config)] == ["groups.website.failover.automatic"]
    assert is_alone(config)
    assert advice(load(write(right), {}, check_files=False)) == ()


def test_with_others_that_are_asked_it_is_not_built(write: Any, right: str) -> None:
    etcd = "coordination: {etcd: ['http://127.0.0.1:2379']}\nservices:"
    config = load(write(automatic(right).replace("services:", etcd)), {}, check_files=False)
    named = [problem.path for problem in unbuilt(config)]
    assert named == ["groups.website.failback.automatic", "groups.website.failover.automatic", "coordination"]
    assert advice(config) == ()
