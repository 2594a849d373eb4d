"""What both engines can do: writes and reads of this site, and all that replication is made of.

An engine answers a refusal as a value (`Outcome`), because most are no accidents; it raises EngineDown where it cannot
answer, and Indeterminate where it may have done what was asked. Times are milliseconds since 1970, the engine's own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, NamedTuple, Protocol

from steer.store.errors import EngineDown
from steer.store.layout import Space
from steer.store.state import State

SCORE_LIMIT = 1 << 53
DIGEST_LIMIT = 200
"""Records a digest at most: SHA-1 of so many takes a Redis about 1 ms, which all others wait for."""


class Outcome(StrEnum):
    """What became of a write. All but OK: nothing was written."""

    OK = "OK"
    LATE = "LATE"
    ASTRAY = "ASTRAY"
    FENCED = "FENCED"
    BEHIND = "BEHIND"
    CONFLICT = "CONFLICT"
    KIND = "KIND"
    LARGE = "LARGE"


# What may be written.


class Put(NamedTuple):
    """The whole record anew. `ttl_ms` None keeps a live record's deadline."""

    value: bytes | Mapping[bytes, bytes]
    ttl_ms: int | None
    want_previous: bool = False


@dataclass(frozen=True, slots=True)
class PutFields:
    """Fields of a hash. Answers with how many are new (`one`) and how many went (`two`)."""

    set: Mapping[bytes, bytes]
    unset: Collection[bytes]
    ttl_ms: int | None


@dataclass(frozen=True, slots=True)
class Touch:
    """Answers `one` = 1 if there was a live record."""

    ttl_ms: int


@dataclass(frozen=True, slots=True)
class Delete:
    """Answers `one` = 1 if there was a live record."""


Change = Put | PutFields | Touch | Delete


class Terms(NamedTuple):
    """`sent_ms` is the caller's clock; it may differ from the engine's by `max_ahead`. `not_after_ms` is the engine's.
    `request` is 8 bytes, or none."""

    sent_ms: int
    not_after_ms: int
    condition: str = ""
    request: bytes = b""


class Answer(NamedTuple):
    """`stamp` is the write's; of a CONFLICT the record's ("" if none), of FENCED the reason, of BEHIND the site."""

    outcome: Outcome
    engine_ms: int
    clock: str
    stamp: str = ""
    one: int = 0
    two: int = 0
    previous: State | None = None


class Reading(NamedTuple):
    """`state` only if its deadline is ahead of the engine's time and the bucket's clock."""

    engine_ms: int
    clock: str
    state: State | None


# Replication.


class Cursor(NamedTuple):
    """How far an outbox is read: the last entry's id and sequence, and the generation it belongs to."""

    id: str = "0-0"
    sequence: int = 0
    generation: str = ""


class Entry(NamedTuple):
    """One write of this site. `id` is the stream's, "ms-counter"."""

    id: str
    sequence: int
    key: bytes


class Changed(NamedTuple):
    """One row of a change index."""

    score: int
    key: bytes


@dataclass(frozen=True, slots=True)
class Applied:
    """ASTRAY: nothing is applied, because `stamp` is ahead of this engine's time by more than `max_ahead`. `conflicts`
    are values that another site's write of the same two seconds has replaced."""

    outcome: Literal[Outcome.OK, Outcome.ASTRAY]
    engine_ms: int
    changed: int = 0
    conflicts: int = 0
    stamp: str = ""


class Batch(NamedTuple):
    """States of one bucket, for `apply_all`. With `cursor`, how far the outbox of `source` is read then."""

    bucket: int
    states: Sequence[tuple[bytes, State]]
    source: int | None = None
    cursor: Cursor | None = None


@dataclass(frozen=True, slots=True)
class Digest:
    """`sum` is the XOR over the records' hashes: pages are added by XOR, too. `seen` members were looked at; `dead` of
    those counted are tombstones."""

    sum: int
    count: int
    seen: int
    dead: int = 0


@dataclass(frozen=True, slots=True)
class Position:
    """A bucket's own account."""

    clock: str
    sequence: int = 0
    generation: str = ""
    fence: str = ""
    acknowledged: Mapping[int, int] = field(default_factory=dict)
    """By peer: the sequence that it has."""
    cursors: Mapping[int, Cursor] = field(default_factory=dict)
    """By peer: how far its outbox is applied here."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about an engine's set-up. `is_fatal`: the promises do not hold with it."""

    is_fatal: bool
    message: str
    hint: str = ""


class Engine(Protocol):
    """One site's engine, for any number of namespaces."""

    async def open(self, space: Space) -> None:
        """Raises StoreError if this engine belongs to another site, or was laid out otherwise."""

    async def write(self, space: Space, key: bytes, change: Change, terms: Terms) -> Answer: ...

    async def write_all(self, space: Space, writes: Sequence[tuple[bytes, Change, Terms]]) -> list[Answer | EngineDown]:
        """Writes to different keys, in one round trip. Each stands for itself: one that the engine would not take has
        EngineDown in its place. What is raised is true of all of them."""

    async def read(self, space: Space, key: bytes) -> Reading: ...

    async def read_all(self, space: Space, keys: Sequence[bytes]) -> list[Reading]:
        """In one round trip."""

    async def scan(self, space: Space, bucket: int, cursor: int, match: bytes, count: int) -> tuple[int, list[bytes]]:
        """Keys of live records of one bucket."""

    # Plain keys of this site.

    async def local_set(
        self, space: Space, key: bytes, value: bytes, ttl_ms: int, only_absent: bool, terms: Terms
    ) -> tuple[Outcome, bool]: ...

    async def local_get(self, space: Space, key: bytes) -> tuple[bytes, int] | None:
        """The value and the milliseconds left."""

    async def local_delete(
        self, space: Space, key: bytes, if_value: bytes | None, terms: Terms
    ) -> tuple[Outcome, bool]: ...

    async def local_touch(
        self, space: Space, key: bytes, ttl_ms: int, if_value: bytes | None, terms: Terms
    ) -> tuple[Outcome, bool]: ...

    # For replication.

    async def states(self, space: Space, keys: Sequence[bytes]) -> list[State | None]:
        """As they are, the dead ones too; None where nothing is known."""

    async def apply(
        self,
        space: Space,
        bucket: int,
        states: Sequence[tuple[bytes, State]],
        source: int | None = None,
        cursor: Cursor | None = None,
    ) -> Applied:
        """Merges states of one bucket, and keeps the cursor of the site they come from, in one step."""

    async def outbox(
        self, space: Space, cursors: Mapping[int, str], count: int, wait: float = 0.0
    ) -> dict[int, list[Entry]]:
        """By bucket, at most `count` entries after the id given. Where none is it waits so many seconds for one."""

    async def changes(self, space: Space, bucket: int, low: int, offset: int, count: int) -> list[Changed]:
        """Rows of the change index from the score `low` on, in order; `offset` of them skipped."""

    async def digest(
        self, space: Space, bucket: int, low: int, high: int, offset: int, alive_ms: int, count: int = DIGEST_LIMIT
    ) -> Digest:
        """Of the rows with low <= score < high whose record is not to be forgotten before `alive_ms`."""

    async def position(self, space: Space, bucket: int) -> Position: ...

    async def pending(self, space: Space) -> dict[int, int]:
        """By peer: how many writes of the namespace wait for it."""

    async def acknowledge(self, space: Space, bucket: int, site: int, sequence: int) -> None:
        """That peer has the bucket's writes up to this one. Never goes back."""

    async def trim(self, space: Space, bucket: int, before: str) -> None:
        """Drops the outbox' entries before this id."""

    async def sweep(self, space: Space, bucket: int, offset: int, count: int, known: int) -> tuple[int, int]:
        """Drops rows of the index whose record is gone, and tombstones that are older than the score `known` (which
        every site has) and than `max_lifetime`. How many rows were seen and how many went."""

    async def witness(self, space: Space, bucket: int, stamp: str) -> Outcome:
        """The bucket's clock will give only later stamps. ASTRAY if that is too far ahead of the engine's time."""

    async def fence(self, space: Space, bucket: int, reason: str) -> None:
        """Stops writes of this site to the bucket; "" lets them go on."""

    # The same for many buckets, each on its own: one round trip for 64 of them.

    async def apply_all(self, space: Space, batches: Sequence[Batch]) -> list[Applied]: ...

    async def positions(self, space: Space, buckets: Collection[int]) -> dict[int, Position]: ...

    async def acknowledge_all(self, space: Space, site: int, sequences: Mapping[int, int]) -> None: ...

    async def trim_all(self, space: Space, before: Mapping[int, str]) -> None: ...

    async def fence_all(self, space: Space, reason: str) -> None:
        """Every bucket of the namespace. What is written afterwards is refused."""

    async def incarnation(self) -> str:
        """Another one after a restart, or when a replica has taken over: then some of the last writes may be gone."""

    async def time_ms(self) -> int: ...

    async def check(self) -> list[Finding]:
        """What is wrong with the engine's set-up."""

    async def close(self) -> None: ...
