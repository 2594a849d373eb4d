"""What one HTTP/2 connection may make the edge do for nothing: a table of budgets, each with its reason.

A budget is a bucket of tokens: `begin` at first, `burst` at most, `rate` more each second. A frame that carries no
request, no payload and no answer takes one. Honest clients stay far below; a flood is told to calm down
(ENHANCE_YOUR_CALM) and loses its connection. Without them a frame of nine bytes costs the edge some 50 microseconds,
and its sender nothing.

Beside the budgets stand three hard limits: `limits.streams` at once, `limits.head` for a head (its compressed
form may be `MAX_BLOCK` times as long before it is not even read), and `MAX_CONTINUATIONS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from steer.errors import Failure, Origin
from steer.proxy.http import h2_frames as frames
from steer.proxy.http.h2_frames import Frame

FLOOD = Failure("flood", 429, Origin.CLIENT, closes=True)
"""For the log and the counters: the client itself is told by GOAWAY."""

MAX_CONTINUATIONS = 16
"""For one head, CVE-2024-27316 and its like: 16 full frames are 256 KiB. h2 itself stops at 64."""
MAX_BLOCK = 4
"""Times `limits.head`. Up to there a head is read and gets its 431; beyond, the connection ends, because HPACK's state
is lost with a block that nobody reads. It bounds HPACK bombs too (CVE-2016-6581), where a byte stands for 4 KiB."""


@dataclass(frozen=True, slots=True)
class Budget:
    """`begin`: tokens that a new connection has; `earned`: those that honest work gives back, as its line says."""

    begin: int
    rate: float
    detail: str
    burst: int
    earned: int = 0


CANCELS: Final = "cancels"
SETTINGS: Final = "settings"
PINGS: Final = "pings"
WINDOWS: Final = "windows"
EMPTY: Final = "empty"
OTHERS: Final = "others"
LATE: Final = "late"

BUDGETS = {
    # Rapid reset (CVE-2023-44487), and streams that the edge must reset for the client's fault (CVE-2025-8671): each
    # costs a node a connection. A browser that closes a page cancels all its streams at once; nghttp2 also gives 33 a
    # second. A response that was taken whole earns one, so a busy proxy may cancel as much as it completes; who has
    # completed nothing may cancel less, since a flood comes back on new connections.
    CANCELS: Budget(50, 33, "requests were cancelled", burst=200, earned=1),
    # Each is acknowledged and may touch every stream (CVE-2019-9515). Clients send one, seldom a second.
    SETTINGS: Budget(10, 1, "SETTINGS came", burst=10),
    # Each is answered (CVE-2019-9512). gRPC probes the bandwidth with one for each round trip while data comes.
    PINGS: Budget(100, 20, "PINGs came", burst=100),
    # Window games (CVE-2019-9511): windows opened byte by byte, so that a response becomes a storm of small frames.
    # A frame of DATA that is worth its while, or the last of a response, earns ten, as in Envoy.
    WINDOWS: Budget(1000, 100, "WINDOW_UPDATEs came", burst=1000, earned=10),
    # CVE-2019-9518: frames of DATA without payload and without an end.
    EMPTY: Budget(100, 10, "empty frames came", burst=100),
    # PRIORITY (CVE-2019-9513), which nobody reads any more, unknown kinds, resets of what is over. Firefox used to send
    # six PRIORITY for a connection and one for each request; a whole response earns one.
    OTHERS: Budget(400, 40, "frames came that ask for nothing", burst=400, earned=1),
    # DATA for a stream that is over, on its way when the edge stopped an upload: a window of small frames.
    LATE: Budget(1000, 100, "frames came for streams that are over", burst=1000),
}


class Purse:
    """What is left of each budget for one connection. Takes `now` in monotonic seconds."""

    __slots__ = ("_left",)

    def __init__(self, now: float) -> None:
        self._left: dict[str, tuple[float, float]] = {name: (budget.begin, now) for name, budget in BUDGETS.items()}

    def spend(self, name: str, now: float) -> str:
        """Take one token; what is too much, in a sentence, where none is left."""
        budget = BUDGETS[name]
        left, since = self._left[name]
        left = min(budget.burst, left + (now - since) * budget.rate) - 1
        self._left[name] = (left, now)
        return f"too many {budget.detail}" if left < 0 else ""

    def earn(self, name: str) -> None:
        """Honest work gives something back."""
        budget = BUDGETS[name]
        left, since = self._left[name]
        self._left[name] = (min(budget.burst, left + budget.earned), since)


def price(frame: Frame) -> str:
    """The budget that a frame is paid from by its kind alone; "" where it is honest work, or is judged elsewhere."""
    return _PRICES.get(frame.kind, OTHERS)


_FREE = dict.fromkeys((frames.DATA, frames.HEADERS, frames.CONTINUATION, frames.RST_STREAM, frames.GOAWAY), "")
_PRICES = {**_FREE, frames.SETTINGS: SETTINGS, frames.PING: PINGS, frames.WINDOW_UPDATE: WINDOWS}
