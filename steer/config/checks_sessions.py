"""Do the doors of sessions speak of what exists, and can sites reach each other to replicate?"""

from __future__ import annotations

from collections.abc import Mapping

from steer.config.findings import Finding, Findings, known
from steer.config.network import is_loopback
from steer.config.schema import Config
from steer.config.schema_edge import EdgeMember
from steer.config.schema_sessions import HttpDoor, RespDoor
from steer.config.schema_sessions import Namespace as SessionNamespace
from steer.config.source import Place


def check_sessions(config: Config) -> Findings:
    if config.sessions is None:
        return
    resp, http = config.sessions.doors.resp, config.sessions.doors.http
    if resp:
        yield from _check_door(config, resp, "resp", "users")
    if http:
        yield from _check_door(config, http, "http", "tokens")
    for name, namespace in config.sessions.namespaces.items():
        place: Place = ("sessions", "namespaces", name)
        yield from _check_session_cookie(place, namespace)
        if namespace.hash_keys and not namespace.seal:
            yield Finding((*place, "hash_keys"), "needs seal: true", "ids alone tell little, values tell all")


def _check_session_cookie(place: Place, namespace: SessionNamespace) -> Findings:
    cookie = namespace.session_cookie
    if cookie is None:
        return
    if cookie.key.count("{value}") != 1:
        yield Finding((*place, "session_cookie", "key"), f'must have {{value}} once, got "{cookie.key}"')
    if not namespace.replicate:
        yield Finding((*place, "session_cookie"), "needs replicate: true", "other datacentres have no such records")


def _check_door(config: Config, door: RespDoor | HttpDoor, name: str, key: str) -> Findings:
    place: Place = ("sessions", "doors", name)
    namespaces = config.source.keys("sessions", "namespaces")
    users = door.users if isinstance(door, RespDoor) else door.tokens
    for user, found in users.items():
        yield from known((*place, key, user, "namespace"), "namespace", found.namespace, namespaces)
    if not users and not is_loopback(door.bind):
        yield Finding((*place, "bind"), f"must be a loopback address without {key}, got {door.bind}")


def check_replication(config: Config) -> Findings:
    """Replication through edges: `bind` and `tls` of this one, `edges.*.replication` of all."""
    reached = {name: member for name, member in config.edges.items() if member.replication}
    here = config.edge.name
    if config.replication.bind and here not in reached:
        hint = "the host and port by which other sites reach it"
        yield Finding(("replication", "bind"), f"needs edges.{here}.replication", hint)
    if here in reached and not config.replication.bind:
        yield Finding(("edges", here, "replication"), "needs replication.bind", "where this edge listens for others")
    if config.replication.bind or any(member.datacentre != config.edge.datacentre for member in reached.values()):
        yield from _check_peer_tls(config)
    if reached:
        yield from _check_memories(config)


def _check_peer_tls(config: Config) -> Findings:
    tls = config.replication.tls
    if tls is None:
        yield Finding(("replication",), "needs tls where sites replicate through edges")
    elif tls.client_ca is None:
        hint = "the CA that is for edges alone: who has its certificate may read and write every session"
        yield Finding(("replication", "tls"), "needs client_ca", hint)


def _check_memories(config: Config) -> Findings:
    """Each edge without a Redis has a memory of its own, and a site is one engine."""
    for name, edges in _edges_by_datacentre(config.edges).items():
        datacentre = config.datacentres.get(name)
        if datacentre and datacentre.redis is None and len(edges) > 1:
            message = f"needs a redis: {' and '.join(edges)} would each replicate a memory of its own"
            yield Finding(("datacentres", name), message)


def _edges_by_datacentre(edges: Mapping[str, EdgeMember]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, member in edges.items():
        if member.datacentre and member.role == "serving":
            found.setdefault(member.datacentre, []).append(name)
    return found


CHECKS = (check_sessions, check_replication)
