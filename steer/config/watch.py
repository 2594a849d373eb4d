"""Noticing that the configuration file has changed, once whoever writes it is done."""

from __future__ import annotations

from pathlib import Path

LOOK_EVERY = 1.0
"""Seconds between two looks (stat) at a file that rests."""

SETTLE = 0.2
"""Seconds for which a changed file must rest: editors and copies write in several steps."""

Stamp = tuple[int, ...]


def stamp_of(file: Path) -> Stamp:
    """What changes when a file is written or replaced. Empty: it cannot be looked at, as between two renames."""
    try:
        found = file.stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_ino, found.st_size


class Watch:
    """`known` is the stamp of what was read last. Call `look` a few times in each `SETTLE`."""

    def __init__(self, file: Path, known: Stamp) -> None:
        self._file = file
        self._known = known
        self._next = 0.0
        self._seen = known
        self._seen_at = 0.0

    def read(self, stamp: Stamp) -> None:
        """The file has been read, when it had this stamp."""
        self._known = stamp

    def look(self, mono: float) -> bool:
        """True: it has changed, and rests. Once for each change, whatever becomes of it. `mono`: monotonic seconds."""
        if mono < self._next:
            return False
        stamp = stamp_of(self._file)
        if stamp == self._known or not stamp:
            self._next = mono + LOOK_EVERY
            return False
        if stamp != self._seen:
            self._seen, self._seen_at = stamp, mono
            return False
        if mono - self._seen_at < SETTLE:
            return False
        self._known = stamp
        return True
