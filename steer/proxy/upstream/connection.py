"""One connection to a node, and the response that is being read from it.

A response reaches the exchange as: any number of `on_interim`, one `on_response` (with the payload that came along,
and whether that was all), `on_payload`, then `on_complete`; or at any point `on_node_failure`. A connection is used
again only if nothing speaks against it: see `release`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol, cast

from steer.errors import NODE_BROKE, NODE_RESET, Failure
from steer.proxy.appetite import LARGE, Appetite
from steer.proxy.http.framing import WHOLE, Body, ChunkedBody, LengthBody, NoBody, UntilClose
from steer.proxy.http.grammar import has_bare_line_end
from steer.proxy.http.head import ResponseHead, read_response
from steer.steering.model import Outcome

if TYPE_CHECKING:
    from steer.proxy.upstream.pool import NodePool

MAX_RESPONSE_HEAD = 64 * 1024
"""Twice what a request may have: nodes set long cookies and policies. nginx's proxy buffers default to 4 to 8 KiB."""
MAX_INTERIM = 10
"""1xx responses before the final one; more is a node that keeps a client waiting for ever."""


NOBODY = Appetite()
"""Of a connection that waits for its next request."""


class NodeListener(Protocol):
    """Who hears the response: the exchange."""

    method: str
    request_done: bool
    wants_websocket: bool

    def on_interim(self, head: ResponseHead) -> None: ...
    def on_response(self, head: ResponseHead, payload: bytes, complete: bool) -> None: ...
    def on_payload(self, payload: bytes) -> None: ...
    def on_complete(self) -> None: ...
    def on_upgraded(self, head: ResponseHead, payload: bytes) -> None: ...
    def on_node_failure(self, failure: Failure, outcome: Outcome) -> None: ...
    def on_node_blocked(self, blocked: bool) -> None: ...


class TunnelEnd(Protocol):
    """Who hears the bytes once the connection is a tunnel."""

    def from_node(self, data: bytes) -> None: ...
    def hold_client(self, held: bool) -> None: ...
    def node_ended(self) -> bool: ...
    def node_gone(self) -> None: ...


class UpstreamConnection(asyncio.BufferedProtocol):
    """A connection to one node. Idle while `exchange` is None."""

    both_ways = False
    """The request may go on while the response has begun."""

    transport: asyncio.Transport

    def __init__(self, pool: NodePool) -> None:
        # For the life of the connection.
        self.pool = pool
        self.served = 0
        self.idle_since = 0.0
        self.lost = False
        self.tunnel: TunnelEnd | None = None
        self._ended = False
        self._held = False
        self.overran = False
        """The node sent more than the body that it had announced, or something that breaks the rules."""
        # Of the response that is being read.
        self.exchange: NodeListener | None = None
        self.appetite = NOBODY
        self._buffer = b""
        self._body: Body | None = None
        self._head: ResponseHead | None = None
        self._interim = 0

    # The exchange's side.

    def begin(self, exchange: NodeListener, data: bytes, appetite: Appetite) -> None:
        """Send a request's head, and what there is of its body. `appetite` is of the client whose it is."""
        self.exchange = exchange
        self.appetite = appetite
        self._head = None
        self._body = None
        self._interim = 0
        self.served += 1
        self.transport.write(data)

    @property
    def heard_nothing(self) -> bool:
        """Not one byte of the response has come."""
        return self._head is None and not self._buffer and not self._interim

    def release(self, reusable: bool = True) -> None:
        """The exchange is over: back to the pool, or closed."""
        self.exchange = None
        self.appetite = NOBODY
        if self._held:
            self.hold(False)
        head, body = self._head, self._body
        if (
            reusable
            and head is not None
            and body is not None
            and body.done
            and not head.closes
            and not (self.overran or self._ended or self.lost)
            and self.served < self.pool.settings.keepalive.requests
        ):
            self.pool.put(self)
        else:
            self.close()

    def hold(self, held: bool) -> None:
        """Stop or go on reading: the client takes no more for now."""
        if held != self._held and not self.lost:
            self._held = held
            (self.transport.pause_reading if held else self.transport.resume_reading)()

    def close(self) -> None:
        """End it at once: what the node still sends does not matter."""
        self.exchange = None
        if not self.lost:
            self.transport.abort()

    # The node's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are no subclasses

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.appetite.room

    def buffer_updated(self, nbytes: int) -> None:
        data = LARGE[:nbytes].tobytes()
        self.pool.heard += 1
        if self.tunnel is not None:
            self.tunnel.from_node(data)
        elif self.exchange is None:
            self.overran = True
            self.pool.discard(self)
            self.close()
        elif self._body is not None:
            self._take_body(data)
        else:
            self._take_head(data)

    def eof_received(self) -> bool:
        self._ended = True
        if self.tunnel is not None:
            return self.tunnel.node_ended()
        exchange, body = self.exchange, self._body
        if exchange is not None and body is not None and not body.done and body.end():
            exchange.on_complete()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self.pool.lost(self)
        if self.tunnel is not None:
            self.tunnel.node_gone()
        exchange = self.exchange
        if exchange is not None:
            self.exchange = None
            self._end_of_connection(exchange, exc)

    def _end_of_connection(self, exchange: NodeListener, exc: Exception | None) -> None:
        body = self._body
        if exc is None and body is not None and not body.done and body.end():
            exchange.on_complete()
        else:
            detail = "the connection ended before the response" if self.heard_nothing else "the response was cut off"
            exchange.on_node_failure(NODE_RESET.because(detail), Outcome.RESET)

    def pause_writing(self) -> None:
        if self.tunnel is not None:
            self.tunnel.hold_client(True)
        elif self.exchange is not None:
            self.exchange.on_node_blocked(True)

    def resume_writing(self) -> None:
        if self.tunnel is not None:
            self.tunnel.hold_client(False)
        elif self.exchange is not None:
            self.exchange.on_node_blocked(False)

    # Reading the response...

    def _take_head(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        end = data.find(b"\r\n\r\n", 0, MAX_RESPONSE_HEAD + 4)
        exchange = self.exchange
        assert exchange is not None
        if end < 0:
            self._buffer = data
            if len(data) >= MAX_RESPONSE_HEAD + 4:
                self._break("the response's head is too large")
            elif has_bare_line_end(data):
                self._break("a line ends with CR or LF alone")
            return
        head = read_response(data[:end])
        if isinstance(head, Failure):
            self._fail(head)
            return
        rest = data[end + 4 :]
        if head.status < 200:
            self._take_interim(exchange, head, rest)
            return
        self._head = head
        if head.content_length == len(rest) and exchange.method != "HEAD" and head.status != 304:
            self._body = WHOLE
            exchange.on_response(head, rest, True)
            return
        body = self._body = _body_of(head, exchange.method)
        payload = body.take(rest)
        if body.done and body.rest:
            self.overran = True
        if body.broken:
            self._break(body.broken)
        else:
            exchange.on_response(head, payload, body.done)

    def _take_interim(self, exchange: NodeListener, head: ResponseHead, rest: bytes) -> None:
        self._interim += 1
        if head.status == 101:
            if exchange.wants_websocket:
                self._head = head
                exchange.on_upgraded(head, rest)
            else:
                self._break("101 without an upgrade that was asked for")
            return
        if self._interim > MAX_INTERIM:
            self._break(f"more than {MAX_INTERIM} interim responses")
            return
        exchange.on_interim(head)
        if rest and self.exchange is exchange:
            self._take_head(rest)

    def _take_body(self, data: bytes) -> None:
        body, exchange = self._body, self.exchange
        assert body is not None
        assert exchange is not None
        if body.done:
            self.overran = True
            return
        payload = body.take(data)
        if payload:
            exchange.on_payload(payload)
        if body.broken:
            self._break(body.broken)
        elif body.done:
            self.overran = self.overran or bool(body.rest)
            if self.exchange is exchange:
                exchange.on_complete()

    @property
    def trailers(self) -> tuple[bytes, ...]:
        return self._body.trailers if self._body is not None else ()

    def _break(self, detail: str) -> None:
        self._fail(NODE_BROKE.because(detail))

    def _fail(self, failure: Failure) -> None:
        exchange = self.exchange
        self.overran = True
        if exchange is not None:
            exchange.on_node_failure(failure, Outcome.BROKEN)


def _body_of(head: ResponseHead, method: str) -> Body:
    """RFC 9112 section 6.3, in its order."""
    if method == "HEAD" or head.status in (204, 304) or head.content_length == 0:
        return NoBody()
    if head.chunked:
        return ChunkedBody()
    if head.content_length > 0:
        return LengthBody(head.content_length)
    return UntilClose()
