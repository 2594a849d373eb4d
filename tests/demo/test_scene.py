"""The folder that an edge needs, judged by the configuration's own checks."""

from __future__ import annotations

from pathlib import Path

import pytest

from steer.config import load, unbuilt
from steer.control.tokens import Role, Tokens
from steer.demo.ports import Ports
from steer.demo.scene import EXAMPLE, Scene, read_tree, write_scene
from steer.errors import ConfigError

EXAMPLES = Path(__file__).parents[2] / "config"
FIVE = ("active-active", "regional-canary", "ecosystem-swap", "passive-cluster", "pilot-light")


def scene_of(file: Path | None, folder: Path) -> Scene:
    ports = Ports()
    return write_scene(folder, read_tree(file), Ports().near(18800), ports)


def test_the_example_in_the_package_is_the_one_of_the_repository() -> None:
    assert EXAMPLE.read_bytes() == (EXAMPLES / "active-active.yaml").read_bytes()


@pytest.mark.parametrize("name", FIVE)
def test_steer_takes_the_configuration_with_the_files_that_it_names(name: str, tmp_path: Path) -> None:
    scene = scene_of(EXAMPLES / f"{name}.yaml", tmp_path)
    config = load(scene.configuration, environ={})
    assert unbuilt(config) == ()
    services = read_tree(EXAMPLES / f"{name}.yaml")["services"]
    assert list(config.services) == [name for name, service in services.items() if "pool" not in service]


def test_what_is_not_built_is_left_out_and_remembered(tmp_path: Path) -> None:
    scene = scene_of(EXAMPLES / "regional-canary.yaml", tmp_path)
    left_out = {problem.path for problem in scene.left_out}
    missing = {problem.path for problem in unbuilt(load(EXAMPLES / "regional-canary.yaml", check_files=False))}
    assert left_out == missing | {"geo.database"}
    assert scene.tree.keys().isdisjoint({"plans"})
    assert "rules" in scene.tree["groups"]["web-tier"]


def test_coordination_is_said_to_be_left_out(tmp_path: Path) -> None:
    scene = scene_of(EXAMPLES / "ecosystem-swap.yaml", tmp_path)
    assert [problem.path for problem in scene.left_out] == ["coordination"]


def test_what_is_steered_as_tcp_is_left_out_and_remembered(tmp_path: Path) -> None:
    scene = scene_of(EXAMPLES / "passive-cluster.yaml", tmp_path)
    places = {"listeners[1]", "services.transfer-sftp", "pools.transfer-sftp"}
    assert places < {problem.path for problem in scene.left_out}
    assert list(scene.tree["services"]) == ["transfer-https"]


def test_a_file_with_an_error_is_refused_with_its_own_line(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(EXAMPLE.read_text().replace("workers: auto", "workers: many"))
    line = next(number for number, text in enumerate(wrong.read_text().splitlines(), 1) if "workers: many" in text)
    with pytest.raises(ConfigError) as caught:
        read_tree(wrong)
    assert f"{wrong}:{line}: edge.workers: " in str(caught.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_tree(tmp_path / "none.yaml")


def test_settings_of_another_edge_in_the_environment_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEER_EDGE", "edge-auckland-1")
    scene = scene_of(None, tmp_path)
    assert scene.tree["edge"]["name"] == "edge-wellington-1"


def test_the_token_opens_the_admin_api_and_is_for_the_owner_only(tmp_path: Path) -> None:
    scene = scene_of(None, tmp_path)
    holder = Tokens(tmp_path / scene.tree["admin"]["tokens"]).holder(scene.token.read_text().strip())
    assert holder is not None
    assert holder.role is Role.ADMIN
    assert scene.token.stat().st_mode & 0o777 == 0o600


def test_nothing_is_written_outside_the_folder_and_no_key_is_readable_by_others(tmp_path: Path) -> None:
    folder = tmp_path / "scene"
    folder.mkdir()
    scene_of(None, folder)
    assert list(tmp_path.iterdir()) == [folder]
    for key in folder.rglob("*.key"):
        assert key.stat().st_mode & 0o077 == 0


def test_origins_that_speak_https_get_a_certificate_of_the_authority_that_the_pool_trusts(tmp_path: Path) -> None:
    tree = read_tree(None)
    for nodes in tree["pools"]["web"]["nodes"].values():
        nodes[0]["address"] = nodes[0]["address"].replace("http:", "https:")
    tree["pools"]["web"]["upstream_tls"] = {"verify": "ca", "ca": "certs/internal-ca.pem"}
    scene = write_scene(tmp_path, tree, Ports().near(18800), Ports())
    assert "BEGIN PRIVATE KEY" in scene.node_certificate.read_text()
    assert (tmp_path / "certs/internal-ca.pem").read_bytes() == scene.authority.read_bytes()
