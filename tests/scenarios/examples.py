"""The example configurations for this machine: one edge alone, with ports, certificates and origins of the test's own.

Taken out is what needs other edges, Redis or plans; all else stays as the file says, but for times that a test cannot
wait for, which the test changes itself.
"""

from __future__ import annotations

import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from steer.demo import adapt
from steer.demo.certificates import Authority
from tests.kit.client import Client, Response
from tests.kit.edge import RunningEdge, Tree, bind, free_port, running_edge
from tests.kit.origin import Origin
from tests.scenarios.affinity import request

FOLDER = Path(__file__).parents[2] / "config"
PARTS = ("edges", "coordination", "sessions", "plans", "drills", "notifications")
OF_A_GROUP = ("readiness", "rpo_probe", "writes")
AUTHORITY, NODE = "ca.pem", "node.pem"


def example(name: str, folder: Path) -> Tree:
    """`config/NAME.yaml`, with what it needs in this folder. The first of the example's edges is this one."""
    tree: Tree = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    tree["edge"] |= {"datacentre": tree["edges"][tree["edge"]["name"]]["datacentre"], "state": "state"}
    tree["edge"] |= {"reveal": True, "drain": "5s", "log": {"access": "access.log"}}
    _take_out(tree)
    for listener in tree["listeners"]:
        listener["bind"] = bind()
    tree["admin"]["bind"] = bind()
    for node in nodes(tree).values():
        node["address"] = f"{urlsplit(node['address']).scheme}://127.0.0.1:{free_port()}"
    _certify(tree, folder)
    return tree


def nodes(tree: Tree) -> dict[str, Tree]:
    """By name."""
    places = [nodes for pool in tree["pools"].values() for nodes in pool["nodes"].values()]
    return {node["name"]: node for place in places for node in place}


def _take_out(tree: Tree) -> None:
    for part in PARTS:
        tree.pop(part, None)
    for datacentre in tree["datacentres"].values():
        datacentre.pop("redis", None)
    for group in tree["groups"].values():
        for key in OF_A_GROUP:
            group.pop(key, None)
        for move in ("failover", "failback"):
            group.get(move, {}).pop("plan", None)


def _certify(tree: Tree, folder: Path) -> None:
    authority = Authority.make()
    (folder / AUTHORITY).write_bytes(authority.pem)
    authority.issue(("127.0.0.1",), folder / NODE, folder / NODE)
    for each in adapt.certificates(tree):
        authority.issue(each.hostnames, folder / each.certificate, folder / each.key)
    for path in adapt.authorities(tree):
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(authority.pem)


@dataclass
class Running:
    """`origins` by node; one that is stopped is not there."""

    edge: RunningEdge
    tree: Tree
    origins: dict[str, Origin]

    def ask(self, host: str, path: str = "/", *fields: str, method: str = "GET") -> Response:
        """Over TLS, on a connection of its own."""
        tls = ssl.create_default_context(cafile=self.edge.folder / AUTHORITY)
        with Client(self.edge.port("https"), tls, host) as client:
            return client.ask(request(host, *fields, path=path, method=method))

    def start(self, *names: str) -> None:
        for name in names:
            self.origins[name] = origin_of(self.edge.folder, self.tree, name)

    def stop(self, *names: str) -> None:
        for name in names:
            self.origins.pop(name).stop()

    def group(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.edge.admin(f"/groups/{name}")
        return found

    def steer(self, *arguments: str) -> tuple[int, str]:
        """`steer ARGUMENTS` -> exit status, what it says."""
        command = [sys.executable, "-m", "steer", *arguments]
        done = subprocess.run(command, env=self.edge.for_commands, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr


def origin_of(folder: Path, tree: Tree, name: str) -> Origin:
    """What listens where this node should be."""
    address = urlsplit(nodes(tree)[name]["address"])
    tls = None
    if address.scheme == "https":
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(folder / NODE)
    return Origin(address.port or 0, tls=tls)


@contextmanager
def running(folder: Path, tree: Tree, *without: str, workers: int = 1) -> Iterator[Running]:
    """The edge, and an origin for each HTTP node but those `without`."""
    names = [node.name for node in adapt.nodes(tree) if node.name not in without]
    origins = {name: origin_of(folder, tree, name) for name in names}
    try:
        with running_edge(folder, tree, workers) as edge:
            yield Running(edge, tree, origins)
    finally:
        for origin in origins.values():
            origin.stop()
