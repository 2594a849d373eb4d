"""The cookie of one service: where its client is, sealed, so that only edges can read or make one.

What is in it (25 bytes): the datacentre's id, a hash of the node's name, an id of the client's binding that stays when
the cookie is issued again, when it was first issued, and until when it is good. In the associated data stand the
service and the cookie's whole name, so that a cookie of one service, or of a plain listener, means nothing elsewhere.

    over TLS   Set-Cookie: __Host-NAME=76 letters; Path=/; Secure; HttpOnly; SameSite=Lax      200 bytes at most
    plain      Set-Cookie: NAME=76 letters; Path=/; HttpOnly; SameSite=Lax
"""

from __future__ import annotations

import binascii
import os
import struct
from dataclasses import dataclass
from hashlib import blake2b

from steer.clock import Clock
from steer.sessions.affinity.seals import OVERHEAD, Seals
from steer.steering.model import Affinity, Topology

PREFIX = "__Host-"
"""RFC 6265bis section 4.1.3.2: browsers take such a cookie over TLS only, and from and for this very host."""

_CONTENT = struct.Struct(">H7sqII")
"""Datacentre, node, binding, first issued, deadline; the last two in wall seconds."""
LENGTH = (OVERHEAD + _CONTENT.size) * 4 // 3
"""Letters of the value; without padding, as the bytes are a multiple of three."""
MOST_REMEMBERED = 4096
"""Opened cookies kept by their bytes, so that a client that goes on pays for one opening, not for one a request. Times
two (see `_remember`), about 3 MiB for a service whose clients are many."""
REISSUE_AFTER = 0.25
"""Share of `idle` after which a cookie is issued again: a busy client gets at most four in that time."""
NO_NODE = b"\0" * 7


@dataclass(frozen=True, slots=True)
class Ticket:
    """What an opened cookie says. `node` is empty where it names none that there is. Times are wall seconds."""

    datacentre: str
    node: str
    id: int
    """int64, the same for all cookies of one binding."""
    issued: int
    deadline: int


class Jar:
    """For the life of a configuration. `secure` says whether the client's listener has TLS."""

    def __init__(self, service: str, affinity: Affinity, topology: Topology, seals: Seals, clock: Clock) -> None:
        names = (affinity.name, PREFIX + affinity.name)
        self.names = (names[0].encode(), names[1].encode())
        """On a plain listener, over TLS."""
        self._idle = max(1, round(affinity.idle))
        self._longest = affinity.longest
        self._seals = seals
        self._clock = clock
        self._contexts = tuple(f"steer affinity\0{service}\0{name}".encode() for name in names)
        self._datacentres = {number: name for name, number in topology.ids.items()}
        self._ids = topology.ids
        self._nodes = {_hash(node.name): node.name for node in topology.nodes}
        self._remembered: dict[tuple[bytes, bool], Ticket] = {}
        self._before: dict[tuple[bytes, bool], Ticket] = {}
        self._version = seals.version

    def open(self, value: bytes, secure: bool) -> Ticket | None:
        """None: it is not ours, or not good any more, or its datacentre is gone. Never raises."""
        if self._version != self._seals.version:
            self._version = self._seals.version
            self._remembered, self._before = {}, {}
        known = (value, secure)
        ticket = self._remembered.get(known) or self._open(known)
        if ticket is None:
            return None
        now = self._clock.wall()
        if now > ticket.deadline or (self._longest is not None and now > ticket.issued + self._longest):
            return None
        return ticket

    def _open(self, known: tuple[bytes, bool]) -> Ticket | None:
        ticket = self._before.get(known)
        if ticket is None:
            value, secure = known
            if len(value) != LENGTH:
                return None
            try:
                sealed = binascii.a2b_base64(value.translate(_FROM_URL), strict_mode=True)
            except ValueError:
                return None
            content = self._seals.open(sealed, self._contexts[secure])
            ticket = self._read(content) if content is not None else None
        if ticket is not None:
            self._remember(known, ticket)
        return ticket

    def _read(self, content: bytes) -> Ticket | None:
        number, node, id, issued, deadline = _CONTENT.unpack(content)
        datacentre = self._datacentres.get(number)
        return Ticket(datacentre, self._nodes.get(node, ""), id, issued, deadline) if datacentre is not None else None

    def _remember(self, known: tuple[bytes, bool], ticket: Ticket) -> None:
        """Two halves: when one is full it becomes the older one, so that who comes often is found again."""
        if len(self._remembered) >= MOST_REMEMBERED:
            self._before, self._remembered = self._remembered, {}
        self._remembered[known] = ticket

    def is_due(self, ticket: Ticket) -> bool:
        """Past a quarter of `idle` since it was issued."""
        return self._clock.wall() > ticket.deadline - self._idle * (1 - REISSUE_AFTER)

    def issue(self, datacentre: str, node: str, ticket: Ticket | None, secure: bool) -> bytes:
        """The whole field line. `ticket` is the one that it takes the place of."""
        now = int(self._clock.wall())
        id, issued = (ticket.id, ticket.issued) if ticket is not None else (_new_id(), now)
        content = _CONTENT.pack(self._ids[datacentre], _hash(node) if node else NO_NODE, id, issued, now + self._idle)
        value = binascii.b2a_base64(self._seals.seal(content, self._contexts[secure]), newline=False)
        return self._line(value.translate(_TO_URL), b"", secure)

    def clear(self, secure: bool) -> bytes:
        """The field line that makes a client forget it."""
        return self._line(b"", b"; Max-Age=0", secure)

    def _line(self, value: bytes, more: bytes, secure: bool) -> bytes:
        flag = b"; Secure" if secure else b""
        return b"Set-Cookie: %b=%b; Path=/%b%b; HttpOnly; SameSite=Lax" % (self.names[secure], value, more, flag)


_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_+/", b"+/  ")
"""What base64url does not have becomes what base64 does not have."""


def _hash(node: str) -> bytes:
    """A node may move to another place in the configuration, and keeps its clients by its name."""
    return blake2b(node.encode(), digest_size=7, person=b"steer node").digest()


def _new_id() -> int:
    return int.from_bytes(os.urandom(8), "big", signed=True)
