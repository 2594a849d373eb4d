"""The whole configuration, as one frozen value."""

from __future__ import annotations

from typing import Literal

from pydantic import PrivateAttr

from steer.config.base import Model, Name, section
from steer.config.schema_edge import Coordination, Edge, EdgeMember
from steer.config.schema_groups import Group
from steer.config.schema_listeners import Admin, Listener
from steer.config.schema_places import Datacentre, Geo
from steer.config.schema_plans import Drill, Notification, Plan
from steer.config.schema_pools import Pool
from steer.config.schema_services import Service
from steer.config.schema_sessions import AffinityKeys, Replication, Sessions
from steer.config.source import NOWHERE, Source


class Config(Model):
    """What was asked for. `source` tells where in the file each part of it was written."""

    version: Literal[1]
    edge: Edge
    edges: dict[Name, EdgeMember] = section()
    coordination: Coordination | None = None
    listeners: tuple[Listener, ...]
    admin: Admin = section()
    geo: Geo = section()
    datacentres: dict[Name, Datacentre]
    pools: dict[Name, Pool]
    groups: dict[Name, Group]
    services: dict[Name, Service]
    affinity_keys: AffinityKeys = section()
    sessions: Sessions | None = None
    replication: Replication = section()
    plans: dict[Name, Plan] = section()
    drills: dict[Name, Drill] = section()
    notifications: tuple[Notification, ...] = ()

    _source: Source = PrivateAttr(default=NOWHERE)

    @property
    def source(self) -> Source:
        return self._source

    def with_source(self, source: Source) -> Config:
        """The same configuration, which knows where it was written."""
        copy = self.model_copy()
        copy._source = source
        return copy
