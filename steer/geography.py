"""Configuration -> what look-ups of places need; and what is wrong with the databases that it names."""

from __future__ import annotations

from steer.config import Config, GeoNetwork
from steer.errors import ConfigError, Problem
from steer.geo.database import Unreadable
from steer.geo.databases import Databases, NextDatabases, Watched
from steer.geo.lookup import Geo
from steer.geo.networks import Networks
from steer.steering.model import Place


def geo(config: Config, databases: Databases) -> Geo:
    """Of this configuration's networks, and of the databases that are in use at the time of asking."""
    return Geo(Networks([(str(network.cidr), _place(network)) for network in config.geo.networks]), databases)


def _place(network: GeoNetwork) -> Place:
    return Place(
        country=network.country or "",
        subdivision=network.subdivision or "",
        continent=network.continent or "",
        asn=network.asn or 0,
        location=network.location,
    )


def read_databases(config: Config) -> Databases:
    """All of them. Raises ConfigError with every one that cannot be used."""
    databases, files, wrong = Databases(), [], []
    for index, path in enumerate(config.geo.database or ()):
        try:
            files.append(Watched.read(path))
        except Unreadable as error:
            wrong.append(config.source.problem(("geo", "database", index), error.message, error.hint))
    if wrong:
        raise ConfigError(tuple(wrong))
    NextDatabases(databases, tuple(files)).take_effect()
    return databases


def problems(config: Config) -> tuple[Problem, ...]:
    """What `read_databases` would raise."""
    try:
        read_databases(config)
    except ConfigError as error:
        return error.problems
    return ()
