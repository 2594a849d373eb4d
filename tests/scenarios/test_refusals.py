"""An edge that cannot be: one line says why, and nothing is served."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.kit.edge import Tree
from tests.scenarios.town import configuration, town
from tests.scenarios.traffic import LOCAL


def steer(*arguments: str) -> tuple[int, list[str], list[str]]:
    """Exit status, lines of standard output, lines of standard error."""
    command = [sys.executable, "-m", "steer", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stdout.splitlines(), done.stderr.splitlines()


def written(folder: Path, tree: Tree) -> str:
    file = folder / "steer.yaml"
    file.write_text(yaml.safe_dump(tree, sort_keys=False))
    return str(file)


def not_built_yet() -> Tree:
    """Asks for recovery by a plan, which is a later story."""
    tree = configuration()
    tree["groups"]["website"] = {
        "mode": "pilot-light",
        "order": ["wellington", "auckland"],
        "failover": {"automatic": False, "plan": "over"},
    }
    tree["plans"] = {"over": {"steps": [{"name": "move", "shift": {"to": "auckland"}}]}}
    return tree


def test_check_names_what_is_not_built_and_run_refuses_it_a_line_for_each(tmp_path: Path) -> None:
    file = written(tmp_path, not_built_yet())
    status, output, _ = steer("check", file, "--json")
    missing = json.loads("\n".join(output))["not_built"]
    assert status == 0
    assert "groups.website.failover.plan" in {problem["path"] for problem in missing}
    status, output, _ = steer("check", file)
    assert status == 0
    assert len(output) == len(missing) + 1
    status, output, errors = steer("run", file)
    assert (status, output) == (1, [])
    assert len(errors) == len(missing)
    assert all(line.startswith(f"{file}:") and "not built yet" in line for line in errors)


def test_what_is_wrong_is_said_a_line_for_each_by_both(tmp_path: Path) -> None:
    tree = configuration()
    tree["groups"]["website"]["weights"]["wellington"] = -1
    tree["pools"]["web"]["retrys"] = {}
    file = written(tmp_path, tree)
    status, output, _ = steer("check", file)
    assert status == 1
    status, _, errors = steer("run", file)
    assert status == 1
    assert sorted(errors) == sorted(output[:-1])
    assert len(errors) == 2
    assert any("groups.website.weights.wellington: must be 0 or more, got -1" in line for line in errors)
    assert any("pools.web.retrys" in line and "did you mean retries?" in line for line in errors)


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    status, output, errors = steer("run", str(tmp_path / "nothing.yaml"))
    assert (output, len(errors)) == ([], 1)
    assert status in (1, 2)
    assert "nothing.yaml" in errors[0]
    assert steer("check", str(tmp_path / "nothing.yaml"))[0] == 2


@pytest.mark.parametrize("workers", ["4", "0"])
@pytest.mark.parametrize("which", ["listener", "admin"])
def test_a_port_that_is_taken_is_named(tmp_path: Path, which: str, workers: str) -> None:
    tree = configuration()
    address = tree["listeners"][0]["bind"] if which == "listener" else tree["admin"]["bind"]
    with socket.create_server((LOCAL, int(address.rpartition(":")[2]))):
        status, output, errors = steer("run", written(tmp_path, tree), "--workers", workers)
    assert (status, output, len(errors)) == (2, [], 1)
    assert errors[0].startswith("steer: ")
    assert address in errors[0]


def test_a_second_edge_on_the_same_configuration_is_refused_and_the_first_serves_on(tmp_path: Path) -> None:
    tree = configuration(1)
    with town(tmp_path, tree) as place:
        status, output, errors = steer("run", str(place.edge.file))
        assert (status, output, len(errors)) == (2, [], 1)
        with socket.create_connection((LOCAL, place.edge.port())) as connection:
            connection.sendall(b"GET /.steer/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert connection.recv(12) == b"HTTP/1.1 200"


def test_a_state_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    status, output, errors = steer("run", written(tmp_path, configuration()))
    assert (status, output, len(errors)) == (2, [], 1)
    assert str(tmp_path / "state") in errors[0]
