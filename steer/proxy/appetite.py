"""How much of a response is read from its node at a time, by how its client takes it.

What one read brings is in memory until the client has taken it: in TLS's buffer, which keeps the size that it once had,
and in the transport's. So a client that is not known gets small pieces. One that has taken some of them without long
pauses gets large ones, which cost a tenth less time for each MiB, until it makes a long pause.

All reads go to one buffer: what came is copied out of it before anything else is read.
"""

from __future__ import annotations

LARGE = memoryview(bytearray(250 * 1024))
"""As much as uvloop reads at once by itself."""
SMALL = LARGE[: 64 * 1024]
"""Most responses fit in. Of a client that takes nothing, two of these wait in the transport and one in TLS's buffer."""
TINY = LARGE[: 16 * 1024]
"""For one that has too much waiting already: a record of TLS, a frame of HTTP/2."""
TRUSTED_WITH = 512 * 1024
"""Bytes in small pieces before there are large ones: more than the kernel and the buffers take of who reads nothing."""
SLOW_S = 0.1
"""A pause for which a client is slow: a large piece in this time is 2.5 MB/s, which small ones carry at no cost that
counts."""


class Appetite:
    """Of one client's connection, or of a stream in it. `room` is where the next piece goes: a plain attribute, for it
    is asked for at each read of a node."""

    __slots__ = ("_held_since", "_taken", "room")

    def __init__(self) -> None:
        self.room = SMALL
        self._taken = 0
        self._held_since = 0.0

    def take(self, size: int) -> None:
        """A piece was handed on."""
        if self.room is SMALL:
            self._taken += size
            if self._taken >= TRUSTED_WITH:
                self.room = LARGE

    def hold(self, held: bool, now: float) -> None:
        """The client takes no more for now, or goes on. Saying it twice is saying it once. `now`: monotonic seconds."""
        if not held:
            if self._held_since and now - self._held_since > SLOW_S:
                self._taken = 0
                self.room = SMALL
            self._held_since = 0.0
        elif not self._held_since:
            self._held_since = now
