"""Where the engine of each site is, as this edge reaches it: its own, and those of the other datacentres."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from steer.config import Config, Redis
from steer.config.network import host_port
from steer.proxy.door_tls import DoorContext, admin_context, peer_context
from steer.proxy.tls import CertificateFiles
from steer.store.engine import Engine
from steer.store.redis_engine import RedisEngine
from steer.store.redis_link import PEER_TIMEOUT, RedisLink, RedisPlace
from steer.store.remote.engine import RemoteEngine
from steer.store.remote.line import Door
from steer.store.remote.link import RemoteLink, RemotePlace

DEFAULT_PORT = 26379
"""Of a Sentinel."""

EnginePlace = RedisPlace | RemotePlace


@dataclass(frozen=True, slots=True)
class Sites:
    """`engine`: this site's Redis; None: the edge's own memory. `others`: by site, the engines that this one shares
    its records with, the nearest in the configuration first."""

    here: int
    engine: RedisPlace | None
    others: Mapping[int, EnginePlace]
    as_edge: DoorContext | None = None
    """As whom it reaches engines behind edges."""


@dataclass(frozen=True, slots=True)
class PeerDoor:
    """Where this edge serves its site's engine to other sites, and the names of the edges that may come in."""

    bind: str
    tls: DoorContext
    names: frozenset[str]


def sites(config: Config) -> Sites:
    """A site shares its records if the others can reach its engine. Raises SteerError for certificates."""
    here = site_of(config)
    places: dict[int, EnginePlace] = {}
    engine: RedisPlace | None = None
    is_shared = False
    as_edge = _as_edge(config)
    for name, datacentre in config.datacentres.items():
        redis = redis_place(datacentre.redis) if datacentre.redis is not None else None
        doors = doors_of(config, name)
        if datacentre.id == here:
            engine, is_shared = redis, redis is not None or bool(doors)
        elif doors:
            assert as_edge is not None, "the checks of the configuration see to it"
            places[datacentre.id] = RemotePlace(doors, as_edge)
        elif redis is not None:
            places[datacentre.id] = replace(redis, timeout=PEER_TIMEOUT)
    return Sites(here, engine, places if is_shared else {}, as_edge)


def doors_of(config: Config, datacentre: str) -> tuple[Door, ...]:
    """How other sites reach the edges of this datacentre, where they replicate through them."""
    members = config.edges.items()
    return tuple(
        Door(name, *host_port(member.replication))
        for name, member in members
        if member.replication is not None and member.datacentre == datacentre
    )


def peer_door(config: Config) -> PeerDoor | None:
    """None: this edge serves its engine to nobody. Raises SteerError for certificates."""
    bind, tls = config.replication.bind, config.replication.tls
    if bind is None or tls is None:
        return None
    context = admin_context(CertificateFiles(tls.certificate, tls.key), tls.client_ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_3  # as `peer_context` does: both ends are ours
    others = {name for name, member in config.edges.items() if member.datacentre != config.edge.datacentre}
    return PeerDoor(bind, context, frozenset(others))


def _as_edge(config: Config) -> DoorContext | None:
    tls = config.replication.tls
    if tls is None or tls.client_ca is None:
        return None
    return peer_context(CertificateFiles(tls.certificate, tls.key), tls.client_ca)


def engine_at(place: EnginePlace) -> Engine:
    """Not yet connected."""
    return RemoteEngine(RemoteLink(place)) if isinstance(place, RemotePlace) else RedisEngine(RedisLink(place))


def site_of(config: Config) -> int:
    """The datacentre in which this edge stands; where it does not say, the first."""
    name = config.edge.datacentre or next(iter(config.datacentres))
    return config.datacentres[name].id


def redis_place(redis: Redis) -> RedisPlace:
    """`tls` makes it TLS whatever the scheme of the URL."""
    options: dict[str, str | int | bool] = {}
    if redis.username is not None:
        options["username"] = redis.username
    if redis.password is not None:
        options["password"] = redis.password.get_secret_value()
    url = redis.url or ""
    if redis.tls is not None:
        files = {"ssl_ca_certs": redis.tls.ca, "ssl_certfile": redis.tls.certificate, "ssl_keyfile": redis.tls.key}
        options |= {name: str(file) for name, file in files.items() if file is not None}
        if redis.sentinel is not None:
            options["ssl"] = True
        elif urlsplit(url).scheme == "redis":
            url = url.replace("redis://", "rediss://", 1)
    if redis.sentinel is None:
        return RedisPlace(url=url, options=tuple(options.items()))
    nodes = tuple(_sentinel(node) for node in redis.sentinel.nodes)
    return RedisPlace(sentinels=nodes, service=redis.sentinel.service, options=tuple(options.items()))


def _sentinel(node: str) -> tuple[str, int]:
    host, _, port = node.rpartition(":")
    return (host.strip("[]"), int(port)) if host and port.isdigit() else (node, DEFAULT_PORT)
