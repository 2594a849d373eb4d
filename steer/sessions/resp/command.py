"""What a command is: a row of a table. Each family of commands is a file with its rows at the end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from steer.sessions.resp.session import Session

Words = list[bytes]
Handler = Callable[["Session", Words], "bytes | Awaitable[bytes]"]
"""Takes the words of the command, its name first. What needs no store answers at once, without a coroutine."""


@dataclass(frozen=True, slots=True)
class Command:
    """`arity` counts the words, the name too; negative: at least so many (as Redis has it).

    `keys` is the place of the first key, of the last (negative: from the end) and the step; (0, 0, 0): no keys.
    """

    name: str
    arity: int
    run: Handler
    keys: tuple[int, int, int] = (0, 0, 0)
    is_write: bool = False
    needs_user: bool = True
    in_transaction: bool = True
    """Between MULTI and EXEC it is queued; False: it is refused there."""
    is_immediate: bool = False
    """It is run between MULTI and EXEC too: what ends or leaves a transaction."""

    def takes(self, words: Words) -> bool:
        return len(words) == self.arity if self.arity > 0 else len(words) >= -self.arity

    def keys_of(self, words: Words) -> list[bytes]:
        first, last, step = self.keys
        if not first:
            return []
        return words[first : len(words) + 1 + last if last < 0 else last + 1 : step]


ONE_KEY = (1, 1, 1)
ALL_KEYS = (1, -1, 1)


class Refusal(Exception):
    """A handler's way to answer an error from anywhere inside. The text starts with its code (`ERR`)."""


SYNTAX = "ERR syntax error"
NO_INTEGER = "ERR value is not an integer or out of range"
NO_ROOM = "ERR the session door holds too many bytes for its clients, try again"
