"""The files that a process has read, and watches: what changes is read again; what cannot be leaves the old in use."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from steer.geo.database import Database, Stamp, Unreadable, stamp_of

LOOK_EVERY = 1.0
"""Seconds between two looks (stat) at a file that rests."""
SETTLE = 0.2
"""Seconds for which a changed file must rest: a copy writes in several steps."""


@dataclass(slots=True)
class Watched:
    """One file. `tried` is its stamp when it was read last, `seen` at the last look. Empty stamp: it is not there.

    `database` is None only in a process that started while the file could not be read.
    """

    path: Path
    database: Database | None
    tried: Stamp
    seen: Stamp
    seen_at: float = 0.0
    look_at: float = 0.0
    alarm: str = ""
    """Why the file as it is cannot be used; empty: it is in use."""

    @classmethod
    def read(cls, path: Path) -> Watched:
        """Raises Unreadable."""
        stamp = _stamp(path)  # before the file is read: if it changes meanwhile, the next look sees another one
        return cls(path, Database(path), stamp, stamp)

    @classmethod
    def hoped_for(cls, path: Path, alarm: str) -> Watched:
        return cls(path, None, (), (), alarm=alarm)

    def is_due(self, mono: float) -> bool:
        """It has changed since it was tried, and rests."""
        if mono < self.look_at:
            return False
        stamp = _stamp(self.path)
        if stamp == self.tried and stamp:
            self.seen, self.look_at = stamp, mono + LOOK_EVERY
            return False
        if stamp != self.seen:
            self.seen, self.seen_at = stamp, mono
            return False
        return mono - self.seen_at >= SETTLE

    async def read_again(self, mono: float) -> bool:
        """True: another content is in use. What may pass by itself is tried again at the next look."""
        stamp = self.seen
        self.look_at = mono + LOOK_EVERY
        try:
            database = await asyncio.to_thread(Database, self.path)
        except Unreadable as error:
            kept = "what was read before stays in use" if self.database is not None else "none is in use"
            self.alarm = f"{error}; {kept}"
            if not error.may_pass:
                self.tried = stamp
            return False
        self.database, self.tried, self.alarm = database, stamp, ""
        return True


class Databases:
    """Those of the configuration that holds, in its order. `changes` counts: whoever keeps answers compares it."""

    def __init__(self) -> None:
        self.files: tuple[Watched, ...] = ()
        self.changes = 0
        self._is_reading = False

    def __bool__(self) -> bool:
        return bool(self.files)

    @property
    def readers(self) -> Sequence[Database]:
        return [file.database for file in self.files if file.database is not None]

    def prepare(self, paths: Iterable[Path]) -> NextDatabases:
        """For another configuration: reads what is not read already, changes nothing. Raises Unreadable."""
        known = {file.path: file for file in self.files}
        return NextDatabases(self, tuple(known.get(path) or Watched.read(path) for path in paths))

    def catch_up(self, paths: Iterable[Path]) -> NextDatabases:
        """The same for a process that starts when the configuration holds already: better without a file than not."""
        known = {file.path: file for file in self.files}
        return NextDatabases(self, tuple(known.get(path) or _read_or_hope(path) for path in paths))

    def is_due(self, mono: float) -> bool:
        """Some file should be read again: call `refresh`. Cheap: call it in each tick. `mono`: monotonic seconds."""
        return not self._is_reading and any(file.is_due(mono) for file in self.files)

    async def refresh(self, mono: float) -> None:
        """Read again what is due, in threads, and use it."""
        self._is_reading = True
        try:
            for file in self.files:
                if file.is_due(mono) and await file.read_again(mono):
                    self.changes += 1
        finally:
            self._is_reading = False


@dataclass(frozen=True, slots=True)
class NextDatabases:
    """What a reload makes of them."""

    databases: Databases
    files: tuple[Watched, ...]

    def take_effect(self) -> None:
        if self.databases.files != self.files:
            self.databases.files = self.files
            self.databases.changes += 1


def _read_or_hope(path: Path) -> Watched:
    try:
        return Watched.read(path)
    except Unreadable as error:
        return Watched.hoped_for(path, f"{error}; none is in use")


def _stamp(path: Path) -> Stamp:
    try:
        return stamp_of(path.stat())
    except OSError:
        return ()
