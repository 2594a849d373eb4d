"""Two sites: a Redis, an edge with its doors, and one application node in each. Real processes; nothing is shared but
the files of keys."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis

from tests.kit.edge import RunningEdge, Tree, bind, configuration, free_port
from tests.kit.redis import RedisServer

SITES = ("wellington", "auckland")
NAMESPACE = "web"


@dataclass
class Site:
    """`node` is the port on which its application is awaited."""

    name: str
    folder: Path
    redis: RedisServer
    door: int
    node: int
    tree: Tree
    edge: RunningEdge | None = None

    @property
    def running(self) -> RunningEdge:
        assert self.edge is not None
        return self.edge

    def start(self, workers: int = 1) -> None:
        self.edge = RunningEdge(self.folder, self.tree, workers)
        self.running.wait_until_ready()

    def client(self) -> Redis:
        """Of its door."""
        return Redis(port=self.door, socket_timeout=10)


@contextmanager
def two_sites(folder: Path, **namespace: Any) -> Iterator[tuple[Site, Site]]:
    """`namespace` are its settings. Affinity is by the cookie `steer`; a datacentre that drains is left at once."""
    with ExitStack() as stack:
        sites = [_site(folder / name, name) for name in SITES]
        for site in sites:
            stack.enter_context(site.redis)
        nodes = {site.name: site.node for site in sites}
        for site in sites:
            site.tree = _tree(folder, site, nodes, {each.name: each.redis.url for each in sites}, namespace)
            site.start()
            stack.callback(site.running.kill)
        yield sites[0], sites[1]
        for site in sites:
            if site.running.process.poll() is None:
                site.running.stop()


def _site(folder: Path, name: str) -> Site:
    folder.mkdir()
    return Site(name, folder, RedisServer(folder / "redis"), free_port(), free_port(), {})


def _tree(folder: Path, site: Site, nodes: dict[str, int], engines: dict[str, str], namespace: Tree) -> Tree:
    tree = configuration(nodes)
    tree["edge"] |= {"name": f"edge-{site.name}", "datacentre": site.name, "reveal": True}
    for name, url in engines.items():
        tree["datacentres"][name]["redis"] = {"url": url}
    tree["pools"]["web"]["ejection"] = {"consecutive_gateway_failures": 1, "base_time": "1s", "ramp": "0s"}
    tree["groups"]["website"] |= {"drain": {"sessions": "0s"}, "back_after": "0s", "safety": {"pause": "0s"}}
    tree["services"]["www"]["affinity"] = {"cookie": "steer", "idle": "30m"}
    tree["affinity_keys"] = {"file": str(folder / "affinity-keys.yaml")}
    tree["sessions"] = {
        "doors": {"resp": {"bind": f"127.0.0.1:{site.door}"}, "http": {"bind": bind()}},
        "namespaces": {NAMESPACE: namespace},
        "keys": {"file": str(folder / "session-keys.yaml")},
    }
    return tree
