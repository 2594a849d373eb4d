"""Who may use a door, and for which namespace: names, hashes of their secrets.

A secret is 256 random bits, so a plain SHA-256 is right (nobody guesses them, and each connection pays for the hash).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass

from steer.errors import SteerError

HASH = re.compile(r"sha256:[0-9a-f]{64}")
NOBODY = "sha256:" + "0" * 64
"""What an unknown name is compared with: it takes as long as a known one."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The namespace that a secret opens. `hash` is `sha256:` and 64 hexadecimal digits."""

    hash: str
    namespace: str


def digest(secret: bytes) -> str:
    return "sha256:" + hashlib.sha256(secret).hexdigest()


class Access:
    """The holders of one door. `place` is where they stand in the configuration. Raises `SteerError`."""

    def __init__(self, holders: Mapping[str, Holder], place: str) -> None:
        for name, holder in holders.items():
            if not HASH.fullmatch(holder.hash):
                raise SteerError(f"{place}.{name}.hash: must be sha256: and 64 hexadecimal digits")
        self._holders = {name.encode(): holder for name, holder in holders.items()}

    @property
    def is_open(self) -> bool:
        """Nobody is named: whoever reaches the address may use it (which is why it must be loopback)."""
        return not self._holders

    def namespace_of_user(self, name: bytes, secret: bytes) -> str | None:
        """None: no such user, or not this secret; which of them takes as long to tell."""
        holder = self._holders.get(name)
        fits = hmac.compare_digest(holder.hash if holder else NOBODY, digest(secret))
        return holder.namespace if holder and fits else None

    def namespaces_of_secret(self, secret: bytes) -> frozenset[str]:
        """All that a bearer of this secret may use, whatever its name."""
        found = digest(secret)
        fits = [holder for holder in self._holders.values() if hmac.compare_digest(holder.hash, found)]
        return frozenset(holder.namespace for holder in fits)
