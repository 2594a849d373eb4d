"""Learned keys on disk: an append log, so that they outlive a restart and `kill -9`.

    state/learned.log       one line for each record that was kept, or key that has ended; JSON
    state/learned.log.new   the same, shorter, while it is written anew

A line is written with the next flush, at most two a second, by a thread; what a loss of power takes is the last half
second. A torn or broken line is passed over. When half of the lines say nothing any more, the file is written anew.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from steer.clock import Clock
from steer.files import replace_file
from steer.sessions.affinity.learned import MOST_KEYS, Record

logger = logging.getLogger("steer.affinity")

NAME = "learned.log"
PAUSE = 0.5
"""Seconds between two writes: a disk gets two a second, however many conversations there are."""
SPARE_LINES = 10_000
"""So many lines more than twice the records, and the file is written anew: 1.5 MB that nobody misses."""
MOST_WAITING = 2 * MOST_KEYS
"""Lines that wait for a disk that does not take them. With more, all is written anew when it does."""


class Journal:
    """One process writes it: the one that holds the edge's state folder."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._path = folder / NAME
        self._clock = clock
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="learned")
        self._lines: list[bytes] = []
        self._written = 0
        """Lines of the file, as far as they are known."""
        self._must_rewrite = False
        self._write: Future[None] | None = None
        self._begun_at = 0.0
        self._is_failing = False

    def load(self) -> Iterator[Record]:
        """What the file says last of each key. A file that is not there says nothing."""
        found: dict[bytes, Record] = {}
        try:
            with self._path.open("rb") as file:
                for line in file:
                    self._written += 1
                    _apply(line, found)
        except FileNotFoundError:
            pass
        except OSError as error:
            logger.error("%s cannot be read: %s; learned keys start anew", self._path, error.strerror)
        return iter(found.values())

    def put(self, record: Record) -> None:
        content = [record.key.hex(), record.service, record.datacentre, record.first, record.last]
        self._add(content)

    def drop(self, key: bytes) -> None:
        self._add([key.hex()])

    def _add(self, content: list[Any]) -> None:
        self._lines.append(_line(content))
        if len(self._lines) > MOST_WAITING:
            self._lines.clear()
            self._must_rewrite = True

    def tick(self, records: Callable[[], Iterator[Record]], count: int) -> None:
        """Begin a write if one is due. `records` is asked only where the file is written anew; `count` is of those."""
        now = self._clock.monotonic()
        if self._write is not None and self._write.done():
            self._finish(self._write)
        is_due = bool(self._lines) or self._must_rewrite
        if not is_due or self._write is not None or now - self._begun_at < PAUSE:
            return
        self._begun_at = now
        if self._must_rewrite or self._written > 2 * count + SPARE_LINES:
            self._begin_rewrite(list(records()))
        else:
            self._begin_append()

    def _begin_append(self) -> None:
        lines, self._lines = self._lines, []
        self._written += len(lines)
        self._write = self._writer.submit(self._append, b"".join(lines))

    def _begin_rewrite(self, records: list[Record]) -> None:
        """What waits is part of the records."""
        self._lines.clear()
        self._must_rewrite = False
        self._written = len(records)
        self._write = self._writer.submit(self._replace, records)

    def _finish(self, write: Future[None]) -> None:
        self._write = None
        error = write.exception()
        was_failing, self._is_failing = self._is_failing, error is not None
        if error is not None:
            self._must_rewrite = True
            if not was_failing:
                logger.error("%s cannot be written: %s; learned keys would not outlive a restart", self._path, error)

    def _append(self, data: bytes) -> None:
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(handle, "ab") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def _replace(self, records: Iterable[Record]) -> None:
        lines = (_line([r.key.hex(), r.service, r.datacentre, r.first, r.last]) for r in reversed(list(records)))
        replace_file(self._path, b"".join(lines), mode=0o600)

    def close(self) -> None:
        """What waits is written."""
        if self._lines and not self._must_rewrite:
            self._begin_append()
        self._writer.shutdown()


def _line(content: list[Any]) -> bytes:
    # Begins with a line end too: what a crash tore ends there, and this line is whole.
    return b"\n" + json.dumps(content, separators=(",", ":")).encode() + b"\n"


def _apply(line: bytes, found: dict[bytes, Record]) -> None:
    if line == b"\n":
        return
    try:
        match json.loads(line):
            case [str(key), str(service), str(datacentre), int() | float() as first, int() | float() as last]:
                found[bytes.fromhex(key)] = Record(bytes.fromhex(key), service, datacentre, first, last)
            case [str(key)]:
                found.pop(bytes.fromhex(key), None)
    except ValueError:
        return
