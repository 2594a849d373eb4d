"""Changes a configuration, as a tree of plain values, so that it runs on this machine alone.

    listeners    on 127.0.0.1, at --port and the following
    nodes        at free ports of 127.0.0.1, where an origin will listen
    admin        at a free port of 127.0.0.1, without TLS
    sessions     in the edge's own memory, with doors at free ports of 127.0.0.1, for everybody on this machine
    edge         shows in each answer where it came from, keeps its state and its log in the scene's folder
    edges        this one alone, so that nobody else is asked before it moves a group
    pools        quick checks, short time-outs, ejections and ramps: a person watches
    files        that the demonstration makes: inside the scene's folder

Everything else stays as the file says.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from steer.demo.ports import Ports

Tree = dict[str, Any]

EDGE: Tree = {"reveal": True, "state": "state/", "drain": "2s", "log": {"level": "info", "access": "access.log"}}
POOL: dict[str, Tree] = {
    "ejection": {"base_time": "5s", "max_time": "30s", "ramp": "10s"},
    "timeouts": {"response_head": "1s"},
    "retries": {"on_timeout": True},  # so that a node which was stopped costs a second, and no request
}
CHECK: Tree = {"interval": "1s", "timeout": "1s"}
DOORS = {"resp": 6380, "http": 8079}
"""The ports of the doors, where they are free."""
ONLY_HERE = ("bind", "admin", "replication")
"""What one of `edges` has for where it really stands."""
ADMIN_PORT = 9900
"""Where the commands look when nothing is said."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node whose origin the demonstration runs."""

    name: str
    datacentre: str
    pool: str
    port: int
    https: bool


@dataclass(frozen=True, slots=True)
class Pinned:
    hostname: str
    datacentre: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """Paths as the file has them, and the hostnames that it must cover."""

    certificate: str
    key: str
    hostnames: tuple[str, ...]


def adapt(tree: Tree, port: int, ports: Ports) -> Tree:
    """The same configuration for this machine. Raises `SteerError` when `port` is taken."""
    tree = copy.deepcopy(tree)
    tree["edge"] = {key: value for key, value in tree.get("edge", {}).items() if key != "user"} | EDGE
    _be_alone(tree)
    _move_listeners(tree, port, ports)
    _move_admin(tree, ports)
    for pool in tree.get("pools", {}).values():
        _move_nodes(pool, ports)
        _quicken(pool)
    _move_sessions(tree, ports)
    return tree


def _be_alone(tree: Tree) -> None:
    tree.pop("coordination", None)
    name = tree["edge"].get("name")
    others = tree.get("edges") or {}
    if name in others:
        tree["edges"] = {name: {key: value for key, value in others[name].items() if key not in ONLY_HERE}}
    elif others:
        del tree["edges"]


def _move_listeners(tree: Tree, port: int, ports: Ports) -> None:
    for place, listener in enumerate(tree.get("listeners", [])):
        given = ports.near(port + place) if place else ports.just(port, "choose another with --port")
        listener["bind"] = f"127.0.0.1:{given}"
    for listed in _listed_certificates(tree):
        listed["certificate"], listed["key"] = _inside(listed["certificate"]), _inside(listed["key"])


def _move_admin(tree: Tree, ports: Ports) -> None:
    tokens = tree.get("admin", {}).get("tokens", "certs/admin-tokens.yaml")
    tree["admin"] = {"bind": f"127.0.0.1:{ports.near(ADMIN_PORT)}", "tokens": _inside(tokens)}


def _move_nodes(pool: Tree, ports: Ports) -> None:
    for node in (node for nodes in pool.get("nodes", {}).values() for node in nodes):
        address = urlsplit(node["address"])
        node["address"] = f"{address.scheme}://127.0.0.1:{ports.near(address.port or 8100)}"
    if (pool.get("upstream_tls") or {}).get("ca"):
        pool["upstream_tls"]["ca"] = _inside(pool["upstream_tls"]["ca"])


def _move_sessions(tree: Tree, ports: Ports) -> None:
    tree.pop("replication", None)
    for datacentre in tree.get("datacentres", {}).values():
        datacentre.pop("redis", None)
    doors = (tree.get("sessions") or {}).get("doors") or {}
    for name, first in DOORS.items():
        if name in doors:
            doors[name] = {"bind": f"127.0.0.1:{ports.near(first)}"}


def _quicken(pool: Tree) -> None:
    for key, quick in POOL.items():
        pool[key] = (pool.get(key) or {}) | quick
    if "health_check" in pool:
        pool["health_check"] |= CHECK


def _inside(path: str) -> str:
    """The path as one that cannot lead out of the folder: relative, without `..`."""
    return "/".join(part for part in PurePosixPath(path).parts if part not in ("/", ".."))


# What a tree has.


def nodes(tree: Tree) -> tuple[Node, ...]:
    """Those that speak HTTP, in the file's order."""
    return tuple(
        Node(node["name"], datacentre, name, urlsplit(node["address"]).port or 0, node["address"].startswith("https:"))
        for name, pool in tree.get("pools", {}).items()
        for datacentre, listed in pool.get("nodes", {}).items()
        for node in listed
        if node["address"].startswith("http")
    )


def pinned(service: Tree) -> tuple[Pinned, ...]:
    return tuple(
        Pinned(hostname, where if isinstance(where, str) else where["datacentre"])
        for hostname, where in (service.get("pinned_hostnames") or {}).items()
    )


def hostnames(tree: Tree) -> tuple[str, ...]:
    """Of all services: balanced and pinned."""
    return tuple(
        name
        for service in tree.get("services", {}).values()
        for name in (*service.get("hostnames", ()), *(each.hostname for each in pinned(service)))
    )


def authorities(tree: Tree) -> tuple[str, ...]:
    """Paths of the authorities that the nodes' certificates are verified with."""
    checked = (pool.get("upstream_tls") or {} for pool in tree.get("pools", {}).values())
    return tuple(dict.fromkeys(tls["ca"] for tls in checked if tls.get("ca")))


def certificates(tree: Tree) -> tuple[Certificate, ...]:
    """Those of the listeners, each with the hostnames that its file name fits best; the first takes the others."""
    files = list(dict.fromkeys((each["certificate"], each["key"]) for each in _listed_certificates(tree)))
    names: dict[str, list[str]] = {certificate: [] for certificate, _ in files}
    for hostname in hostnames(tree) if files else ():
        best = max(names, key=lambda path: _labels_in_common(hostname, PurePosixPath(path).stem))
        names[best].append(hostname)
    return tuple(
        Certificate(certificate, key, tuple(names[certificate]) or (PurePosixPath(certificate).stem,))
        for certificate, key in files
    )


def _listed_certificates(tree: Tree) -> Iterator[Tree]:
    for listener in tree.get("listeners", []):
        yield from (listener.get("tls") or {}).get("certificates", [])


def _labels_in_common(one: str, other: str) -> int:
    """How many labels the two names share, counted from the right."""
    common = 0
    for left, right in zip(reversed(one.split(".")), reversed(other.split(".")), strict=False):
        if left != right:
            break
        common += 1
    return common
