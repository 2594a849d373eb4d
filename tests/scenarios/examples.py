"""The example configurations for this machine: one edge alone, its own ports and certificates, nothing that needs more.

Taken out is what needs other edges, Redis or plans; all else stays as the file says, but for times that a test cannot
wait for, which the test changes itself.
"""

from __future__ import annotations

import ssl
from contextlib import suppress
from pathlib import Path

import yaml

from steer.demo import adapt
from steer.demo.certificates import Authority
from tests.scenarios.town import Edge, Tree, free_port
from tests.scenarios.traffic import LOCAL, Connection, Response

FOLDER = Path(__file__).parents[2] / "config"
ELSEWHERE = ("edges", "coordination", "sessions", "plans", "drills", "notifications")
"""Parts of a file."""
OF_A_GROUP = ("failover.plan", "failback.plan", "readiness", "rpo_probe", "writes")
AUTHORITY = "ca.pem"


def example(name: str, folder: Path) -> Tree:
    """`config/NAME.yaml`, with what it needs in this folder. The first of the example's edges is this one."""
    tree: Tree = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    _stand_alone(tree)
    tree["edge"] |= {"workers": 2, "state": "state", "reveal": True, "drain": "5s", "log": {"access": "access.log"}}
    for listener in tree["listeners"]:
        listener["bind"] = f"{LOCAL}:{free_port()}"
    tree["admin"]["bind"] = f"{LOCAL}:{free_port()}"
    for nodes in (nodes for pool in tree["pools"].values() for nodes in pool["nodes"].values()):
        for node in nodes:
            node["address"] = f"{node['address'].rpartition(':')[0]}:{free_port()}"
    _certify(tree, folder)
    return tree


def _stand_alone(tree: Tree) -> None:
    edges = tree.get("edges", {})
    tree["edge"]["datacentre"] = edges[tree["edge"]["name"]]["datacentre"]
    for part in ELSEWHERE:
        tree.pop(part, None)
    for datacentre in tree["datacentres"].values():
        datacentre.pop("redis", None)
    for group in tree["groups"].values():
        for path in OF_A_GROUP:
            _take_out(group, path)


def _take_out(tree: Tree, path: str) -> None:
    *outer, last = path.split(".")
    for name in outer:
        tree = tree.get(name, {})
    with suppress(KeyError):
        del tree[last]


def _certify(tree: Tree, folder: Path) -> None:
    authority = Authority.make()
    (folder / AUTHORITY).write_bytes(authority.pem)
    for each in adapt.certificates(tree):
        authority.issue(each.hostnames, folder / each.certificate, folder / each.key)


async def ask(edge: Edge, host: str, path: str = "/", method: str = "GET", **fields: str) -> Response:
    """Over TLS, on a connection of its own. Fields are named with `_` for `-`."""
    tls = ssl.create_default_context(cafile=edge.folder / AUTHORITY)
    given = {name.replace("_", "-"): value for name, value in fields.items()}
    async with await Connection.open(edge.port, LOCAL, tls, host) as connection:
        return await connection.ask(path, host, method, {"Connection": "close", **given})
