"""Configuration -> the plain parameters of the store process: its engines, its namespaces, its doors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from steer.config import Config, DoorUser, ServerTls, SessionNamespace, Sessions
from steer.proxy.door_tls import DoorContext, admin_context
from steer.proxy.tls import CertificateFiles
from steer.sessions.access import Access, Holder
from steer.sessions.affinity.stored_record import space
from steer.store.layout import Space
from steer.store.namespace import Promise
from steer.store.redis_link import RedisPlace
from steer.store.site import Kept
from steer.store_places import PeerDoor, Sites, peer_door, sites


@dataclass(frozen=True, slots=True)
class DoorSettings:
    bind: str
    access: Access
    tls: DoorContext | None


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
    """`log`: the file of the edge's own memory, where the site has no Redis."""

    sites: Sites
    log: Path
    sync: float | Literal["always"]
    namespaces: tuple[NamespaceSettings, ...]
    keys: Path | None
    """The file of the ring that seals; None: nothing is sealed."""
    resp: DoorSettings | None
    http: DoorSettings | None
    learned: Kept | None = None
    """Where edges share learned keys; None: they do not."""
    peers: PeerDoor | None = None
    """Where the edges of other sites reach this site's engine."""

    @property
    def binds(self) -> dict[str, str]:
        """The addresses of the doors, by name."""
        doors = {"resp": self.resp, "http": self.http, "peers": self.peers}
        return {name: door.bind for name, door in doors.items() if door is not None}

    @property
    def contexts(self) -> list[DoorContext]:
        """All TLS of it: what is to be renewed when its files are."""
        found = [self.sites.as_edge, *(door.tls for door in (self.resp, self.http, self.peers) if door is not None)]
        return [each for each in found if each is not None]


def has_seals(sessions: Sessions) -> bool:
    """Whether anything is sealed, which takes keys."""
    return any(namespace.seal or namespace.hash_keys for namespace in sessions.namespaces.values())


def store_settings(config: Config) -> StoreSettings | None:
    """None where nothing is kept: then there is no store process. Raises SteerError for certificates and hashes."""
    sessions = config.sessions
    if sessions is None or not sessions.namespaces:
        return None
    it = sites(config)
    peers = tuple(it.others)
    resp, http = sessions.doors.resp, sessions.doors.http
    return StoreSettings(
        sites=it,
        log=config.edge.state / "sessions.log",
        sync=sessions.memory.log,
        namespaces=tuple(_namespace(name, it.here, peers, each) for name, each in sessions.namespaces.items()),
        keys=sessions.keys.file if has_seals(sessions) else None,
        resp=_door(resp.bind, resp.users, resp.tls, "resp.users") if resp is not None else None,
        http=_door(http.bind, http.tokens, http.tls, "http.tokens") if http is not None else None,
        learned=Kept(space(it.here, peers), Promise()) if (it.engine or peers) and _learns(config) else None,
        peers=peer_door(config),
    )


def _learns(config: Config) -> bool:
    affinities = (service.affinity for service in config.services.values())
    return any(affinity is not None and affinity.cookie is None for affinity in affinities)


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
