"""Writes the folder that an edge needs to run here: configuration, certificates, token."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import yaml

from steer.config import load, unbuilt
from steer.control.tokens import Role, create_token
from steer.demo import adapt
from steer.demo.certificates import Authority
from steer.demo.ports import Ports
from steer.demo.prune import without
from steer.errors import Problem, SteerError

GROUP_MODE = re.compile(r"groups\.[^.]+\.mode")
NODE_NAMES = ("127.0.0.1", "localhost")


@dataclass(frozen=True, slots=True)
class Scene:
    """All paths lie in `folder`. `left_out` is what the file asked for and steer does not do yet."""

    folder: Path
    tree: adapt.Tree
    left_out: tuple[Problem, ...] = ()

    @property
    def configuration(self) -> Path:
        return self.folder / "steer.yaml"

    @property
    def authority(self) -> Path:
        return self.folder / "ca.pem"

    @property
    def node_certificate(self) -> Path:
        """Certificate and key of the origins that speak HTTPS."""
        return self.folder / "node.pem"

    @property
    def token(self) -> Path:
        return self.folder / "token"

    @property
    def access_log(self) -> Path:
        return self.folder / str(adapt.EDGE["log"]["access"])

    @property
    def edge_log(self) -> Path:
        """What the edge prints."""
        return self.folder / "edge.log"

    @property
    def admin(self) -> str:
        return f"http://{self.tree['admin']['bind']}"

    @property
    def nodes(self) -> tuple[adapt.Node, ...]:
        return adapt.nodes(self.tree)


def read_tree(file: Path | None) -> adapt.Tree:
    """The configuration as plain values; the active-active example when no file is named. Raises `SteerError`."""
    try:
        text = file.read_text() if file else files("steer.demo").joinpath("active-active.yaml").read_text()
        tree = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SteerError(f"{file}: cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(tree, dict):
        raise SteerError(f"{file}: is not a configuration", "`steer check` says what is wrong")
    return tree


def write_scene(folder: Path, tree: adapt.Tree, port: int, ports: Ports) -> Scene:
    """Write everything. Raises `SteerError` when a port is taken, or the file needs what cannot be left out."""
    scene = Scene(folder, adapt.adapt(tree, port, ports))
    _write_certificates(scene)
    _write_token(scene)
    return _without_unbuilt(scene)


def _write_certificates(scene: Scene) -> None:
    authority = Authority.make()
    scene.authority.write_bytes(authority.pem)
    for each in adapt.certificates(scene.tree):
        authority.issue(each.hostnames, scene.folder / each.certificate, scene.folder / each.key)
    if any(node.https for node in scene.nodes):
        authority.issue(NODE_NAMES, scene.node_certificate, scene.node_certificate)
    for path in adapt.authorities(scene.tree):
        (scene.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (scene.folder / path).write_bytes(authority.pem)


def _write_token(scene: Scene) -> None:
    _, secret = create_token(scene.folder / scene.tree["admin"]["tokens"], "demo", Role.ADMIN)
    scene.token.touch(mode=0o600)
    scene.token.write_text(secret + "\n")


def _without_unbuilt(scene: Scene) -> Scene:
    """The scene with a configuration that `steer run` takes: what is not built yet taken out of it, and remembered."""
    scene.configuration.write_text(yaml.safe_dump(scene.tree, sort_keys=False, allow_unicode=True))
    problems = unbuilt(load(scene.configuration, environ={}))
    if not problems:
        return scene
    for problem in problems:
        if GROUP_MODE.fullmatch(problem.path):
            raise SteerError(f"cannot run this file yet: {problem.path}: {problem.message}")
    tree = without(scene.tree, (problem.path for problem in problems))
    if tree == scene.tree:
        raise SteerError(f"cannot run this file yet: {problems[0].path}: {problems[0].message}")
    return _without_unbuilt(Scene(scene.folder, tree, scene.left_out + problems))
