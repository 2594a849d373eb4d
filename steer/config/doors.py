"""Where a configuration has doors that are not for browsers."""

from __future__ import annotations

from collections.abc import Iterator

from steer.config.schema import Config
from steer.config.schema_listeners import ServerTls
from steer.config.source import Place


def server_tls(config: Config) -> Iterator[tuple[Place, ServerTls]]:
    """The TLS of each of them that has one: the admin API, the session doors, replication."""
    places: list[tuple[Place, ServerTls | None]] = [
        (("admin", "tls"), config.admin.tls),
        (("replication", "tls"), config.replication.tls),
    ]
    if config.sessions:
        doors = config.sessions.doors
        for name, door in (("resp", doors.resp), ("http", doors.http)):
            places.append((("sessions", "doors", name, "tls"), door.tls if door else None))
    yield from ((place, tls) for place, tls in places if tls is not None)
