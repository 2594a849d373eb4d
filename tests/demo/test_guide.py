from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from steer.demo.adapt import Tree
from steer.demo.guide import command, guide
from steer.demo.scene import Scene, read_tree
from steer.errors import Problem

PIDS = {"wlg-1": 11, "akl-1": 12, "uat-wlg-1": 13, "uat-akl-1": 14}


def text_of(tree: Tree, left_out: tuple[Problem, ...] = ()) -> str:
    tree["listeners"][0]["bind"] = "127.0.0.1:8443"
    return guide(Scene(Path("/tmp/scene"), tree, left_out), PIDS)


@pytest.fixture
def lines() -> list[str]:
    return [line.strip() for line in text_of(read_tree(None)).splitlines()]


def test_the_first_line_says_what_is_served(lines: list[str]) -> None:
    assert lines[0] == "steer serves https://www.agency.example:8443 from two simulated datacentres."


def test_balanced_and_debug_hostnames_have_a_curl_line_each(lines: list[str]) -> None:
    start = "curl -s --cacert /tmp/scene/ca.pem --resolve {0}:8443:127.0.0.1 https://{0}:8443/   # {1}"
    for hostname, which in (
        ("www.agency.example", "any node"),
        ("stack.cwp.example", "always wellington"),
        ("stack-dr.cwp.example", "always auckland"),
        ("uat.agency.example", "any node"),
    ):
        assert start.format(hostname, which) in lines


def test_every_node_is_shown_with_its_process(lines: list[str]) -> None:
    assert "auckland       akl-1          pid 12       port 8201" in lines
    assert "kill -KILL 11   # it is gone; after 15 s it comes back, as another process" in lines
    assert "kill -STOP 11   # it hangs; kill -CONT 11 lets it go on" in lines


def test_the_commands_name_group_datacentres_admin_and_token(lines: list[str]) -> None:
    said = "\n".join(lines)
    assert "STEER_ADMIN=http://127.0.0.1:9900 STEER_TOKEN=$(cat /tmp/scene/token)" in said
    assert f"{command()} weights website wellington=90 auckland=10 --reason 'try it'" in lines


def test_what_is_left_out_has_a_line_each() -> None:
    problems = (Problem("f", 3, "sessions", "is not built yet", "doors"), Problem("f", 4, "geo", "is not built yet"))
    lines = text_of(read_tree(None), problems).splitlines()
    assert "  left out: sessions: is not built yet (doors)" in lines
    assert "  left out: geo: is not built yet" in lines


def test_without_tls_the_lines_are_for_plain_http() -> None:
    tree = read_tree(None)
    del tree["listeners"][0]["tls"]
    said = text_of(tree)
    assert "curl -s --resolve www.agency.example:8443:127.0.0.1 http://www.agency.example:8443/" in said
    assert "--cacert" not in said


def test_a_group_with_one_datacentre_has_no_weights_to_try() -> None:
    tree = read_tree(None)
    tree["groups"]["website"]["weights"] = {"wellington": 100}
    assert "weights website" not in text_of(tree)


def test_a_group_that_is_at_one_datacentre_is_moved_and_its_only_node_there_is_not_said_to_be_covered() -> None:
    tree = read_tree(None)
    tree["groups"]["website"] = {"mode": "active-passive", "order": ["wellington", "auckland"]}
    said = text_of(tree)
    assert f"{command()} failover website --no-wait --reason 'try it'" in said
    assert f"{command()} failback website --no-wait --reason 'tried it'" in said
    assert "Break uat-wlg-1, and see the others take over without a failed request:" in said
    tree["groups"]["website-uat"] = tree["groups"]["website"]
    assert "Break wlg-1, the only one of its datacentre: requests fail until its group is moved" in text_of(tree)


def test_steer_is_called_as_shortly_as_it_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = Path(sys.executable).with_name("steer")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(ours.parents[1])
    assert command() == f"{ours.parent.name}/steer"
    monkeypatch.chdir(tmp_path)
    assert command() == shlex.quote(str(ours))
    monkeypatch.setenv("PATH", str(ours.parent))
    assert command() == "steer"
