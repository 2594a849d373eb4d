"""When the state is written: at once for what an operator waits for, together within a second for all else."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

from steer.control.events import Events, Level
from steer.control.state_file import Kept, NotKept, State

PAUSE = 0.5
"""Seconds between two writes in the background. With ticks of 100 ms a change is on disk within one second, and a bad
day costs the disk two writes a second."""


class Saver:
    """Says once when the disk stops taking the state, and once when it takes it again."""

    def __init__(self, state: Kept, events: Events) -> None:
        self._state = state
        self._events = events
        self._is_due = False
        self._is_kept = True
        self._begun_at = 0.0
        self._writing: Future[None] | None = None

    def mark(self) -> None:
        """Something changed that should be on disk soon."""
        self._is_due = True

    def save(self, state: State) -> None:
        """On disk when this returns. Raises NotKept."""
        try:
            self._state.save(state)
        except NotKept as error:
            self._note(error)
            raise
        self._note(None)

    def tick(self, mono: float, state: Callable[[], State]) -> None:
        """Begin a write if one is due. `state` is asked only then."""
        if self._writing is not None and self._writing.done():
            self._finish(self._writing)
        if self._is_due and self._writing is None and mono - self._begun_at >= PAUSE:
            self._writing = self._state.save_soon(state())
            self._begun_at, self._is_due = mono, False

    def _finish(self, write: Future[None]) -> None:
        self._writing = None
        error = write.exception()
        self._is_due = self._is_due or error is not None
        self._note(error)

    def _note(self, error: BaseException | None) -> None:
        was_kept, self._is_kept = self._is_kept, error is None
        if error is not None and was_kept:
            self._events.record("state_not_kept", "state file", str(error), Level.ERROR)
        if error is None and not was_kept:
            self._events.record("state_kept", "state file", "the disk takes it again")
