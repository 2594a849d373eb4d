"""Loads: wrk for small requests; a client of our own for full handshakes, bodies and idle connections."""

from __future__ import annotations

from dataclasses import dataclass


class LoadFailed(Exception):
    """The load saw something other than 2xx and whole bodies: there is nothing to measure. The message says what."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a load saw: operations that ended well (requests, connections, transfers), in how many seconds, how fast."""

    operations: int
    seconds: float
    p50_ms: float
    p99_ms: float
