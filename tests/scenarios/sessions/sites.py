"""Two sites: a Redis, an edge with its doors, and one application node in each. Real processes; nothing is shared but
the files of keys."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis

from steer.store.codec import HEAD, HEAD_SIZE
from tests.kit.certificates import Authority
from tests.kit.edge import RunningEdge, Tree, bind, configuration, free_port
from tests.kit.redis import RedisServer
from tests.kit.relay import Relay

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
    peers: int
    tree: Tree
    edge: RunningEdge | None = None

    @property
    def running(self) -> RunningEdge:
        assert self.edge is not None
        return self.edge

    def start(self, workers: int = 0) -> None:
        self.edge = RunningEdge(self.folder, self.tree, "--workers", str(workers))
        self.running.wait_until_ready()

    def kill(self) -> None:
        """Its edge."""
        if self.edge is not None:
            self.edge.end()

    def client(self) -> Redis:
        """Of its door."""
        return Redis(port=self.door, socket_timeout=10)

    def records(self) -> dict[bytes, dict[bytes, bytes]]:
        """All that its Redis knows of all records, byte for byte, the ended ones too; but for the requests known, which
        are each site's own."""
        found = {}
        with Redis.from_url(self.redis.url) as redis:
            keys = list(redis.scan_iter(match=f"{{{NAMESPACE}:b*}}:r:*", count=1000))
            pipeline = redis.pipeline(transaction=False)
            for key in keys:
                pipeline.hgetall(key)
            for key, fields in zip(keys, pipeline.execute(), strict=True):
                found[key] = {**fields, HEAD: fields[HEAD][:HEAD_SIZE]}
        return found


def make_sites(folder: Path) -> tuple[Site, Site]:
    """Not yet started; every port is known."""
    first, second = (_site(folder / name, name) for name in SITES)
    return first, second


@contextmanager
def started(
    sites: tuple[Site, Site], reach: Mapping[str, str] | None = None, workers: int = 0, **namespace: Any
) -> Iterator[None]:
    """`reach`: the URL by which the other site reaches a site's Redis; straight where none is given. `workers` 0: an
    edge is one process. `namespace` are its settings. Affinity is by the cookie `steer`; who drains is left at once."""
    nodes = {site.name: site.node for site in sites}
    with ExitStack() as stack:
        for site in sites:
            stack.enter_context(site.redis)
        for site in sites:
            engines = {each.name: each.redis.url for each in sites} | dict(reach or {})
            site.tree = _tree(site, nodes, engines | {site.name: site.redis.url}, namespace)
            stack.callback(site.kill)
            site.start(workers)
        yield
        for site in sites:
            if site.running.process.poll() is None:
                site.running.stop()


@contextmanager
def two_sites(folder: Path, workers: int = 0, **namespace: Any) -> Iterator[tuple[Site, Site]]:
    sites = make_sites(folder)
    with started(sites, workers=workers, **namespace):
        yield sites


@asynccontextmanager
async def two_sites_that_can_be_parted(
    folder: Path, **namespace: Any
) -> AsyncIterator[tuple[tuple[Site, Site], tuple[Relay, Relay]]]:
    """Each line leads to the Redis of the site at its place, for the other site."""
    first, second = make_sites(folder)
    async with Relay(first.redis.port) as to_first, Relay(second.redis.port) as to_second:
        reach = {first.name: to_first.url, second.name: to_second.url}
        with started((first, second), reach, **namespace):
            yield (first, second), (to_first, to_second)


def _site(folder: Path, name: str) -> Site:
    folder.mkdir()
    return Site(name, folder, RedisServer(folder / "redis"), free_port(), free_port(), free_port(), {})


@contextmanager
def two_sites_through_edges(folder: Path, *, redis: bool = True, **namespace: Any) -> Iterator[tuple[Site, Site]]:
    """No edge can reach the other site's Redis, only its edge; without `redis` each has its memory."""
    sites = make_sites(folder)
    authority = Authority(folder)
    nobody = "redis://127.0.0.1:1/0"
    with ExitStack() as stack:
        for site in sites:
            if redis:
                stack.enter_context(site.redis)
            own, other = (site.redis.url, nobody) if redis else (None, None)
            engines = {each.name: own if each is site else other for each in sites}
            site.tree = _tree(site, {each.name: each.node for each in sites}, engines, namespace)
            _through_edges(site, sites, authority)
            stack.callback(site.kill)
            site.start()
        yield sites
        for site in sites:
            if site.running.process.poll() is None:
                site.running.stop()


def _through_edges(site: Site, sites: tuple[Site, Site], authority: Authority) -> None:
    files = authority.issue(edge_name(site))
    tls = {"certificate": files.certificate, "key": files.key, "client_ca": authority.certificate}
    site.tree["replication"] = {
        "bind": f"127.0.0.1:{site.peers}",
        "tls": {name: str(file) for name, file in tls.items()},
    }
    site.tree["edges"] = {
        edge_name(each): {"datacentre": each.name, "replication": f"127.0.0.1:{each.peers}"} for each in sites
    }


def edge_name(site: Site) -> str:
    return f"edge-{site.name}"


def _tree(site: Site, nodes: Mapping[str, int], engines: Mapping[str, str | None], namespace: Tree) -> Tree:
    folder = site.folder.parent
    tree = configuration(nodes)
    tree["edge"] |= {"name": edge_name(site), "datacentre": site.name, "reveal": True}
    for name, url in engines.items():
        tree["datacentres"][name]["redis"] = {"url": url} if url else None
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
