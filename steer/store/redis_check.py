"""What is wrong with a Redis' set-up, for the promises of the store."""

from __future__ import annotations

from collections.abc import Mapping

from steer.store.engine import Finding
from steer.store.errors import EngineDown
from steer.store.redis_link import RedisLink

OLDEST = (7, 0)
"""Script flags, and effects as the only way of replicating scripts."""


async def findings(link: RedisLink) -> list[Finding]:
    """All of them, the fatal first. Raises EngineDown if it cannot be asked at all."""
    info = parse_info(await link.call("INFO"))
    found = check_version(info) + check_role(info) + check_eviction(info)
    found += check_persistence(info, await saves(link))
    return sorted(found, key=lambda each: not each.is_fatal)


async def saves(link: RedisLink) -> bool | None:
    """Does it make snapshots? None if it does not say: CONFIG may be forbidden to our user."""
    try:
        reply = await link.call("CONFIG", "GET", "save")
    except EngineDown:
        return None
    return len(reply) == 2 and bool(reply[1])


def parse_info(text: bytes) -> dict[str, str]:
    """The reply to INFO."""
    lines = (line.partition(":") for line in text.decode(errors="replace").splitlines())
    return {name: value for name, colon, value in lines if colon}


def check_version(info: Mapping[str, str]) -> list[Finding]:
    """Valkey calls itself a Redis 7.2.4, which fits."""
    said = info.get("redis_version", "0")
    version = tuple(int(part) if part.isdigit() else 0 for part in said.split(".")[:2])
    if version >= OLDEST:
        return []
    return [Finding(True, f"the engine is a Redis {said}", "version 7.0 or later is needed, or a Valkey")]


def check_role(info: Mapping[str, str]) -> list[Finding]:
    if info.get("role") == "master":
        return []
    return [Finding(True, "the engine is a replica", "name the master, or the Sentinels that know it")]


def check_eviction(info: Mapping[str, str]) -> list[Finding]:
    policy = info.get("maxmemory_policy", "noeviction")
    if policy == "noeviction":
        return []
    hint = "set maxmemory-policy noeviction: with another, sessions and the order of writes are dropped in silence"
    return [Finding(True, f"the engine may evict records (maxmemory-policy {policy})", hint)]


def check_persistence(info: Mapping[str, str], has_snapshots: bool | None) -> list[Finding]:
    if info.get("aof_enabled") == "1":
        return []
    if has_snapshots is False and int(info.get("connected_slaves", 0)):
        hint = "set appendonly yes: after a restart it is empty, and empties its replicas"
        return [Finding(True, "the engine keeps nothing on disk, but has replicas", hint)]
    hint = "set appendonly yes, appendfsync everysec"
    return [Finding(False, "the engine has no append-only file: a restart loses writes that were acknowledged", hint)]
