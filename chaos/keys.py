"""The keys that seal, rotated in two steps while they are in use: told to the rig's store processes, or in the file of
the ring that edges follow."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from time import time
from typing import Protocol

from chaos.child import Child
from chaos.door import Unanswered, Unreachable
from steer.errors import Unacceptable
from steer.sessions.keyfile import ensure_ring, read_ring, rotate_file
from steer.sessions.keyring import KNOWN_AFTER

NEEDED = 28_800.0
"""Seconds for which a record may need its key: the longest life that a namespace gives by default."""


class Keys(Protocol):
    async def announce(self) -> None:
        """The first half of a rotation: a key that only opens."""

    async def use(self) -> None:
        """The second: it seals."""


class ToldKeys:
    """`ring`: id, secret in hexadecimal, state. Told to every child that lives; who is started later gets it then."""

    def __init__(self, children: Sequence[Child]) -> None:
        self._children = children
        self.ring = [new_key("active")]

    async def announce(self) -> None:
        if all(state != "next" for _, _, state in self.ring):
            self.ring.append(new_key("next"))
        await self._tell()

    async def use(self) -> None:
        following = {"next": "active", "active": "old", "old": "old"}
        if any(state == "next" for _, _, state in self.ring):
            self.ring = [(id, secret, following[state]) for id, secret, state in self.ring]
        await self._tell()

    async def _tell(self) -> None:
        for child in self._children:
            with suppress(Unanswered, Unreachable):
                await child.door.ask("ring", keys=self.ring)


class FileKeys:
    """As an operator rotates them. A ring that is full stays as it is."""

    def __init__(self, file: Path) -> None:
        self._file = file
        ensure_ring(file, time())

    async def announce(self) -> None:
        if read_ring(self._file).next is None:
            with suppress(Unacceptable):
                rotate_file(self._file, time(), NEEDED)

    async def use(self) -> None:
        """When every edge knows the key, and not before: it can take longer than the fault lasts."""
        while (key := read_ring(self._file).next) is not None:
            wait = key.made + KNOWN_AFTER - time()
            if wait <= 0:
                rotate_file(self._file, time(), NEEDED)
            else:
                await asyncio.sleep(wait)


def new_key(state: str) -> tuple[str, str, str]:
    return secrets.token_hex(4), secrets.token_hex(32), state
