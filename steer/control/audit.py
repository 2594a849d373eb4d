"""Every change, who made it and from where, and how it was before and after: one JSON line each, on the disk before
the answer goes out.

The file only grows; at `ROTATE_AT` bytes it becomes `audit.jsonl.1`, that one `.2`, and so on; the oldest goes. A line
that a crash tore in two is left as it is and passed over.

A record: `{"id": 7, "at": "2030-01-01T00:00:00+00:00", "who": "ops", "role": "operator", "from": "127.0.0.1",
"action": "weights.set", "target": {...}, "reason": "...", "before": ..., "after": ...}`. Ids count up, over rotations
and new starts.
"""

from __future__ import annotations

import errno
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from steer.clock import Clock, SystemClock
from steer.files import sync_folder

log = logging.getLogger("steer.audit")

ROTATE_AT = 4 * 1024 * 1024
"""About ten thousand changes; small enough to be read whole when somebody looks."""

KEPT = 9
"""So many old files stay: about 40 MB in all."""


@dataclass(frozen=True, slots=True)
class Change:
    """What is put on record. `before` and `after` are JSON-able; None: there was, or is, nothing."""

    who: str
    role: str
    origin: str
    action: str
    target: dict[str, Any]
    reason: str
    before: Any
    after: Any


class Audit:
    """The file and its writer. One process writes; anybody may read."""

    def __init__(self, path: Path, clock: Clock | None = None, rotate_at: int = ROTATE_AT) -> None:
        self.path = path
        self._clock = clock or SystemClock()
        self._rotate_at = rotate_at
        path.parent.mkdir(parents=True, exist_ok=True)
        newest = next(self._newest_first(), None)
        self._last = newest["id"] if newest else 0
        self._handle = self._open()

    def close(self) -> None:
        os.close(self._handle)

    def record(self, change: Change) -> dict[str, Any]:
        """Write the change down and return its record.

        A disk that is full must not stop an operator who takes a broken node out: then the record goes to the
        process's log, as an error, and the change stands.
        """
        self._last += 1
        at = datetime.fromtimestamp(self._clock.wall(), UTC).isoformat()
        fields = asdict(change)
        fields["from"] = fields.pop("origin")
        record = {"id": self._last, "at": at, **fields}
        try:
            self._write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
        except OSError as error:
            log.error("the audit cannot be written (%s): %s", error, json.dumps(record, ensure_ascii=False))
        return record

    def page(self, limit: int, before: int | None = None, since: float | None = None) -> list[dict[str, Any]]:
        """At most `limit` records, the newest first: those with ids under `before`, not older than `since` (wall)."""
        records = (record for record in self._newest_first() if before is None or record["id"] < before)
        return list(islice((r for r in records if since is None or _moment(r["at"]) >= since), limit))

    # Writing.

    def _open(self) -> int:
        handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        sync_folder(self.path.parent)
        return handle

    def _write(self, line: bytes) -> None:
        size = os.fstat(self._handle).st_size
        if size + len(line) > self._rotate_at:
            self._rotate()
        elif size and os.pread(self._handle, 1, size - 1) != b"\n":
            line = b"\n" + line  # what a crash or a full disk tore ends here, so that ours is whole
        if os.write(self._handle, line) < len(line):
            raise OSError(errno.ENOSPC, "written in part")
        os.fsync(self._handle)

    def _rotate(self) -> None:
        for number in range(KEPT - 1, 0, -1):
            if self._old(number).exists():
                self._old(number).replace(self._old(number + 1))
        self.path.replace(self._old(1))
        os.close(self._handle)
        self._handle = self._open()

    def _old(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")

    # Reading.

    def _newest_first(self) -> Iterator[dict[str, Any]]:
        """Ids go down, whatever the writer rotates meanwhile: a record that comes twice is given once."""
        last = None
        for path in (self.path, *(self._old(number) for number in range(1, KEPT + 1))):
            for record in _records(path):
                if last is None or record["id"] < last:
                    last = record["id"]
                    yield record


def _records(path: Path) -> Iterator[dict[str, Any]]:
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return
    for line in reversed(lines):
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and isinstance(record.get("id"), int) and isinstance(record.get("at"), str):
            yield record


def _moment(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()
