"""The nodes and how to talk to them: `pools`."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from steer.config.base import Count, FilePath, Flag, Model, Name, PositiveCount, Text, section, wrong
from steer.config.network import Hostname, HostOrAddress, HostRule, NodeAddress, UrlPath
from steer.config.schema_ejection import Ejection, Mode
from steer.config.units import PositiveSeconds, Seconds, Share, Size

_PORTS = {"http": 80, "https": 443}


class NodeConfig(Model):
    """One backend address. `capacity`: requests a second that it carries, where known."""

    name: Name
    address: NodeAddress
    weight: Count = 10
    capacity: PositiveCount | None = None
    pairs_with: Name | None = None

    @property
    def scheme(self) -> str:
        return urlsplit(self.address).scheme

    @property
    def host(self) -> str:
        """Without the brackets of IPv6."""
        return urlsplit(self.address).hostname or ""

    @property
    def port(self) -> int:
        return urlsplit(self.address).port or _PORTS[self.scheme]


class UpstreamTls(Model):
    """`name`: what the node's certificate must be for, where that is not the host of its address."""

    verify: Literal["system", "ca", "off"] = "system"
    ca: FilePath | None = None
    name: HostOrAddress | None = None
    certificate: FilePath | None = None
    key: FilePath | None = None


class Timeouts(Model):
    """Seconds; a `total` of 0 is without limit."""

    connect: PositiveSeconds = 1.0
    request_idle: PositiveSeconds = 30.0
    response_head: PositiveSeconds = 15.0
    idle: PositiveSeconds = 60.0
    total: Seconds = 0.0


class Keepalive(Model):
    """Idle connections to a node, for each worker; `requests` on one before it is made anew."""

    idle: PositiveSeconds = 60.0
    most: Count = 64
    requests: PositiveCount = 10_000


ErrorStatus = Annotated[PositiveCount, Field(ge=400), Field(le=599)]


class Retries(Model):
    """More tries, within a budget: a share of the requests in flight, at least `floor`."""

    attempts: Count = 2
    budget: Share = 0.2
    floor: Count = 3
    on_status: tuple[ErrorStatus, ...] = (502, 503, 504)
    on_timeout: Flag = False
    post: Flag = False
    body: Size = 64 * 1024


def _status(value: Any) -> str:
    text = str(value)
    if isinstance(value, bool) or not re.fullmatch(r"[1-5](xx|[0-9]{2})", text):
        raise wrong("must be a status such as 200, or a class such as 2xx")
    return text


def _regex(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise wrong(f"is no regular expression: {error.msg}") from None
    return value


Status = Annotated[str, BeforeValidator(_status), Field(json_schema_extra={"type": ["string", "integer"]})]
Regex = Annotated[Text, AfterValidator(_regex)]


class Expect(Model):
    """What a good answer has. `body`: a regular expression found in its first 64 KiB."""

    status: tuple[Status, ...] = Field(default=("2xx",), min_length=1)
    header: dict[str, str] = section()
    body: Regex | None = None


class HealthCheck(Model):
    """An active check of each node; none where it is not written."""

    kind: Literal["http", "tcp"] = "http"
    path: UrlPath = "/"
    host: Hostname | None = None
    interval: PositiveSeconds = 5.0
    timeout: PositiveSeconds = 2.0
    fall: PositiveCount = 3
    rise: PositiveCount = 2
    must_pass_first: Flag = False
    expect: Expect = section()
    mode: Mode = "on"


_HASH = r"^(client|(header|cookie):[!#$%&'*+.^_`|~0-9A-Za-z-]+)$"


class HashBy(Model):
    """Rendezvous hash of the client's address, `header:NAME` or `cookie:NAME`."""

    hash: str


Choice = Literal["least_requests", "round_robin", "random"]


def _algorithm(value: Any) -> Choice | HashBy:
    if value in get_args(Choice):
        return value  # type: ignore[no-any-return]  # one of the three, by the line above
    if isinstance(value, dict) and list(value) == ["hash"] and re.fullmatch(_HASH, str(value["hash"])):
        return HashBy(hash=value["hash"])
    raise wrong("must be least_requests, round_robin, random or {hash: client | header:NAME | cookie:NAME}")


_HASH_SCHEMA = {"type": "object", "properties": {"hash": {"type": "string", "pattern": _HASH}}, "required": ["hash"]}
Algorithm = Annotated[
    Choice | HashBy,
    PlainValidator(_algorithm),
    WithJsonSchema({"anyOf": [{"enum": list(get_args(Choice))}, _HASH_SCHEMA]}),
]


class Page(Model):
    """`when_none`: the file that is answered with 503 when no datacentre is usable; `page: None` tries all nodes."""

    page: FilePath | None = None

    @model_validator(mode="before")
    @classmethod
    def _try_all(cls, value: Any) -> Any:
        if value == "try_all":
            return {}
        if not isinstance(value, dict):
            raise wrong("must be try_all or {page: FILE}")
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"const": "try_all"}, handler(core)]}


class Pool(Model):
    """The nodes of every datacentre that can serve the same requests."""

    protocol: Literal["http", "h2c", "tcp"] = "http"
    nodes: dict[str, tuple[NodeConfig, ...]]
    needed: dict[str, PositiveCount] = section()
    min_nodes: PositiveCount = 1
    algorithm: Algorithm = "least_requests"
    max_connections: PositiveCount = 256
    max_pending: Count = 64
    host: HostRule = "keep"
    proxy_protocol: Literal["v1", "v2"] | None = None
    upstream_tls: UpstreamTls = section()
    timeouts: Timeouts = section()
    keepalive: Keepalive = section()
    retries: Retries = section()
    health_check: HealthCheck | None = None
    ejection: Ejection = section()
    when_none: Page = Field(default=Page(), json_schema_extra={"default": "try_all"})
