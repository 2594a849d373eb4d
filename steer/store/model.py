"""The values that doors and the store exchange, and `Namespace`, what a door is written against.

Times are seconds; a deadline is wall time, seconds since 1970, by the clock of the engine that set it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

from steer.store.errors import StoreError

Value = bytes | dict[bytes, bytes]
Acknowledge = Literal["local", "all"]
# "absent", "present", or the stamp (20 digits) that the record must have.
Condition = str
LONGEST = math.inf  # as a `ttl`: as long as the namespace allows


class Record(NamedTuple):
    """A live record: a plain value, or a hash with at least one field."""

    value: Value
    stamp: str
    """20 digits: the later stamp is the later write. What an ETag shows."""
    deadline: float
    """The record is not served from then on."""


class Written(NamedTuple):
    """What became of a `put`."""

    stamp: str
    acknowledged: Acknowledge
    """`all`: every other site has it as well (or there is none)."""
    previous: Record | None = None
    """What stood there before; only with `want_previous`."""


class FieldsWritten(NamedTuple):
    """What became of a `put_fields`: how many fields are new, and how many went."""

    stamp: str
    acknowledged: Acknowledge
    added: int
    removed: int


class Assignment(NamedTuple):
    """One of several puts, without a condition. `ttl` as in `Namespace.put`."""

    key: bytes
    value: bytes | Mapping[bytes, bytes]
    ttl: float | None


class How(NamedTuple):
    """How a write is to be done.

    `request` is the caller's own id of it, 1 to 64 bytes: a write that is asked for twice with one id happens once, and
    both times gives the same stamp (the last 8 ids of a record are known). `acknowledge` None is what the namespace's
    settings say.
    """

    condition: Condition | None = None
    request: bytes | None = None
    acknowledge: Acknowledge | None = None


AS_EVER = How()


class Records(Protocol):
    """Records by key. Every method raises what `steer.store.errors` lists, and nothing else.

    A `ttl` is in seconds, over 0, and is cut to the namespace's `max_lifetime` (`LONGEST` asks for all of it). `None`
    keeps the deadline of the record that is there, and means `LONGEST` where none is.
    """

    async def get(self, key: bytes) -> Record | None:
        """The live record. Never one that has expired or was deleted."""

    async def put(
        self,
        key: bytes,
        value: bytes | Mapping[bytes, bytes],
        ttl: float | None,
        how: How = AS_EVER,
        *,
        want_previous: bool = False,
    ) -> Written:
        """The whole record anew, whatever its kind was. `acknowledge` None is what the namespace's settings say."""

    async def touch(self, key: bytes, ttl: float) -> bool:
        """A new deadline for a live record. False where there is none: a touch never creates."""

    async def delete(self, key: bytes, *, condition: Condition | None = None) -> bool:
        """Was there a live record? It stays deleted, also where it arrives later than this word of its end."""

    async def put_fields(
        self,
        key: bytes,
        set: Mapping[bytes, bytes],
        unset: Collection[bytes],
        ttl: float | None,
        how: How = AS_EVER,
    ) -> FieldsWritten:
        """Change fields of a hash; makes the hash if there is no record. A hash without fields is no record."""


class Locks(Protocol):
    """Plain keys of this datacentre alone: never replicated. `ttl` None is the namespace's `max_lifetime`."""

    async def set(self, key: bytes, value: bytes, ttl: float | None, *, only_absent: bool = False) -> bool:
        """False if the key is there and only its absence was asked for."""

    async def get(self, key: bytes) -> bytes | None:
        """Its value."""

    async def ttl(self, key: bytes) -> float | None:
        """The seconds that it has left; None if it is not there."""

    async def delete(self, key: bytes, *, if_value: bytes | None = None) -> bool:
        """Was it there (with that value)?"""

    async def touch(self, key: bytes, ttl: float, *, if_value: bytes | None = None) -> bool:
        """Was it there (with that value)? Then it lives for `ttl` from now."""


class Namespace(Records, Protocol):
    """Records, several at a time too, and the locks beside them."""

    @property
    def locks(self) -> Locks: ...

    async def get_all(self, keys: Sequence[bytes]) -> list[Record | None]:
        """In their order, for the price of one round trip. What one of them raises is raised for all."""

    async def put_all(self, puts: Sequence[Assignment]) -> list[Written | StoreError]:
        """Several puts under different keys, for the price of one round trip. What became of each is in its place, an
        error too. What is raised is true of all; of TooLarge and ValueError that nothing was written."""

    async def scan(self, cursor: int, match: bytes | None, count: int) -> tuple[int, list[bytes]]:
        """Some keys of live records, and the cursor to go on with; 0 begins and 0 ends. As SCAN of Redis: what is there
        all the time is returned, perhaps twice; `match` is a glob (`* ? [a-z] \\`); `count` is a hint."""
