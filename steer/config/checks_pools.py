"""Can every node be reached as its pool says, and is there only one of each name?

Whether standby nodes pair up and are as many as `needed` is a question of readiness (recovery.md), not of this.
"""

from __future__ import annotations

from steer.config.findings import Finding, Findings, Seen, all_known
from steer.config.schema import Config
from steer.config.schema_pools import NodeConfig, Pool
from steer.config.source import Place

_SCHEMES = {"http": ("http", "https"), "h2c": ("http",), "tcp": ("tcp",)}


def check_pools(config: Config) -> Findings:
    datacentres = config.source.keys("datacentres")
    for name, pool in config.pools.items():
        place: Place = ("pools", name)
        yield from all_known((*place, "nodes"), "datacentre", pool.nodes, datacentres)
        yield from all_known((*place, "needed"), "datacentre", pool.needed, datacentres)
        if not any(pool.nodes.values()):
            yield Finding((*place, "nodes"), "must have at least one node")
        yield from _check_ways(pool, place)
        if pool.ejection.max_time < pool.ejection.base_time:
            yield Finding((*place, "ejection", "max_time"), "must be at least base_time")


def _check_ways(pool: Pool, place: Place) -> Findings:
    tls = pool.upstream_tls
    if tls.verify == "ca" and tls.ca is None:
        yield Finding((*place, "upstream_tls"), "needs ca where verify is ca")
    if (tls.certificate is None) is not (tls.key is None):
        yield Finding((*place, "upstream_tls"), "needs certificate and key, or neither")
    if pool.protocol == "tcp" and pool.health_check and pool.health_check.kind == "http":
        yield Finding((*place, "health_check", "kind"), "must be tcp in a pool of protocol tcp")
    if pool.protocol == "h2c" and pool.proxy_protocol is not None:
        message = "must be left out in a pool of protocol h2c"
        yield Finding((*place, "proxy_protocol"), message, "a connection of HTTP/2 is for many clients")


def check_nodes(config: Config) -> Findings:
    names = Seen("the name")
    for pool_name, pool in config.pools.items():
        for datacentre, nodes in pool.nodes.items():
            if nodes and not any(node.weight for node in nodes):
                yield Finding(("pools", pool_name, "nodes", datacentre), "must have a node with a weight over 0")
            for index, node in enumerate(nodes):
                place: Place = ("pools", pool_name, "nodes", datacentre, index)
                yield from names.again(node.name, (*place, "name"), f"a node of pool {pool_name}")
                yield from _check_node(config, pool_name, node, place)


def _check_node(config: Config, pool_name: str, node: NodeConfig, place: Place) -> Findings:
    protocol = config.pools[pool_name].protocol
    allowed = _SCHEMES[protocol]
    if node.scheme not in allowed:
        schemes = " or ".join(f"{scheme}://" for scheme in allowed)
        message = f"must begin with {schemes} in a pool of protocol {protocol}, got {node.scheme}://"
        yield Finding((*place, "address"), message)


CHECKS = (check_pools, check_nodes)
