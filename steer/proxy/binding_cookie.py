"""Affinity by the cookie that the edge sets: `cookie: NAME`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic

from steer.proxy.binding import Binding, Jar, Reach, T, binds, says_end
from steer.proxy.http.cookies import drop_set_cookies, is_public, take_cookies
from steer.proxy.http.head import ResponseHead
from steer.steering.model import Affinity, Bound, OnLoss, Service, Topology

if TYPE_CHECKING:
    from steer.proxy.exchange import Exchange


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
        self.ends = says_end(binder.affinity.ends_with_request, exchange.head)
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
        if self.ends or says_end(binder.affinity.ends_with_response, head):
            if self._had_one:
                head.lines.append(binder.jar.clear(self._secure))
                self._leave(exchange)
            return
        place = self._new_place(exchange, head.status)
        if place is not None and not is_public(head.lines):
            head.lines.append(binder.jar.issue(*place, self._ticket, self._secure))
            if self._ticket is not None and place[0] != self._ticket.datacentre:
                self._leave(exchange)

    def _leave(self, exchange: Exchange) -> None:
        """Where it was there is one client less."""
        ticket, leaving = self._ticket, exchange.plane.leaving
        if ticket is not None and leaving.is_counting:
            leaving.end(exchange.entry.group, ticket.datacentre, ticket.id)

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
