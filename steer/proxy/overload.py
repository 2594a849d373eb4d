"""Whether this worker has more to do than it can: signals in, a level out. Pure; `now` is monotonic seconds.

    CALM          everything is taken
    FULL          no new connections: refused before their TLS handshake, which costs more than all the rest
    OVERLOADED    no new requests either: 503 `busy` with Retry-After. What is under way is finished, always

A level is entered as soon as a signal says so, and left when every signal has been below `LEAVES` of it for `CALM_S`:
a worker that is let go at the very limit would be back there at once, and clients that are refused come again.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

CALM: Final = 0
FULL: Final = 1
OVERLOADED: Final = 2
NAMES = ("calm", "full", "overloaded")

LEAVES = 0.7
CALM_S = 1.0
LAGS = 5
"""Ticks. The lag that counts is the *least* of so many: a queue that stands, not a hiccup (as CoDel does, RFC 8289)."""


@dataclass(frozen=True, slots=True)
class Signal:
    """`full` and `overloaded` are what leads to these levels."""

    name: str
    full: float
    overloaded: float


SIGNALS = (
    # Seconds that the loop's timers are late, which every answer is late too. Half a second is what people notice; a
    # busy worker with 1,000 active clients is at 30 ms.
    Signal("lag", 0.5, 1.0),
    # Resident memory, of what this worker may have (`memory.py`). What is under way needs some of the rest.
    Signal("memory", 0.85, 0.95),
)
"""Connections and descriptors are counted where they come in (`DataPlane.refusal`), requests for each node
(`max_connections`, `max_pending`): those limits refuse one at a time and need no level."""


class Overload:
    """`level` is read for each connection and each request."""

    __slots__ = ("_calm_since", "_lags", "level", "values")

    def __init__(self) -> None:
        self.level = CALM
        self.values = {signal.name: 0.0 for signal in SIGNALS}
        self._lags: deque[float] = deque([0.0] * LAGS, maxlen=LAGS)
        self._calm_since: float | None = None

    def __repr__(self) -> str:
        return f"<Overload {self.name} {self.values}>"

    @property
    def name(self) -> str:
        return NAMES[self.level]

    @property
    def cause(self) -> str:
        """The signal that is highest, measured by its own limit."""
        return max(SIGNALS, key=lambda signal: self.values[signal.name] / signal.full).name

    def note_lag(self, seconds: float) -> None:
        """How late a tick was."""
        self._lags.append(max(0.0, seconds))
        self.values["lag"] = min(self._lags)

    def note_memory(self, share: float) -> None:
        self.values["memory"] = share

    def judge(self, now: float) -> bool:
        """Once a tick, after the signals were noted; True: the level is another one."""
        before = self.level
        wanted = max(self._level_of(signal, 1.0) for signal in SIGNALS)
        held = max(self._level_of(signal, LEAVES) for signal in SIGNALS)
        if wanted > self.level:
            self.level = wanted
        if held >= self.level:
            self._calm_since = None
        elif self._calm_since is None:
            self._calm_since = now
        elif now - self._calm_since >= CALM_S:
            self._calm_since = None
            self.level = held
        return self.level != before

    def _level_of(self, signal: Signal, factor: float) -> int:
        value = self.values[signal.name]
        return OVERLOADED if value >= signal.overloaded * factor else FULL if value >= signal.full * factor else CALM
