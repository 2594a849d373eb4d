"""Where things stand: a namespace as an engine needs to know it, its buckets, and the names of their keys.

    {ns:b0123}:r:<key>   hash     the record (codec.py)
    {ns:b0123}:m         hash     h clock, n sequence, g generation, fence, ack:<site>, cur:<site>
    {ns:b0123}:x         stream   outbox: n sequence, k key; its ids are clock times
    {ns:b0123}:i         zset     change index: the key, by milliseconds x 4096 + counter of its last change
    {ns:b0123}:k:<key>   string   a plain key of this site alone
    {ns}:p               hash     for each peer, how many writes of the namespace wait for it
    {ns}:f               string   the format, and whose engine this is

All keys of a bucket are in one slot of a Redis Cluster. `{ns}:p` is not: a cluster needs one for each bucket, and its
share of `max_pending`.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha1

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Space:
    """A namespace at one site. Durations are seconds. `buckets` never changes, and is the same at every site."""

    name: str
    site: int
    peers: tuple[int, ...] = ()
    """The other sites. Without any, no outbox is kept."""
    max_lifetime: float = 28_800.0
    max_pending: int = 10_000
    max_ahead: float = 5.0
    hold: float = 604_800.0
    """How long a tombstone waits for a site that hears nothing. A week; a site cut off for longer is built anew."""
    outbox: int = 20_000
    """Entries of one bucket at most, about 35 bytes each; beyond it the peer reads the change index instead."""
    buckets: int = 1024

    def __post_init__(self) -> None:
        if not self.name or set(self.name) & set("{}:"):
            raise ValueError(f"no name of a namespace: {self.name!r}")

    def __hash__(self) -> int:
        """Quick: what is known of a namespace is looked up with each write."""
        return hash(self.name)

    def bucket_of(self, key: bytes) -> int:
        """Even, and the same everywhere."""
        return int.from_bytes(sha1(key, usedforsecurity=False).digest()[:8], "big") % self.buckets

    def prefix(self, bucket: int) -> bytes:
        """In front of all of a bucket's keys."""
        return b"{%s:b%04d}:" % (self.name.encode(), bucket)

    def record(self, key: bytes) -> bytes:
        return self.prefix(self.bucket_of(key)) + b"r:" + key

    def local(self, key: bytes) -> bytes:
        return self.prefix(self.bucket_of(key)) + b"k:" + key

    @property
    def backlog(self) -> bytes:
        return b"{%s}:p" % self.name.encode()

    @property
    def format_key(self) -> bytes:
        return b"{%s}:f" % self.name.encode()

    @property
    def format(self) -> bytes:
        """What an engine must say under `format_key`."""
        return b"%d %d buckets, site %03d" % (FORMAT, self.buckets, self.site)

    def ttl_ms(self, ttl: float) -> int:
        """Seconds over 0 as milliseconds, at most `max_lifetime`."""
        if not ttl > 0:
            raise ValueError(f"a ttl is over 0, got {ttl}")
        return max(1, round(min(ttl, self.max_lifetime) * 1000))

    @property
    def max_lifetime_ms(self) -> int:
        return round(self.max_lifetime * 1000)

    @property
    def max_ahead_ms(self) -> int:
        return round(self.max_ahead * 1000)

    @property
    def hold_ms(self) -> int:
        return round(self.hold * 1000)
