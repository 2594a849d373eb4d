"""Writes the folder that an edge needs to run here: configuration, certificates, token."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from steer.config import load, unbuilt
from steer.config.reading import Reading
from steer.control.tokens import Role, create_token
from steer.demo import adapt
from steer.demo.certificates import Authority
from steer.demo.ports import Ports
from steer.demo.prune import without
from steer.errors import Problem, SteerError

EXAMPLE = Path(__file__).with_name("active-active.yaml")
"""The same as config/active-active.yaml, so that an installed steer has it too."""

NODE_NAMES = ("127.0.0.1", "localhost")


@dataclass(frozen=True, slots=True)
class Scene:
    """All paths lie in `folder`. `left_out` is what the file asks for and is not here: not built yet, or not made."""

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
    """A file's plain values; those of the example when no file is named. Raises `ConfigError`."""
    file = file or EXAMPLE
    load(file, _environment(), check_files=False)  # the files that it names are made here
    reading = Reading(str(file))
    reading.take(file.read_bytes())
    return reading.data


def _environment() -> dict[str, str]:
    """Without the settings of another edge."""
    return {name: value for name, value in os.environ.items() if not name.startswith("STEER_")}


def write_scene(folder: Path, tree: adapt.Tree, port: int, ports: Ports) -> Scene:
    """Write everything. Raises `SteerError` when a port is taken, or the file needs what cannot be left out."""
    adapted = Scene(folder, adapt.adapt(tree, port, ports), tuple(_others(tree)))
    scene = _without_tcp(_without_databases(adapted))
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


def _others(tree: adapt.Tree) -> Iterator[Problem]:
    """What of the file is for several edges: one runs here, alone."""
    if "coordination" in tree:
        yield Problem("", 0, "coordination", "is not simulated: one edge runs here, and asks nobody else")


def _without_databases(scene: Scene) -> Scene:
    """Places of the world are nothing that can be made here; what `geo.networks` says of some stays."""
    if not (scene.tree.get("geo") or {}).get("database"):
        return scene
    problem = Problem("", 0, "geo.database", "is not made here: where clients are, geo.networks says alone")
    return Scene(scene.folder, without(scene.tree, ["geo.database"]), (*scene.left_out, problem))


def _without_tcp(scene: Scene) -> Scene:
    """The simulated nodes speak HTTP, so what is steered as TCP has none here."""
    tree = scene.tree
    places = [f"listeners[{index}]" for index, each in enumerate(tree["listeners"]) if each.get("tcp")]
    places += [f"services.{name}" for name, service in tree["services"].items() if service.get("pool")]
    places += [f"pools.{name}" for name, pool in tree["pools"].items() if pool.get("protocol") == "tcp"]
    problems = tuple(Problem("", 0, place, "is not simulated: the nodes here speak HTTP") for place in places)
    return Scene(scene.folder, without(tree, places), (*scene.left_out, *problems))


def _without_unbuilt(scene: Scene) -> Scene:
    """The scene with a configuration that `steer run` takes: what is not built yet taken out of it, and remembered."""
    scene.configuration.write_text(yaml.safe_dump(scene.tree, sort_keys=False, allow_unicode=True))
    problems = unbuilt(load(scene.configuration, _environment()))
    if not problems:
        return scene
    tree = without(scene.tree, (problem.path for problem in problems))
    if tree == scene.tree:
        raise SteerError(f"this file cannot run yet: {in_words(problems[0])}")
    return _without_unbuilt(Scene(scene.folder, tree, scene.left_out + problems))


def in_words(problem: Problem) -> str:
    """A problem without its place in a file that goes again."""
    return f"{problem.path}: {problem.message}" + (f" ({problem.hint})" if problem.hint else "")
