"""What holds now: kept on disk, and sent to the workers as snapshots. What changes it is in the classes on top of it
(`wishes.py`, `keeper.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from steer.clock import Clock
from steer.control.events import Events
from steer.control.overrides import Book
from steer.control.saving import Saver
from steer.control.standing import Standing
from steer.control.state_file import Kept
from steer.steering.ejection import Changes
from steer.steering.groups import Record
from steer.steering.model import Dice, Topology
from steer.steering.snapshot import Snapshot


class InForce:
    """`publish` is called with each new snapshot, the first one included, and must not raise."""

    def __init__(
        self,
        topology: Topology,
        clock: Clock,
        dice: Dice,
        publish: Callable[[Snapshot], None],
        state: Kept,
        events: Events,
        canaries: Sequence[str] = (),
    ) -> None:
        # For the life of a configuration.
        self.topology = topology
        self._clock = clock
        self._dice = dice
        self._publish = publish
        self._events = events
        self._saver = Saver(state, events)
        self._standing = Standing(topology, dice, events, canaries)
        # Until the next call.
        self._workers: tuple[int, ...] = ()
        self._changed_at: dict[str, float] = {}
        """By group: when an operator changed it last."""
        self._begin(state.load())

    def _begin(self, saved: Mapping[str, Any]) -> None:
        now, mono = self._time()
        self._standing.take_over(saved, now, mono)
        nodes, statuses = self._standing.view()
        self.snapshot = Snapshot(self._next_number(saved.get("number", 0), mono), nodes, statuses)
        self._publish(self.snapshot)

    def _follow(self, changes: Changes, now: float, mono: float) -> None:
        if self._standing.follow(changes, now, mono):
            self._saver.mark()
        self._standing.nodes.grant_trials(self._workers, now, mono)
        self._publish_if_new(mono)

    def _publish_if_new(self, mono: float) -> None:
        nodes, statuses = self._standing.view()
        if nodes == self.snapshot.nodes and statuses == self.snapshot.groups:
            return
        self.snapshot = Snapshot(self._next_number(self.snapshot.number, mono), nodes, statuses)
        self._publish(self.snapshot)

    @staticmethod
    def _next_number(last: int, mono: float) -> int:
        """Milliseconds of monotonic time, so that numbers rise over a restart of control even when the file is lost."""
        return max(last + 1, int(mono * 1000))

    def _export(self, book: Book, records: Mapping[str, Record], now: float, mono: float) -> dict[str, Any]:
        return {"number": self.snapshot.number, **self._standing.export(book, records, now, mono)}

    def _time(self) -> tuple[float, float]:
        return self._clock.wall(), self._clock.monotonic()
