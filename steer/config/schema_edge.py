"""Who this edge is, who the others are, and who decides between them: `edge`, `edges`, `coordination`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ValidationInfo, WithJsonSchema

from steer.config.base import FilePath, Flag, Model, Name, Text, path, resolve, section, wrong
from steer.config.network import Bind, HostPort, HttpUrl, UrlPath
from steer.config.units import Seconds


def _workers(value: Any) -> int | str:
    if value == "auto" or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value  # type: ignore[no-any-return]  # one of the two, by the line above
    raise wrong("must be auto or a whole number, 0 or more", "0: everything in one process")


Workers = Annotated[
    int | Literal["auto"],
    BeforeValidator(_workers),
    WithJsonSchema({"anyOf": [{"const": "auto"}, {"type": "integer", "minimum": 0}]}),
]


def _access(value: Any, info: ValidationInfo) -> str | Path:
    if value in ("stdout", "off"):
        return str(value)
    if not isinstance(value, str) or not value:
        raise wrong("must be stdout, off or a file")
    return resolve(Path(value), info)


Access = Annotated[Literal["stdout", "off"] | Path, BeforeValidator(_access), WithJsonSchema({"type": "string"})]


class Log(Model):
    """The edge's own log goes to standard error; the access log to standard output, a file, or nowhere."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    access: Access = "stdout"


class Edge(Model):
    """This edge. `datacentre` is filled in from `edges` where that names this edge."""

    name: Name
    datacentre: Name | None = None
    workers: Workers = "auto"
    user: Text | None = None
    state: FilePath = path("state")
    reveal: Flag = False
    watch: Flag = False
    drain: Seconds = 30.0
    health_path: UrlPath = "/.steer/health"
    canaries: tuple[HostPort, ...] = ()
    log: Log = section()


class EdgeMember(Model):
    """One of `edges`. `bind` is for this edge alone: a listener's name, `admin` or `replication`, to an address.

    `replication`: where other sites reach the `replication.bind` of this edge.
    """

    datacentre: Name | None = None
    role: Literal["serving", "witness"] = "serving"
    admin: HttpUrl | None = None
    replication: HostPort | None = None
    bind: dict[str, Bind] = section()


class ClientTls(Model):
    """How to be a TLS client: whom to trust, and as whom."""

    ca: FilePath | None = None
    certificate: FilePath | None = None
    key: FilePath | None = None


class Coordination(Model):
    etcd: tuple[HttpUrl, ...]
    tls: ClientTls = section()
    prefix: UrlPath = "/steer"
