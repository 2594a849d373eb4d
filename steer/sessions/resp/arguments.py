"""Numbers and times in the words of a command. All raise `Refusal` with what Redis says."""

from __future__ import annotations

import re

from steer.sessions.resp.command import NO_INTEGER, SYNTAX, Refusal, Words
from steer.store.model import LONGEST

INTEGER = re.compile(rb"-?(?:0|[1-9][0-9]{0,18})")
MOST = 2**63 - 1

AFAR = 100 * 366 * 86_400.0
"""Seconds. A time to live over a hundred years is "as long as the namespace allows"."""

TIMES = {b"EX": (1.0, False), b"PX": (0.001, False), b"EXAT": (1.0, True), b"PXAT": (0.001, True)}
"""Option -> (seconds in its unit, is it a moment rather than a duration)."""


def integer_of(word: bytes) -> int:
    number = int(word) if INTEGER.fullmatch(word) else MOST + 1
    if not -MOST - 1 <= number <= MOST:
        raise Refusal(NO_INTEGER)
    return number


def ttl_of(number: int, unit: float, is_moment: bool, now: float) -> float:
    """Seconds from now; 0 or less: it is over already."""
    ttl = number * unit - (now if is_moment else 0.0)
    return LONGEST if ttl > AFAR else ttl


def ttl_option(option: bytes, words: Words, at: int, now: float, command: str) -> float:
    """The seconds that `EX 10` and its like ask for; `at` is the place of the number."""
    if at >= len(words):
        raise Refusal(SYNTAX)
    unit, is_moment = TIMES[option]
    number = integer_of(words[at])
    if number <= 0:
        raise Refusal(f"ERR invalid expire time in '{command}' command")
    return ttl_of(number, unit, is_moment, now)
