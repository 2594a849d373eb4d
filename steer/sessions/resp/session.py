"""What one connection is for its commands: its protocol, its user, its namespace, its transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from steer.clock import Clock
from steer.sessions.access import Access
from steer.sessions.resp.command import Command, Words
from steer.sessions.space import Space
from steer.store.model import Record, Records

Facts = Mapping[str, str | int | float]


class DoorFace(Protocol):
    """What commands ask of the door."""

    @property
    def clock(self) -> Clock: ...

    @property
    def access(self) -> Access: ...

    @property
    def learned_scripts(self) -> dict[str, str]:
        """Digest -> name of scripts that clients have sent and that are known by their text."""

    def account(self, more: int) -> bool:
        """So many bytes more (or fewer) are held for a client. Is it within the budget of all clients?"""

    def space(self, name: str | None) -> Space | None:
        """The namespace of this name; None names the one of a door without users (None: there are users)."""

    def facts(self) -> Mapping[str, Facts]:
        """For INFO: section -> field -> value."""


@dataclass(slots=True)
class Transaction:
    """What MULTI has queued. `failed`: something in it was refused, so EXEC refuses it all."""

    queue: list[tuple[Command, Words]] = field(default_factory=list)
    failed: bool = False
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Watched:
    """The key of WATCH, and its stamp then ("" for a key without a record)."""

    key: bytes
    stamp: str


class Session:
    """`space` None: nobody yet. `leaving`: the connection ends after this reply."""

    def __init__(self, door: DoorFace, id: int) -> None:
        # For the life of the connection.
        self.door = door
        self.id = id
        self.leaving = False
        self.failed_logins = 0
        self.collected = 0
        """Bytes of a reply that is being put together."""
        # Until RESET.
        self.protocol = 2
        self.name = b""
        self.space = door.space(None)
        self.transaction: Transaction | None = None
        self.watched: Watched | None = None
        self.draft: Records | None = None
        """While EXEC runs: the draft of its one record."""

    def of(self, key: bytes) -> Records:
        """Where the record of the key is. Only for commands that need a user, so there is a space."""
        if self.draft is not None:
            return self.draft
        return self.home.of(key)

    async def get_all(self, keys: Sequence[bytes]) -> list[Record | None]:
        """The records of the keys, in their order."""
        if self.draft is not None:
            return [await self.draft.get(key) for key in keys]
        return await self.home.get_all(keys)

    def collect(self, size: int) -> bool:
        """A reply under way has so many bytes by now; 0: it is done with. False: the door holds too much."""
        more, self.collected = size - self.collected, size
        return self.door.account(more)

    @property
    def home(self) -> Space:
        assert self.space is not None, "commands without a user have no keys"
        return self.space

    @property
    def now(self) -> float:
        """Wall time."""
        return self.door.clock.wall()

    def enter(self, space: Space | None) -> None:
        """Another namespace: nothing of the former one goes along."""
        self.space = space
        self.transaction = None
        self.watched = None

    def reset(self) -> None:
        self.protocol = 2
        self.name = b""
        self.enter(self.door.space(None))
