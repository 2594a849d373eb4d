"""What a store answers instead of a result. One tree, under `steer.errors.SteerError`:

    StoreError            something of the store said no; the message is for a person, on one line
    ├── Conflict          the condition does not hold: nothing was written
    ├── WrongKind         the record is a hash and a plain value was asked for, or the reverse
    ├── TooLarge          the key, the value or the number of fields is over the limit
    ├── TooFarBehind      more writes wait for the other sites than may be lost (`max_pending`)
    ├── Fenced            writes are stopped here, for a planned move
    ├── Late              the write came after its time and was refused: it has no effect, now or later
    ├── ClockAstray       two clocks differ by more than may be; says which of them is wrong
    ├── EngineDown        the engine does not answer, or cannot be written to
    └── Indeterminate     no answer in time: the write may have happened, or may not
        └── Unconfirmed   it has happened here, and perhaps at no other site

All but `Indeterminate` say for certain that nothing was written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from steer.errors import SteerError

if TYPE_CHECKING:
    from steer.store.model import Record


class StoreError(SteerError):
    """Raised by a `Namespace`; never an engine's own exception."""


class Conflict(StoreError):
    """The condition of a write does not hold. `current` is the record that stands there, if the caller asked for it
    (`want_previous`); `stamp` its stamp, "" if there is none."""

    def __init__(self, stamp: str, current: Record | None = None) -> None:
        super().__init__(f"the record is at {stamp}" if stamp else "there is no such record")
        self.stamp = stamp
        self.current = current


class WrongKind(StoreError):
    """A plain value where a hash was asked for, or the reverse."""

    def __init__(self) -> None:
        super().__init__("the record is of the other kind (a plain value, or a hash)")


class TooLarge(StoreError):
    """Over a limit of `steer.store.limits`; the message names it."""


class TooFarBehind(StoreError):
    """`max_pending` writes wait for another site already: one more could be lost with this one."""


class Fenced(StoreError):
    """Writes to the record's bucket are stopped; `reason` is what the fence was given."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"writes are stopped here: {reason}")
        self.reason = reason


class Late(StoreError):
    """The engine got the write after its `not_after`, and refused it."""

    def __init__(self) -> None:
        super().__init__("the write came too late, and was refused")


class ClockAstray(StoreError):
    """The message says which clock is wrong, and by how much."""


class EngineDown(StoreError):
    """No connection, a refusal of writes (a replica, loading, out of memory), or an answer that is none."""


class Indeterminate(StoreError):
    """The answer did not come in time. Asking again with the same `request` id is safe, and settles it."""


class Unconfirmed(Indeterminate):
    """`acknowledge: all` was asked for, and another site did not say in time that it has the write."""
