"""Affinity of one request: what its client brought that says where it is, and what its response should leave with it.

    choose     `Binder.begin` takes the cookie, or the key, out of the head -> `Binding.bound`, `Binding.key`
    relay      `Binding.answer` sees the final head: a cookie is issued again, a key learned, moved or ended

How it does so is told for cookies in `binding_cookie.py`, for keys in `binding_key.py`.

A service without affinity has no binder, and its requests no binding. What a cookie or a key means is behind `Jar` and
`Keys`: this package knows neither how a cookie is sealed nor who else knows a key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from steer.proxy.http.head import RequestHead, ResponseHead
from steer.steering.model import Affinity, Bound, OnLoss, Topology

if TYPE_CHECKING:
    from steer.proxy.exchange import Exchange


class Ticket(Protocol):
    """What a good cookie says. `node` is empty where it names none that there is; `id` is an int64 of the client."""

    @property
    def datacentre(self) -> str: ...
    @property
    def node(self) -> str: ...
    @property
    def id(self) -> int: ...


T = TypeVar("T", bound=Ticket)


class Jar(Protocol[T]):
    """The cookies of one service. `secure`: the client's listener has TLS, so the cookie has another name."""

    @property
    def names(self) -> tuple[bytes, bytes]:
        """On a plain listener, over TLS. Neither is for nodes."""

    def open(self, value: bytes, secure: bool) -> T | None: ...
    def is_due(self, ticket: T) -> bool:
        """It should be issued again."""

    def issue(self, datacentre: str, node: str, ticket: T | None, secure: bool) -> bytes:
        """A field line. `ticket` is what it takes the place of."""

    def clear(self, secure: bool) -> bytes: ...


class Entry(Protocol):
    """What is known of a learned key."""

    @property
    def datacentre(self) -> str: ...


E = TypeVar("E", bound=Entry)


class Keys(Protocol[E]):
    """The learned keys of one service."""

    def find(self, key: bytes) -> E | None: ...
    def id_of(self, entry: E) -> int:
        """An int64."""

    def learn(self, key: bytes, datacentre: str, client: str) -> None: ...
    def move(self, entry: E, datacentre: str, client: str) -> None: ...
    def end(self, key: bytes) -> None: ...


class Binding:
    """One request's. `bound` and `key` are what steering asks for (`Facts`)."""

    __slots__ = ("bound", "ends", "key")

    def __init__(self) -> None:
        self.bound: Bound | None = None
        self.key = ""
        self.ends = False
        """The request itself says that the conversation is over. It still goes where that was."""

    def clean(self, head: ResponseHead) -> None:
        """A 1xx head, which leaves nothing with the client but what the node may say."""

    def answer(self, exchange: Exchange, head: ResponseHead) -> None:
        """The final head, or the 101, on its way to the client: from the node of `exchange.verdict`."""
        raise NotImplementedError


class Binder(Protocol):
    """For one service, for the life of a configuration."""

    def begin(self, exchange: Exchange) -> Binding | None: ...


class Reach:
    """Which datacentres have nodes of a pool: a client does not move because a pool was never where it is."""

    def __init__(self, topology: Topology) -> None:
        self._there = frozenset((node.pool, node.datacentre) for node in topology.nodes)
        self.pools = {node.name: node.pool for node in topology.nodes}

    def may_move(self, exchange: Exchange, affinity: Affinity, datacentre: str, status: int) -> bool:
        """Whether the client stays where it was served now, in place of this datacentre."""
        is_lost = affinity.on_loss is OnLoss.STICKY and (exchange.pool, datacentre) in self._there
        return is_lost and binds(exchange, status)


def binds(exchange: Exchange, status: int) -> bool:
    """Whether a response binds its client: not one that failed, and not one that only tried a node or a site out."""
    return status < 500 and not exchange.verdict.trial and exchange.reason != "trickle"


def says_end(name: str, head: RequestHead | ResponseHead) -> bool:
    if not name:
        return False
    start = name.encode() + b":"
    return any(line[: len(start)].lower() == start for line in head.lines)
