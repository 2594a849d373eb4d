"""Where affinity is tried: two datacentres with two nodes each, origins of the test's own, services of each kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.kit.certificates import Authority
from tests.kit.client import Client, Response
from tests.kit.edge import RunningEdge, Tree, bind, configuration, free_port, running_edge
from tests.kit.origin import Origin

COOKIE_HOST = "www.agency.example"
KEY_HOST = "chat.agency.example"
NODES = {"one": ("one-1", "one-2"), "two": ("two-1", "two-2")}


def service(hostname: str, affinity: Tree | None, **more: Any) -> Tree:
    routes = [{"path": "/", "pool": "web"}]
    made: Tree = {"hostnames": [hostname], "group": "website", "routes": routes, **more}
    return made if affinity is None else {**made, "affinity": affinity}


def tree_of(services: Mapping[str, Tree], **listeners: Tree) -> Tree:
    """Each node on a port of its own; failures eject at once and for a second."""
    tree = configuration({name: free_port() for name in NODES}, **listeners)
    tree["edge"]["reveal"] = True
    tree["pools"]["web"]["nodes"] = {
        datacentre: [{"name": name, "address": f"http://{bind()}"} for name in names]
        for datacentre, names in NODES.items()
    }
    at_once = {"consecutive_gateway_failures": 1, "base_time": "1s", "ramp": "0s"}
    tree["pools"]["web"]["ejection"] = at_once
    tree["groups"]["website"] |= {"back_after": "0s", "safety": {"pause": "0s"}}
    tree["services"] = dict(services)
    return tree


@dataclass
class Place:
    edge: RunningEdge
    origins: dict[str, Origin]
    """By node; one that is stopped is not there."""
    ports: Mapping[str, int]
    authority: Authority | None = None

    def stop(self, *nodes: str) -> None:
        for node in nodes:
            self.origins.pop(node).stop()

    def start(self, *nodes: str) -> None:
        for node in nodes:
            self.origins[node] = Origin(self.ports[node])

    def client(self, listener: str = "http", host: str = COOKIE_HOST) -> Client:
        trust = self.authority.trust() if listener == "https" and self.authority is not None else None
        return Client(self.edge.port(listener), trust, host if trust is not None else None)

    def ask(self, host: str, *fields: str, path: str = "/", listener: str = "http") -> Response:
        """On a connection of its own."""
        with self.client(listener, host) as client:
            return client.ask(request(host, *fields, path=path))

    def heads_at(self, path: str) -> list[bytes]:
        """Of the requests for this path, whichever node they came to."""
        return [seen.head for origin in self.origins.values() for seen in origin.seen(path)]

    def on(self, path: str, *lines: bytes) -> None:
        """What every node answers to requests for this path."""
        head = b"\r\n".join([b"HTTP/1.1 200 OK", b"Date: Fri, 02 Jan 2026 03:04:05 GMT", b"Content-Length: 2", *lines])
        for origin in self.origins.values():
            origin.on(path, head + b"\r\n\r\nok")


@contextmanager
def place_of(folder: Path, tree: Tree, workers: int = 1, authority: Authority | None = None) -> Iterator[Place]:
    nodes = tree["pools"]["web"]["nodes"]
    ports = {node["name"]: int(node["address"].rpartition(":")[2]) for each in nodes.values() for node in each}
    origins = {name: Origin(port) for name, port in ports.items()}
    try:
        with running_edge(folder, tree, workers) as edge:
            yield Place(edge, origins, ports, authority)
    finally:
        for origin in origins.values():
            origin.stop()


def request(host: str, *fields: str, path: str = "/", method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {host}", *fields]).encode("latin-1") + b"\r\n\r\n"


def cookie_of(answer: Response) -> str:
    """The pair that a client keeps, of the one Set-Cookie that there must be."""
    (line,) = answer.all("Set-Cookie")
    return line.partition(";")[0]


def node_of(answer: Response) -> str:
    node = answer.get("X-Steer-Node")
    assert node is not None, answer
    return node


def site_of(answer: Response) -> str:
    site = answer.get("X-Steer-Datacentre")
    assert site is not None, answer
    return site


def reason_of(answer: Response) -> str:
    return answer.get("X-Steer-Reason") or ""
