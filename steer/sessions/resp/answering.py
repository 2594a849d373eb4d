"""What a client reads when the store or a command says no."""

from __future__ import annotations

from steer.sessions.resp.command import Refusal
from steer.sessions.resp.replies import error
from steer.store.errors import EngineDown, Indeterminate, Late, StoreError, WrongKind

UNAVAILABLE = error("ERR session store unavailable")
WRONG_KIND = error("WRONGTYPE Operation against a key holding the wrong kind of value")


def answer_of(failure: Refusal | StoreError) -> bytes:
    """One line. Of the engine's own words nothing goes out: they may name hosts."""
    match failure:
        case Refusal():
            return error(str(failure))
        case WrongKind():
            return WRONG_KIND
        case EngineDown():
            return UNAVAILABLE
        case Late():
            return error("ERR session store unavailable: it was too slow, and nothing was written")
        case Indeterminate():
            return error("ERR session store unavailable: no answer in time, the write may have happened")
    return error(f"ERR {failure.message}")
