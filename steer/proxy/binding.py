"""Affinity of one request: what its client brought that says where it is, and what its response should leave with it.

    choose     `Binder.begin` takes the cookie, or the key, out of the head -> `Binding.bound`, `Binding.key`
    relay      `Binding.answer` sees the final head: a cookie is issued again, a key learned, moved or ended

A service without affinity has no binder, and its requests no binding. What a cookie or a key means is behind `Jar` and
`Keys`: this package knows neither how a cookie is sealed nor who else knows a key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar
from urllib.parse import unquote_to_bytes

from steer.proxy.http.cookies import drop_set_cookies, is_public, take_cookies
from steer.proxy.http.head import RequestHead, ResponseHead
from steer.steering.model import Affinity, Bound, OnLoss, Service, Topology

if TYPE_CHECKING:
    from steer.proxy.exchange import Exchange

MOST_KEY_BYTES = 256
"""Of a learned key. A UUID has 36; what is longer is no key, and its request goes as one without."""


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


def _says_end(name: str, head: RequestHead | ResponseHead) -> bool:
    if not name:
        return False
    start = name.encode() + b":"
    return any(line[: len(start)].lower() == start for line in head.lines)


class CookieBinder(Generic[T]):
    """Of a service with `cookie: NAME`."""

    def __init__(self, service: Service, affinity: Affinity, jar: Jar[T], topology: Topology) -> None:
        self.affinity = affinity
        self.jar = jar
        self.names = jar.names
        self.name = affinity.name.encode()
        self.reach = Reach(topology)

    def begin(self, exchange: Exchange) -> Binding:
        return CookieBinding(self, exchange)


class CookieBinding(Binding, Generic[T]):
    """Takes the cookie out of the request, whatever its worth."""

    __slots__ = ("_binder", "_had_one", "_secure", "_ticket")

    def __init__(self, binder: CookieBinder[T], exchange: Exchange) -> None:
        super().__init__()
        self._binder = binder
        self._secure = secure = exchange.stream.listener.tls is not None
        own = [value for name, value in take_cookies(exchange.head.lines, binder.names) if name == binder.names[secure]]
        self._had_one = bool(own)
        self._ticket: T | None = None
        if exchange.entry.pinned is not None:
            return
        self.ends = _says_end(binder.affinity.ends_with_request, exchange.head)
        ticket = self._ticket = binder.jar.open(own[0], secure) if len(own) == 1 else None
        if ticket is not None:
            self.bound = Bound(ticket.datacentre, ticket.node)
            leaving = exchange.plane.leaving
            if leaving.is_counting:
                leaving.note(exchange.entry.group, ticket.datacentre, ticket.id, binder.affinity.idle)

    def clean(self, head: ResponseHead) -> None:
        if b"".join(head.lines).find(self._binder.name) >= 0:
            head.lines = drop_set_cookies(head.lines, self._binder.names)

    def answer(self, exchange: Exchange, head: ResponseHead) -> None:
        self.clean(head)
        if exchange.entry.pinned is not None:
            return
        binder = self._binder
        if self.ends or _says_end(binder.affinity.ends_with_response, head):
            if self._had_one:
                head.lines.append(binder.jar.clear(self._secure))
            return
        place = self._new_place(exchange, head.status)
        if place is not None and not is_public(head.lines):
            head.lines.append(binder.jar.issue(*place, self._ticket, self._secure))

    def _new_place(self, exchange: Exchange, status: int) -> tuple[str, str] | None:
        """Datacentre and node that the client should remember from now on; None: it has what it needs."""
        ticket, node, binder = self._ticket, exchange.verdict.node, self._binder
        if ticket is None:
            return (node.datacentre, node.name) if binds(exchange, status) else None
        if ticket.datacentre != node.datacentre:
            if binder.reach.may_move(exchange, binder.affinity, ticket.datacentre, status):
                return node.datacentre, node.name
        elif ticket.node != node.name and self._follows_node(exchange, status):
            return node.datacentre, node.name
        return (ticket.datacentre, ticket.node) if binder.jar.is_due(ticket) else None

    def _follows_node(self, exchange: Exchange, status: int) -> bool:
        """Another node of the same datacentre and pool served it: what the first one knew of the client is lost."""
        ticket, binder = self._ticket, self._binder
        assert ticket is not None
        is_of_pool = binder.reach.pools.get(ticket.node, exchange.pool) == exchange.pool
        stays = binder.affinity.on_loss is OnLoss.TEMPORARY and ticket.node != ""
        return is_of_pool and not stays and binds(exchange, status)


class KeyBinder(Generic[E]):
    """Of a service with `header: NAME` or `query: NAME`."""

    def __init__(self, service: Service, affinity: Affinity, keys: Keys[E], topology: Topology) -> None:
        self.affinity = affinity
        self.keys = keys
        self.reach = Reach(topology)
        self._read = _in_header if affinity.kind == "header" else _in_query
        self._name = affinity.name.encode()

    def begin(self, exchange: Exchange) -> Binding | None:
        if exchange.entry.pinned is not None:
            return None
        found = self._read(exchange.head, self._name)
        if len(found) != 1 or not 0 < len(found[0]) <= MOST_KEY_BYTES:
            return None
        return KeyBinding(self, exchange, found[0])


class KeyBinding(Binding, Generic[E]):
    __slots__ = ("_binder", "_entry", "_key")

    def __init__(self, binder: KeyBinder[E], exchange: Exchange, key: bytes) -> None:
        super().__init__()
        self._binder = binder
        self._key = key
        self.key = key.decode("latin-1")
        self.ends = _says_end(binder.affinity.ends_with_request, exchange.head)
        entry = self._entry = binder.keys.find(key)
        if entry is not None:
            self.bound = Bound(entry.datacentre)
            leaving = exchange.plane.leaving
            if leaving.is_counting:
                id = binder.keys.id_of(entry)
                leaving.note(exchange.entry.group, entry.datacentre, id, binder.affinity.idle)

    def answer(self, exchange: Exchange, head: ResponseHead) -> None:
        binder, entry, status = self._binder, self._entry, head.status
        datacentre = exchange.verdict.node.datacentre
        if self.ends or _says_end(binder.affinity.ends_with_response, head):
            binder.keys.end(self._key)
        elif entry is None:
            if binds(exchange, status):
                binder.keys.learn(self._key, datacentre, exchange.client)
        elif entry.datacentre != datacentre and binder.reach.may_move(
            exchange, binder.affinity, entry.datacentre, status
        ):
            binder.keys.move(entry, datacentre, exchange.client)


def _in_header(head: RequestHead, name: bytes) -> list[bytes]:
    start = name + b":"
    return [line[len(start) :].strip(b" \t") for line in head.lines if line[: len(start)].lower() == start]


def _in_query(head: RequestHead, name: bytes) -> list[bytes]:
    """Decoded, so that a key is the same however a client writes it."""
    pairs = (pair.partition(b"=") for pair in head.target.partition(b"?")[2].split(b"&"))
    return [unquote_to_bytes(value) for found, _, value in pairs if unquote_to_bytes(found) == name]
