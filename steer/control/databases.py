"""What operators hear of the databases of places: an event when a file cannot be used, and when another is in use."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from steer.control.events import Events, Level
from steer.geo.database import Database
from steer.geo.databases import Databases, Watched


@dataclass(frozen=True, slots=True)
class DatabaseView:
    """`built` is wall time, None while none could be read since the start. `alarm`: why the file cannot be used."""

    file: str
    kind: str
    built: float | None
    alarm: str


class DatabaseWatch:
    """Control's own; the workers have the same files and judge them alike. Call `tell` in each tick."""

    def __init__(self, databases: Databases, events: Events) -> None:
        self._databases = databases
        self._events = events
        self._told: dict[Path, tuple[Database | None, str]] = {}
        self.tell()

    def views(self) -> tuple[DatabaseView, ...]:
        return tuple(_view(file) for file in self._databases.files)

    def tell(self) -> None:
        """What has changed since it was told last: each alarm once, not again while it stands."""
        told = {file.path: (file.database, file.alarm) for file in self._databases.files}
        for path, (database, alarm) in told.items():
            before = self._told.get(path, (database, ""))
            if alarm and alarm != before[1]:
                self._events.record("database_refused", str(path), alarm, Level.ERROR)
            elif not alarm and (database, alarm) != before:
                self._events.record("database_read", str(path), _described(database))
        self._told = told


def _view(file: Watched) -> DatabaseView:
    database = file.database
    kind, built = (database.kind, database.built) if database is not None else ("", None)
    return DatabaseView(str(file.path), kind, built, file.alarm)


def _described(database: Database | None) -> str:
    return f"{database.kind}, built {datetime.fromtimestamp(database.built, UTC):%Y-%m-%d}" if database else ""
