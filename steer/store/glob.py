"""Redis' globs, for the memory engine: `* ? [abc] [^a-z] \\x`, over bytes.

Each part but `*` is one byte of the key, a set of allowed bytes; so a pattern is runs of sets between stars, and the
first place where a run fits is as good as any. No pattern of a client takes more than (key x pattern) steps.
"""

from __future__ import annotations

from functools import lru_cache

Run = tuple[frozenset[int], ...]
ANY = frozenset(range(256))


def matches(key: bytes, pattern: bytes) -> bool:
    """Does the whole key fit?"""
    first, *rest = runs_of(pattern)
    if not rest:
        return len(key) == len(first) and fits(key, 0, first)
    last = rest.pop()
    end = len(key) - len(last)
    if not fits(key, 0, first) or end < len(first) or not fits(key, end, last):
        return False
    at = len(first)
    for run in rest:
        at = next((start + len(run) for start in range(at, end - len(run) + 1) if fits(key, start, run)), -1)
        if at < 0:
            return False
    return True


def fits(key: bytes, at: int, run: Run) -> bool:
    return at + len(run) <= len(key) and all(key[at + i] in allowed for i, allowed in enumerate(run))


@lru_cache(maxsize=64)
def runs_of(pattern: bytes) -> tuple[Run, ...]:
    """What stands between the stars."""
    runs: list[list[frozenset[int]]] = [[]]
    at = 0
    while at < len(pattern):
        match pattern[at : at + 1]:
            case b"*":
                runs.append([])
                at += 1
            case b"?":
                runs[-1].append(ANY)
                at += 1
            case b"[":
                allowed, at = set_at(pattern, at + 1)
                runs[-1].append(allowed)
            case _:
                byte, at = byte_at(pattern, at)
                runs[-1].append(frozenset((byte,)))
    return tuple(tuple(run) for run in runs)


def byte_at(pattern: bytes, at: int) -> tuple[int, int]:
    """One byte, perhaps behind a backslash, and where it ends."""
    if pattern[at : at + 1] == b"\\" and at + 1 < len(pattern):
        at += 1
    return pattern[at], at + 1


def set_at(pattern: bytes, at: int) -> tuple[frozenset[int], int]:
    """The bytes of a bracket; as in Redis, the end of the pattern ends it, too."""
    is_negated = pattern[at : at + 1] == b"^"
    at += is_negated
    allowed: set[int] = set()
    while at < len(pattern) and pattern[at : at + 1] != b"]":
        low, at = byte_at(pattern, at)
        high = low
        if pattern[at : at + 1] == b"-" and at + 1 < len(pattern) and pattern[at + 1 : at + 2] != b"]":
            high, at = byte_at(pattern, at + 1)
        allowed.update(range(min(low, high), max(low, high) + 1))
    return (ANY - allowed if is_negated else frozenset(allowed)), at + 1
