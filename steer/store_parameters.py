"""Configuration -> the plain parameters of the store process: its site, its engine, its namespaces, its doors."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from steer.config import Config, DoorUser, Redis, ServerTls, SessionNamespace, Sessions
from steer.proxy.tls import CertificateFiles, admin_context
from steer.sessions.access import Access, Holder
from steer.sessions.affinity.stored_record import space
from steer.store.layout import Space
from steer.store.namespace import Promise
from steer.store.redis_link import RedisPlace
from steer.store.site import Kept

DEFAULT_PORT = 26379
"""Of a Sentinel."""


@dataclass(frozen=True, slots=True)
class DoorSettings:
    bind: str
    access: Access
    tls: ssl.SSLContext | None


@dataclass(frozen=True, slots=True)
class NamespaceSettings:
    """`kept` for the store, the rest for the doors."""

    kept: Kept
    local_keys: tuple[str, ...]
    seal: bool
    hash_keys: bool
    adopt: RedisPlace | None = None
    """Where the application's sessions were before."""


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """`engine`: this site's Redis; None: the edge's own memory, with its log in the file `log`. `others`: by site, the
    engines of the other datacentres that have one."""

    site: int
    engine: RedisPlace | None
    others: Mapping[int, RedisPlace]
    log: Path
    sync: float | Literal["always"]
    namespaces: tuple[NamespaceSettings, ...]
    keys: Path | None
    """The file of the ring that seals; None: nothing is sealed."""
    resp: DoorSettings | None
    http: DoorSettings | None
    learned: Kept | None = None
    """Where edges share learned keys; None: they do not."""

    @property
    def binds(self) -> dict[str, str]:
        """The addresses of the doors, by name."""
        doors = {"resp": self.resp, "http": self.http}
        return {name: door.bind for name, door in doors.items() if door is not None}


def has_seals(sessions: Sessions) -> bool:
    """Whether anything is sealed, which takes keys."""
    return any(namespace.seal or namespace.hash_keys for namespace in sessions.namespaces.values())


def store_settings(config: Config) -> StoreSettings | None:
    """None where nothing is kept: then there is no store process. Raises SteerError for certificates and hashes."""
    sessions = config.sessions
    if sessions is None or not sessions.namespaces:
        return None
    here = site_of(config)
    engines = {
        datacentre.id: redis_place(datacentre.redis)
        for datacentre in config.datacentres.values()
        if datacentre.redis is not None
    }
    engine = engines.pop(here, None)
    others = engines if engine is not None else {}
    resp, http = sessions.doors.resp, sessions.doors.http
    return StoreSettings(
        site=here,
        engine=engine,
        others=others,
        log=config.edge.state / "sessions.log",
        sync=sessions.memory.log,
        namespaces=tuple(
            _namespace(name, here, tuple(others), namespace) for name, namespace in sessions.namespaces.items()
        ),
        keys=sessions.keys.file if has_seals(sessions) else None,
        resp=_door(resp.bind, resp.users, resp.tls, "resp.users") if resp is not None else None,
        http=_door(http.bind, http.tokens, http.tls, "http.tokens") if http is not None else None,
        learned=Kept(space(here, tuple(others)), Promise()) if engine is not None and _learns(config) else None,
    )


def _learns(config: Config) -> bool:
    affinities = (service.affinity for service in config.services.values())
    return any(affinity is not None and affinity.cookie is None for affinity in affinities)


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


def _namespace(name: str, site: int, others: tuple[int, ...], namespace: SessionNamespace) -> NamespaceSettings:
    space = Space(
        name=name,
        site=site,
        peers=others if namespace.replicate else (),
        max_lifetime=namespace.max_lifetime,
        max_pending=namespace.max_pending,
    )
    return NamespaceSettings(
        kept=Kept(space, Promise(namespace.acknowledge, namespace.on_timeout, namespace.timeout)),
        local_keys=namespace.local_keys,
        seal=namespace.seal,
        hash_keys=namespace.hash_keys,
        adopt=RedisPlace(url=namespace.adopt) if namespace.adopt is not None else None,
    )


def _door(bind: str, users: Mapping[str, DoorUser], tls: ServerTls | None, place: str) -> DoorSettings:
    holders = {name: Holder(user.hash.get_secret_value(), user.namespace) for name, user in users.items()}
    context = admin_context(CertificateFiles(tls.certificate, tls.key), tls.client_ca) if tls is not None else None
    return DoorSettings(bind, Access(holders, f"sessions.doors.{place}"), context)
