"""The ring of keys on disk: made at an edge's first start, the same at every edge, watched by every process.

    keys:
      - {id: 3fa2c1d0, state: active, made: "2030-01-01T00:00:00+00:00", key: 43 letters of base64url}

The file is replaced as a whole (0600), never written in place. A copy that somebody writes in place is read when it has
rested for one look, because half of a copy may look like a ring with fewer keys.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from steer.clock import Clock
from steer.errors import SteerError
from steer.files import locked, replace_file
from steer.sessions.keyring import ID_BYTES, KEY_BYTES, MOST_KEYS, Key, KeyState, Ring, first_ring, rotated

MOST_BYTES = 64 * 1024
"""A ring has some hundred bytes for each key."""

_ID = re.compile(rf"[0-9a-f]{{{2 * ID_BYTES}}}")
_HINT = "restore it from a backup or from another edge; without it every client is placed anew"


def ensure_ring(path: Path, now: float) -> Ring:
    """The ring of the file, which is made where there is none. Raises SteerError."""
    try:
        with locked(path):
            if not path.exists():
                _write(path, first_ring(now))
            return read_ring(path)
    except OSError as error:
        raise SteerError(
            f"{path}: cannot be made: {error.strerror}",
            "affinity_keys.file or sessions.keys.file: where to write",
        ) from error


def rotate_file(path: Path, now: float, longest_idle: float) -> tuple[Ring, Ring]:
    """One step: the ring before and after. Raises Unacceptable, or SteerError when the file cannot be changed."""
    try:
        with locked(path):
            before = read_ring(path)
            after = rotated(before, now, longest_idle)
            _write(path, after)
            return before, after
    except OSError as error:
        raise SteerError(f"{path}: cannot be changed: {error.strerror}") from error


def read_ring(path: Path) -> Ring:
    """Raises SteerError that names the file and what is wrong with it."""
    try:
        with path.open("rb") as file:
            document = yaml.safe_load(file.read(MOST_BYTES))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SteerError(f"{path}: cannot be read: {' '.join(str(error).split())}", _HINT) from error
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list) or not 0 < len(entries) <= MOST_KEYS:
        raise SteerError(f"{path}: is no ring of keys: `keys:` with 1 to {MOST_KEYS} of them", _HINT)
    return _checked(path, tuple(_key(path, index, entry) for index, entry in enumerate(entries)))


def _checked(path: Path, keys: tuple[Key, ...]) -> Ring:
    states = [key.state for key in keys]
    if states.count(KeyState.ACTIVE) != 1 or states.count(KeyState.NEXT) > 1:
        raise SteerError(f"{path}: must have one active key and at most one that is next", _HINT)
    if len({key.id for key in keys}) < len(keys):
        raise SteerError(f"{path}: two keys have the same id", _HINT)
    return Ring(keys)


def _key(path: Path, index: int, entry: Any) -> Key:
    place = f"{path}: keys[{index}]"
    needed = {"id", "state", "made", "key"}
    if not isinstance(entry, dict) or not needed <= entry.keys() <= needed | {"until"}:
        raise SteerError(f"{place}: must have id, state, made, key, and may have until", _HINT)
    if not _ID.fullmatch(str(entry["id"])):
        raise SteerError(f"{place}.id: must be {2 * ID_BYTES} hexadecimal digits", _HINT)
    if entry["state"] not in list(KeyState):
        raise SteerError(f"{place}.state: must be one of {', '.join(KeyState)}", _HINT)
    until = _moment(f"{place}.until", entry["until"]) if "until" in entry else None
    made = _moment(f"{place}.made", entry["made"])
    return Key(str(entry["id"]), _secret(place, entry["key"]), KeyState(entry["state"]), made, until)


def _secret(place: str, value: Any) -> bytes:
    try:
        secret = base64.urlsafe_b64decode(f"{value}=")
    except (binascii.Error, ValueError):
        secret = b""
    if len(secret) != KEY_BYTES:
        raise SteerError(f"{place}.key: must be {KEY_BYTES} bytes in base64url", _HINT)
    return secret


def _moment(place: str, value: Any) -> float:
    try:
        return datetime.fromisoformat(str(value)).timestamp()
    except ValueError:
        raise SteerError(f"{place}: must be a time like 2030-01-01T00:00:00+00:00", _HINT) from None


def _write(path: Path, ring: Ring) -> None:
    entries = [
        {"id": key.id, "state": str(key.state), "made": _text(key.made)}
        | ({"until": _text(key.until)} if key.until is not None else {})
        | {"key": base64.urlsafe_b64encode(key.secret).decode().rstrip("=")}
        for key in ring.keys
    ]
    replace_file(path, yaml.safe_dump({"keys": entries}, sort_keys=False, width=200).encode(), mode=0o600)


def _text(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")


Mark = tuple[int, int, int] | None


def _mark(path: Path) -> Mark:
    """Changes whenever the file is replaced or written; None: it cannot be looked at."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


class WatchedRing:
    """The ring as one process knows it. Call `look` about once a second."""

    def __init__(self, path: Path) -> None:
        """Raises SteerError if the file is no ring."""
        self.path = path
        self._known = self._seen = _mark(path)
        self.ring = read_ring(path)
        self.alarm = ""
        """Why the file is not followed; empty: it is."""

    def look(self) -> bool:
        """Follow the file when it has changed and rests; True: the ring is another one.

        What is wrong with the file becomes an alarm, and the ring stays as it is.
        """
        mark = _mark(self.path)
        rests, self._seen = mark == self._seen, mark
        if mark == self._known or not rests:
            return False
        self._known = mark
        before = self.ring
        try:
            self.ring = read_ring(self.path)
        except SteerError as error:
            self.alarm = f"the keys stay as they were: {error}"
        else:
            self.alarm = ""
        return self.ring != before

    def rotate(self, now: float, longest_idle: float) -> tuple[Ring, Ring]:
        """One step in the file, which all processes then follow: the ring before and after. As `rotate_file`."""
        before, self.ring = rotate_file(self.path, now, longest_idle)
        self._known = self._seen = _mark(self.path)
        return before, self.ring


class RingFile:
    """A ring that others follow, as operators see it. What it sealed is kept for `longest` seconds at the most."""

    def __init__(self, path: Path, longest: float, clock: Clock) -> None:
        self.file = path
        self._longest = longest
        self._clock = clock

    def ring(self) -> Ring:
        """Raises SteerError that names the file and what is wrong with it."""
        return read_ring(self.file)

    def rotate(self) -> tuple[Ring, Ring]:
        """One step: the ring before and after. As `rotate_file`."""
        return rotate_file(self.file, self._clock.wall(), self._longest)
