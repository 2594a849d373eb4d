"""Affinity by a key of the client's own, which the edge learns: `header: NAME` or `query: NAME`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic
from urllib.parse import unquote_to_bytes

from steer.proxy.binding import Binding, E, Keys, Reach, binds, says_end
from steer.proxy.http.head import RequestHead, ResponseHead
from steer.steering.model import Affinity, Bound, Service, Topology

if TYPE_CHECKING:
    from steer.proxy.exchange import Exchange

MOST_KEY_BYTES = 256
"""Of a learned key. A UUID has 36; what is longer is no key, and its request goes as one without."""


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
        self.ends = says_end(binder.affinity.ends_with_request, exchange.head)
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
        if self.ends or says_end(binder.affinity.ends_with_response, head):
            binder.keys.end(self._key)
            self._leave(exchange)
        elif entry is None:
            if binds(exchange, status):
                binder.keys.learn(self._key, datacentre, exchange.client)
        elif entry.datacentre != datacentre and binder.reach.may_move(
            exchange, binder.affinity, entry.datacentre, status
        ):
            self._leave(exchange)
            binder.keys.move(entry, datacentre, exchange.client)

    def _leave(self, exchange: Exchange) -> None:
        """Where it was there is one client less."""
        entry, leaving = self._entry, exchange.plane.leaving
        if entry is not None and leaving.is_counting:
            leaving.end(exchange.entry.group, entry.datacentre, self._binder.keys.id_of(entry))


def _in_header(head: RequestHead, name: bytes) -> list[bytes]:
    start = name + b":"
    return [line[len(start) :].strip(b" \t") for line in head.lines if line[: len(start)].lower() == start]


def _in_query(head: RequestHead, name: bytes) -> list[bytes]:
    """Decoded, so that a key is the same however a client writes it."""
    pairs = (pair.partition(b"=") for pair in head.target.partition(b"?")[2].split(b"&"))
    return [unquote_to_bytes(value) for found, _, value in pairs if unquote_to_bytes(found) == name]
