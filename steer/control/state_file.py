"""The edge's state on disk: it must survive `kill -9` at any moment, a full disk and a broken file.

    state/edge.json            the newest generation: {"format": 1, "checksum": sha256 of the state, "state": {...}}
    state/edge.json.previous   the one before
    state/edge.json.new        one that is being written
    state/edge.json.broken     a newest generation that could not be read, kept for whoever wants to know
    state/edge.lock            held (flock) for as long as an edge uses the folder

A write goes to `.new`, is synced, and takes the place of the newest one, which becomes `.previous`; then the folder
is synced. Between the two renames there is only `.previous`, which is the state that was acknowledged last: so
whatever moment the process dies at, what was acknowledged can be read.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, Protocol

from steer.errors import SteerError
from steer.files import sync_folder

FORMAT = 1
NAME = "edge.json"
LOCK = "edge.lock"

State = Mapping[str, Any]
"""Plain JSON values only."""


class NotKept(SteerError):
    """The disk did not take it, so it is not done: no room, no permission, a broken disk."""


class Unreadable(Exception):
    """This generation is not whole. Never leaves this module."""


class Kept(Protocol):
    """Where a state is kept: a `StateFile`, or nowhere."""

    def load(self) -> State: ...
    def save(self, state: State) -> None: ...
    def save_soon(self, state: State) -> Future[None]: ...


class Unwritten:
    """Holds a state to begin with, and keeps none: for changes that are only tried."""

    def __init__(self, state: State) -> None:
        self._state = state

    def load(self) -> State:
        return self._state

    def save(self, state: State) -> None:
        """Done."""

    def save_soon(self, state: State) -> Future[None]:
        done: Future[None] = Future()
        done.set_result(None)
        return done


class StateFile:
    """One edge's folder, locked from construction until `close`.

    Writes go through one thread, in the order in which they were asked for: a slow disk then holds up the operator
    who waits for an acknowledgement, not the steering.
    """

    def __init__(self, folder: Path, warn: Callable[[str], object]) -> None:
        """Raises SteerError if the folder cannot be used, or another edge uses it."""
        self._path = folder / NAME
        self._warn = warn
        self._lock = _lock(folder)
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="state")
        self._last: Future[None] | None = None

    def load(self) -> State:
        """The newest generation that is whole; {} at an edge's first start.

        Raises SteerError for a file of a newer steer: to start without what it says would undo overrides.
        """
        wait([self._last] if self._last else [])
        newest, previous = self._path, self._sibling(".previous")
        try:
            if newest.exists():
                return _read(newest)
        except Unreadable as reason:
            os.replace(newest, self._sibling(".broken"))
            self._warn(f"{newest}: {reason}; kept as {self._sibling('.broken').name}, going back to {previous.name}")
        try:
            return _read(previous) if previous.exists() else {}
        except Unreadable as reason:
            self._warn(f"{previous}: {reason}; starting without any state")
            return {}

    def save(self, state: State) -> None:
        """On disk when this returns. Raises NotKept when it is not, and the older generation stays."""
        self.save_soon(state).result()

    def save_soon(self, state: State) -> Future[None]:
        """Begin to write. The future says when it is on disk, or with NotKept that it is not."""
        self._last = self._writer.submit(self._write, _encode(state))
        return self._last

    def close(self) -> None:
        """Finish what was begun and let another process have the folder."""
        self._writer.shutdown()
        os.close(self._lock)

    def _write(self, content: bytes) -> None:
        new = self._sibling(".new")
        try:
            _write_synced(new, content)
            if self._path.exists():
                os.replace(self._path, self._sibling(".previous"))
            os.replace(new, self._path)
            sync_folder(self._path.parent)
        except OSError as error:
            hint = "the edge serves on; make room or mend the disk, then ask again"
            raise NotKept(f"{self._path} cannot be written: {error.strerror}", hint) from error

    def _sibling(self, suffix: str) -> Path:
        return self._path.with_name(NAME + suffix)


def _lock(folder: Path) -> int:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise SteerError(f"state folder {folder} cannot be used: {error.strerror}", "see `edge.state`") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.read(lock, 20).decode(errors="replace").strip() or "unknown"
        os.close(lock)
        hint = "stop it, or give this edge a folder of its own with `edge.state`"
        raise SteerError(f"state folder {folder} is in use by another edge, process {holder}", hint) from error
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


def _encode(state: State) -> bytes:
    text = _text(state)
    # Sorted and dense: `_read` makes the same text of what it has read, and compares.
    return f'{{"format":{FORMAT},"checksum":"{_checksum(text)}","state":{text}}}\n'.encode()


def _text(state: State) -> str:
    return json.dumps(state, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _read(path: Path) -> State:
    """Raises Unreadable if it is not whole, SteerError if it is of a newer format."""
    try:
        document = json.loads(path.read_bytes())
        written, checksum, state = document["format"], document["checksum"], document["state"]
    except OSError as error:
        raise SteerError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise Unreadable("is not whole") from error
    if written != FORMAT:
        raise SteerError(f"{path} is of format {written}, this steer knows {FORMAT}", "start the steer that wrote it")
    if _checksum(_text(state)) != checksum:
        raise Unreadable("does not have the checksum that it says")
    if not isinstance(state, dict):
        raise Unreadable("does not hold a state")
    return state


def _write_synced(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
