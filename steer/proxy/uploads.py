"""Requests whose bodies are not whole yet: each holds a place at a node, for as long as its client likes to take.

A client may have as many of them as there are places free in the pool: one alone gets half, and hundreds of bodies that
come byte by byte keep nobody else out. A proxy in front that tells its clients (`trusted_proxies`) is not one client.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable


class Uploads:
    """Of one worker."""

    __slots__ = ("_count", "under_way")

    def __init__(self) -> None:
        self.under_way: dict[Hashable, tuple[str, str]] = {}
        """Request -> its pool and its client."""
        self._count: Counter[tuple[str, str]] = Counter()

    def begin(self, request: Hashable, pool: str, client: str, free: int) -> bool:
        """`free` places are left in the pool. False: this client has as many already."""
        key = (pool, client)
        if self._count[key] >= free:
            return False
        self._count[key] += 1
        self.under_way[request] = key
        return True

    def end(self, request: Hashable) -> None:
        """Its body is whole, or nobody wants it any more. Once is enough, more does nothing."""
        key = self.under_way.pop(request, None)
        if key is not None:
            self._count[key] -= 1
            if not self._count[key]:
                del self._count[key]
