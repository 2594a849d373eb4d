"""Who may use the admin API: the tokens file.

    tokens:
      - {name: ops, role: operator, hash: "sha256:9f86...", expires: "2030-01-01T00:00:00Z"}

A token is `steer_<name>_<random>` with 256 random bits. The file keeps its SHA-256. A plain hash is right here, and a
slow one (scrypt, argon2) would be wrong: a slow hash makes guessing a *weak* secret dear; nobody guesses 256 bits,
and each request to the API would pay for it.

The file is replaced as a whole (0600), never written in place, and read again when it changes. A file that is gone
means that every token is revoked; a file that cannot be read leaves the tokens as they were and says so in the log.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

from steer.clock import Clock, SystemClock
from steer.errors import SteerError, Unacceptable
from steer.files import locked, replace_file

log = logging.getLogger("steer.tokens")

LOCAL = "local"
"""The name of the token that `steer run` makes for the local user. Not to be had by another."""
LOCAL_TOKEN = "local-token"
"""Its file in the state folder, for the commands of that user."""

MOST_TOKENS = 1000
"""Each request compares with every hash; a thousand take under a millisecond."""

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
HASH = re.compile(r"sha256:[0-9a-f]{64}")


class Role(StrEnum):
    """`viewer` reads, `operator` changes overrides too, `admin` changes tokens too."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def covers(self, needed: Role) -> bool:
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(needed)


@dataclass(frozen=True, slots=True)
class Token:
    """A line of the file. `expires` is wall time, None: never."""

    name: str
    role: Role
    hash: str
    expires: float | None = None

    def has_expired(self, now: float) -> bool:
        return self.expires is not None and self.expires <= now


def digest(token: str) -> str:
    return "sha256:" + hashlib.sha256(token.encode()).hexdigest()


def make_token(name: str, role: Role, expires: float | None = None) -> tuple[Token, str]:
    """A fresh token: what the file keeps, and the secret itself, which nobody keeps."""
    if not NAME.fullmatch(name):
        raise Unacceptable(f"{name!r} cannot name a token", "lower-case letters, digits and -, at most 63")
    secret = f"steer_{name}_{secrets.token_hex(32)}"
    return Token(name, role, digest(secret), expires), secret


def write_local_token(path: Path) -> Token:
    """Write a fresh admin token for the local user (0600) and return what `Tokens` needs to accept it."""
    token, secret = make_token(LOCAL, Role.ADMIN)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, secret.encode() + b"\n", mode=0o600)
    return token


# The file.


def read_tokens(path: Path) -> tuple[Token, ...]:
    """The tokens of the file, none when there is no file. Raises `SteerError` when it is not a tokens file."""
    try:
        document = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SteerError(f"{path}: cannot be read: {' '.join(str(error).split())}") from error
    if document is None:
        return ()
    if not isinstance(document, dict) or not isinstance(document.get("tokens"), list):
        raise SteerError(f"{path}: is not a tokens file", "`tokens:` with a list, as `steer token create` writes it")
    return _checked(path, document["tokens"])


def _checked(path: Path, entries: list[Any]) -> tuple[Token, ...]:
    tokens = tuple(_token(path, index, entry) for index, entry in enumerate(entries))
    if len({token.name for token in tokens}) < len(tokens):
        raise SteerError(f"{path}: two tokens have the same name")
    if len(tokens) > MOST_TOKENS:
        raise SteerError(f"{path}: more than {MOST_TOKENS} tokens")
    return tokens


def _token(path: Path, index: int, entry: Any) -> Token:
    place = f"{path}: tokens[{index}]"
    if not isinstance(entry, dict) or not {"name", "role", "hash"} <= entry.keys() <= {
        "name",
        "role",
        "hash",
        "expires",
    }:
        raise SteerError(f"{place}: must have name, role, hash, and may have expires")
    if not NAME.fullmatch(str(entry["name"])) or entry["name"] == LOCAL:
        raise SteerError(f"{place}.name: cannot name a token")
    if entry["role"] not in list(Role):
        raise SteerError(f"{place}.role: must be one of {', '.join(Role)}")
    if not HASH.fullmatch(str(entry["hash"])):
        raise SteerError(f"{place}.hash: must be sha256: and 64 hexadecimal digits")
    return Token(str(entry["name"]), Role(entry["role"]), entry["hash"], _expiry(place, entry.get("expires")))


def _expiry(place: str, value: Any) -> float | None:
    if value is None:
        return None
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError as error:
        raise SteerError(f"{place}.expires: must be a time like 2030-01-01T00:00:00Z") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def write_tokens(path: Path, tokens: Iterable[Token]) -> None:
    entries = [
        {"name": token.name, "role": str(token.role), "hash": token.hash}
        | ({"expires": datetime.fromtimestamp(token.expires, UTC).isoformat()} if token.expires is not None else {})
        for token in tokens
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, yaml.safe_dump({"tokens": entries}, sort_keys=False, width=200).encode(), mode=0o600)


@contextmanager
def _changing(path: Path) -> Iterator[None]:
    """One change at a time, over all processes. Raises `SteerError` when the disk does not take it."""
    try:
        with locked(path):
            yield
    except OSError as error:
        raise SteerError(f"{path}: cannot be changed: {error.strerror}") from error


def create_token(path: Path, name: str, role: Role, expires: float | None = None) -> tuple[Token, str]:
    """Add a token to the file: what was added, and the secret. Raises `Unacceptable` when the name is taken."""
    token, secret = make_token(name, role, expires)
    with _changing(path):
        tokens = read_tokens(path)
        if name == LOCAL or any(other.name == name for other in tokens):
            raise Unacceptable(f"there is a token called {name!r}", "revoke it first, or choose another name")
        if len(tokens) >= MOST_TOKENS:
            raise Unacceptable(f"there are {MOST_TOKENS} tokens", "revoke one first")
        write_tokens(path, (*tokens, token))
    return token, secret


def revoke_token(path: Path, name: str) -> Token:
    """Take a token out of the file, for good. Raises `Unacceptable` when there is none of this name."""
    with _changing(path):
        tokens = read_tokens(path)
        gone = next((token for token in tokens if token.name == name), None)
        if gone is None:
            raise Unacceptable(f"no token is called {name!r}")
        write_tokens(path, (token for token in tokens if token.name != name))
    return gone


# The running edge's view of it.


class Tokens:
    """The tokens that this edge accepts: those of the file, as it is now, and the local one."""

    def __init__(self, path: Path, local: Token | None = None, clock: Clock | None = None) -> None:
        self.path = path
        self._local = local
        self._clock = clock or SystemClock()
        self._mark = _mark(path)
        self._tokens = read_tokens(path)

    def all(self) -> tuple[Token, ...]:
        """Those of the file. Reads it again when it has changed."""
        mark = _mark(self.path)
        if mark != self._mark:
            self._mark = mark
            self._read()
        return self._tokens

    def follow(self, path: Path) -> None:
        """Those of this file from now on. While it cannot be read they stay as they were, and the log says so."""
        self.path = path
        self._mark = _mark(path)
        self._read()

    def _read(self) -> None:
        try:
            self._tokens = read_tokens(self.path)
        except SteerError as error:
            log.error("the tokens stay as they were: %s", error)

    def holder(self, secret: str) -> Token | None:
        """Whose token this is; None: nobody's, or it has expired. Takes the same time whichever matches."""
        wanted = digest(secret)
        found = None
        for token in (*self.all(), *((self._local,) if self._local else ())):
            if hmac.compare_digest(token.hash, wanted):
                found = token
        return None if found is None or found.has_expired(self._clock.wall()) else found


def _mark(path: Path) -> tuple[int, int, int] | None:
    """Changes whenever the file is replaced or written; None: there is no file."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
