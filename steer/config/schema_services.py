"""Which request is for which pool: `services`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import GetJsonSchemaHandler, StringConstraints, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from steer.config.base import Model, Name, Text, section, wrong
from steer.config.network import Hostname, Network, UrlPath
from steer.config.units import PositiveSeconds

# RFC 9110 section 5.6.2: what a field name or a cookie's name is made of.
Token = Annotated[str, StringConstraints(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$")]


class Pinned(Model):
    """A debug hostname's datacentre. `allow`: the networks that may use it, empty: everybody."""

    datacentre: str
    allow: tuple[Network, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _bare_name(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"datacentre": value}
        if not isinstance(value, dict):
            raise wrong("must be a datacentre, or {datacentre, allow}")
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": "string"}, handler(core)]}


class Route(Model):
    """`path` is a prefix of whole segments; the longest that matches wins."""

    path: UrlPath
    pool: str


class EndsWith(Model):
    """The field of a response, or of a request, that says that a conversation is over."""

    response_header: Token | None = None
    request_header: Token | None = None


class Affinity(Model):
    """What keeps a client where it is: one of `cookie`, `header`, `query`."""

    cookie: Token | None = None
    header: Token | None = None
    query: Text | None = None
    idle: PositiveSeconds = 1800.0
    longest: PositiveSeconds | None = None
    ends_with: EndsWith | None = None
    on_loss: Literal["sticky", "temporary", "strict"] = "sticky"

    @model_validator(mode="after")
    def _one_key(self) -> Affinity:
        if sum(key is not None for key in (self.cookie, self.header, self.query)) != 1:
            raise wrong("needs exactly one of cookie, header and query")
        return self


class Service(Model):
    """For HTTP `hostnames` and `routes`; for TCP one `pool`."""

    environment: Name | None = None
    hostnames: tuple[Hostname, ...] = ()
    pinned_hostnames: dict[Hostname, Pinned] = section()
    group: str
    routes: tuple[Route, ...] = ()
    affinity: Affinity | None = None
    pool: str | None = None

    @property
    def pools(self) -> tuple[str, ...]:
        """All pools that it uses, in the order of its routes."""
        return (self.pool,) if self.pool is not None else tuple(dict.fromkeys(route.pool for route in self.routes))
