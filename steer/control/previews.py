"""Previews that were made: each can be applied once, while nothing has changed since, and not for long."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from steer.clock import Clock
from steer.control.api_bodies import PreviewRequest
from steer.control.overrides import id_at, number_of
from steer.control.problems import ApiProblem

KEPT_FOR = 900.0
"""Seconds. Who has looked at the numbers for longer should look at new ones."""

MOST = 100
"""Kept at once, a few KiB each. The oldest is forgotten first."""


@dataclass(slots=True)
class Preview:
    """`state` names what it was made for. Times are wall seconds; `until` is monotonic."""

    id: str
    wanted: PreviewRequest
    state: str
    made: float
    expires: float
    until: float
    is_applied: bool = False


class Previews:
    """In memory alone: a new start of control forgets them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = ""
        self._kept: OrderedDict[str, Preview] = OrderedDict()

    def keep(self, wanted: PreviewRequest, state: str) -> Preview:
        now, mono = self._clock.wall(), self._clock.monotonic()
        self._last = id_at(max(round(now * 1000), number_of(self._last) + 1))
        made = self._kept[self._last] = Preview(self._last, wanted, state, now, now + KEPT_FOR, mono + KEPT_FOR)
        while len(self._kept) > MOST:
            self._kept.popitem(last=False)
        return made

    def find(self, id: str, state: str) -> Preview:
        """One that may be applied now. Raises a problem: 404, 409 (it was), 412 (something has changed since)."""
        preview = self._kept.get(id)
        if preview is None or preview.until <= self._clock.monotonic():
            kept = f"they are kept for {KEPT_FOR / 60:.0f} min, and not over a new start"
            raise ApiProblem("not_found", f"no preview has the id {id[:60]!r}; {kept}")
        if preview.is_applied:
            raise ApiProblem("applied", f"preview {id} was applied already; make another one")
        if preview.state != state:
            raise ApiProblem("moved_on", f"something has changed since preview {id} was made; make another one")
        return preview
