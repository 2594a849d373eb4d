"""How clients reach the store, whatever stands in front of it. Each kind of child has a door of its own:

lines       a store process of the rig: lines of JSON, which show stamps
edge_door   an edge: HTTP for registers and life cycles, RESP for hashes and locks, as applications use them
"""

from __future__ import annotations

from typing import Any, Protocol

Message = dict[str, Any]
"""An answer: `outcome` (ok, fail, info), and with it `stamp`, `seen`, `fields`, `done`, `acknowledge`, `error`."""


class Unreachable(Exception):
    """Nobody listens: the request was not sent."""


class Unanswered(Exception):
    """It was sent, and no answer came: nobody knows."""


class Door(Protocol):
    """A client's end. `ask` from as many tasks as you like; it connects when it must."""

    async def ask(self, f: str, **arguments: Any) -> Message:
        """The answer. Raises Unreachable and Unanswered."""

    async def close(self) -> None: ...
