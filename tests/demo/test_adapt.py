from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
import yaml

from steer.demo import adapt
from steer.demo.ports import Ports
from steer.errors import SteerError

EXAMPLES = Path(__file__).parents[2] / "config"
FIVE = ("active-active", "ecosystem-swap", "passive-cluster", "pilot-light", "regional-canary")


def read(name: str) -> dict[str, Any]:
    tree: dict[str, Any] = yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text())
    return tree


@pytest.fixture
def port() -> int:
    return Ports().near(18600)


@pytest.mark.parametrize("name", FIVE)
def test_every_address_moves_to_a_free_loopback_port_of_its_own(name: str, port: int) -> None:
    tree = adapt.adapt(read(name), port, Ports())
    binds = [listener["bind"] for listener in tree["listeners"]] + [tree["admin"]["bind"]]
    ports = [int(bind.removeprefix("127.0.0.1:")) for bind in binds] + [node.port for node in adapt.nodes(tree)]
    assert len(set(ports)) == len(ports)
    assert ports[0] == port


@pytest.mark.parametrize("name", FIVE)
def test_what_is_steered_stays_as_the_file_says(name: str, port: int) -> None:
    before, after = read(name), adapt.adapt(read(name), port, Ports())
    for key in ("version", "groups", "services", "plans", "drills", "geo"):
        assert after.get(key) == before.get(key)
    assert list(after["datacentres"]) == list(before["datacentres"])
    assert [node.name for node in adapt.nodes(after)] == [node.name for node in adapt.nodes(before)]


def test_the_tree_that_was_given_is_not_changed(port: int) -> None:
    tree = read("active-active")
    adapt.adapt(tree, port, Ports())
    assert tree == read("active-active")


def test_a_taken_port_is_an_error_that_says_what_to_do(port: int) -> None:
    with socket.create_server(("127.0.0.1", port)), pytest.raises(SteerError, match=r"choose another with --port"):
        adapt.adapt(read("active-active"), port, Ports())


def test_addresses_for_other_edges_and_the_user_to_become_go(port: int) -> None:
    tree = read("active-active")
    tree["edge"]["user"] = "steer"
    tree["edges"]["edge-wellington-1"] |= {"bind": {"https": "192.0.2.1:443"}, "admin": "http://192.0.2.1:9900"}
    after = adapt.adapt(tree, port, Ports())
    assert "user" not in after["edge"]
    assert after["edges"]["edge-wellington-1"] == {"datacentre": "wellington"}


def test_the_edge_is_alone_and_keeps_sessions_in_its_memory(port: int) -> None:
    after = adapt.adapt(read("ecosystem-swap"), port, Ports())
    assert after["edges"] == {"edge-north-1": {"datacentre": "north-europe"}}
    assert "coordination" not in after
    assert all("redis" not in datacentre for datacentre in after["datacentres"].values())
    doors = {name: door["bind"] for name, door in after["sessions"]["doors"].items()}
    assert len({*doors.values()}) == 2
    assert all(bind.startswith("127.0.0.1:") for bind in doors.values())


def test_people_see_where_an_answer_came_from_and_a_node_return_soon(port: int) -> None:
    tree = adapt.adapt(read("active-active"), port, Ports())
    web = tree["pools"]["web"]
    assert tree["edge"]["reveal"] is True
    assert tree["edge"]["name"] == "edge-wellington-1"
    assert web["health_check"] | {"path": "/healthz", "interval": "1s", "fall": 3} == web["health_check"]
    assert web["ejection"] | {"base_time": "5s", "consecutive_5xx": 5} == web["ejection"]
    assert web["retries"] == {"attempts": 2, "budget": "20%", "on_timeout": True}


def test_a_pool_without_an_active_check_gets_none(port: int) -> None:
    assert "health_check" not in adapt.adapt(read("regional-canary"), port, Ports())["pools"]["file-upload"]


def test_files_that_are_made_stay_inside_the_folder(port: int) -> None:
    tree = read("passive-cluster")
    tree["listeners"][0]["tls"]["certificates"] = [{"certificate": "/etc/tls/a.pem", "key": "../../keys/a.key"}]
    tree["admin"]["tokens"] = "/etc/tokens.yaml"
    tree["pools"]["transfer-https"]["upstream_tls"]["ca"] = "/etc/../ca.pem"
    after = adapt.adapt(tree, port, Ports())
    assert [(each.certificate, each.key) for each in adapt.certificates(after)] == [("etc/tls/a.pem", "keys/a.key")]
    assert after["admin"]["tokens"] == "etc/tokens.yaml"
    assert adapt.authorities(after) == ("etc/ca.pem",)


def test_each_hostname_stands_in_the_certificate_whose_name_fits_best() -> None:
    first, second = adapt.certificates(read("active-active"))
    assert first.hostnames == ("www.agency.example", "agency.example", "uat.agency.example")
    assert second.certificate == "certs/cwp.example.pem"
    assert second.hostnames == (
        "stack.cwp.example",
        "stack-dr.cwp.example",
        "stack-uat.cwp.example",
        "stack-uat-dr.cwp.example",
    )


@pytest.mark.parametrize("name", FIVE)
def test_the_certificates_together_cover_every_hostname(name: str) -> None:
    covered = {hostname for each in adapt.certificates(read(name)) for hostname in each.hostnames}
    assert covered == set(adapt.hostnames(read(name)))


def test_a_certificate_that_no_hostname_needs_is_made_for_its_own_name() -> None:
    tree = {"listeners": [{"tls": {"certificates": [{"certificate": "a/x.example.pem", "key": "a/x.key"}]}}]}
    assert adapt.certificates(tree) == (adapt.Certificate("a/x.example.pem", "a/x.key", ("x.example",)),)


def test_a_pinned_hostname_may_be_a_name_or_a_record() -> None:
    service = {"pinned_hostnames": {"a.example": "one", "b.example": {"datacentre": "two", "allow": ["192.0.2.0/24"]}}}
    assert adapt.pinned(service) == (adapt.Pinned("a.example", "one"), adapt.Pinned("b.example", "two"))
    assert adapt.pinned({}) == ()


def test_nodes_that_speak_https_are_told_apart_and_tcp_nodes_are_not_ours() -> None:
    found = adapt.nodes(read("passive-cluster"))
    assert [node.name for node in found] == ["st-1", "st-2", "st-3", "st-1-dr", "st-2-dr"]
    assert all(node.https for node in found)
    assert found[0] == adapt.Node("st-1", "production", "transfer-https", 8101, https=True)
