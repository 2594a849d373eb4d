"""Where things are in the world: `datacentres`, `geo`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, SecretStr, StringConstraints

from steer.config.base import FilePath, Model, Number, PositiveCount, Text, section
from steer.config.network import Network, RedisUrl
from steer.config.schema_edge import ClientTls

Latitude = Annotated[Number, Field(ge=-90), Field(le=90)]
Longitude = Annotated[Number, Field(ge=-180), Field(le=180)]
Location = tuple[Latitude, Longitude]
"""Degrees north, degrees east."""

Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
"""ISO 3166-1 alpha-2."""
Subdivision = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{1,3}$")]
"""The part of ISO 3166-2 after the hyphen."""
Continent = Annotated[str, StringConstraints(pattern=r"^(AF|AN|AS|EU|NA|OC|SA)$")]


def listed(value: Any) -> Any:
    """One value where a list is asked for is a list of one."""
    return value if value is None or isinstance(value, list | tuple) else [value]


Countries = Annotated[tuple[Country, ...], BeforeValidator(listed)]
Subdivisions = Annotated[tuple[Subdivision, ...], BeforeValidator(listed)]
Continents = Annotated[tuple[Continent, ...], BeforeValidator(listed)]
Asns = Annotated[tuple[PositiveCount, ...], BeforeValidator(listed)]
Networks = Annotated[tuple[Network, ...], BeforeValidator(listed)]
Files = Annotated[tuple[FilePath, ...], BeforeValidator(listed)]


class Sentinel(Model):
    """`nodes` are `host:port`; `service` is the name that they watch."""

    service: Text
    nodes: tuple[Text, ...] = Field(min_length=1)


class Redis(Model):
    """The datacentre's own Redis or Valkey: by `url`, or by `sentinel`."""

    url: RedisUrl | None = None
    sentinel: Sentinel | None = None
    tls: ClientTls | None = None
    username: Text | None = None
    password: SecretStr | None = None


class Datacentre(Model):
    id: Annotated[PositiveCount, Field(le=999)]
    location: Location | None = None
    redis: Redis | None = None
    label: Text | None = None


class GeoNetwork(Model):
    """Where a network is, whatever the database says."""

    cidr: Network
    country: Country | None = None
    subdivision: Subdivision | None = None
    continent: Continent | None = None
    asn: PositiveCount | None = None
    location: Location | None = None


class Region(Model):
    """A name for a part of the world; several keys are "and", lists are "or"."""

    country: Countries = ()
    subdivisions: Subdivisions = ()
    continent: Continents = ()
    asn: Asns = ()
    cidr: Networks = ()


class Geo(Model):
    database: Files | None = None
    networks: tuple[GeoNetwork, ...] = ()
    regions: dict[str, Region] = section()
