"""The sessions and their doors: `affinity_keys`, `sessions`, `replication` (store.md)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import PlainSerializer, PlainValidator, SecretStr, WithJsonSchema

from steer.config.base import FilePath, Flag, Model, Name, PositiveCount, Text, path, section, wrong
from steer.config.network import Bind, RedisUrl
from steer.config.schema_listeners import ServerTls
from steer.config.schema_services import Token
from steer.config.units import PositiveSeconds, format_duration, parse_duration


class AffinityKeys(Model):
    file: FilePath = path("state/affinity-keys.yaml")


class SessionKeys(Model):
    file: FilePath = path("state/session-keys.yaml")


class DoorUser(Model):
    """Who may use a door, and for which namespace."""

    hash: SecretStr
    namespace: str


class RespDoor(Model):
    bind: Bind = "127.0.0.1:6380"
    tls: ServerTls | None = None
    users: dict[str, DoorUser] = section()


class HttpDoor(Model):
    bind: Bind = "127.0.0.1:8079"
    tls: ServerTls | None = None
    tokens: dict[str, DoorUser] = section()


class Doors(Model):
    resp: RespDoor | None = None
    http: HttpDoor | None = None


class SessionCookie(Model):
    """Maps a browser's cookie to its record; `{value}` in `key` is the cookie's value."""

    name: Token
    key: Text


class Namespace(Model):
    max_lifetime: PositiveSeconds = 28_800.0
    acknowledge: Literal["local", "all"] = "local"
    on_timeout: Literal["error", "degrade"] = "error"
    timeout: PositiveSeconds = 1.0
    max_pending: PositiveCount = 10_000
    replicate: Flag = True
    seal: Flag = False
    hash_keys: Flag = False
    local_keys: tuple[Text, ...] = ("*_LOCK",)
    adopt: RedisUrl | None = None
    session_cookie: SessionCookie | None = None


def _parse_log(value: Any) -> float | str:
    seconds = parse_duration(value) if value != "always" else None
    if seconds == 0:
        raise wrong("must be always, or a duration over 0")
    return seconds or "always"


def _format_log(value: float | str) -> str:
    return value if isinstance(value, str) else format_duration(value)


LogSync = Annotated[
    float | Literal["always"],
    PlainValidator(_parse_log),
    PlainSerializer(_format_log, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "x-unit": "duration"}),
]


class Memory(Model):
    """How often the memory engine's log is fsynced: at each write, or every so many seconds."""

    log: LogSync = 1.0


class Sessions(Model):
    doors: Doors = section()
    namespaces: dict[Name, Namespace] = section()
    keys: SessionKeys = section()
    memory: Memory = section()


class Replication(Model):
    bind: Bind | None = None
    tls: ServerTls | None = None
