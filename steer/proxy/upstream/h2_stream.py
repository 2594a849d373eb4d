"""One request on an HTTP/2 connection to a node: to its exchange, a connection like any other."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, cast

from h2.errors import ErrorCodes

from steer.errors import NODE_BROKE, NODE_RESET, NODE_UNTOUCHED, Failure
from steer.proxy.appetite import Appetite
from steer.proxy.http import h2
from steer.proxy.http.framing import WHOLE, Body, ChunkedBody, LengthBody
from steer.proxy.http.h2 import Field
from steer.proxy.http.head import ResponseHead
from steer.proxy.upstream.connection import MAX_INTERIM, NodeListener, UpstreamConnection
from steer.steering.model import Outcome

if TYPE_CHECKING:
    from steer.proxy.upstream.h2 import H2NodeConnection

MOST_WAITING = 64 * 1024
"""Bytes of a request's body that wait for the node before the client is held: asyncio's own high-water mark."""
FEW_WAITING = 16 * 1024
"""When the client may go on."""


class NodeStream(UpstreamConnection):
    """Used once: `release` ends it, and the connection goes on with the others."""

    both_ways = True

    def __init__(self, link: H2NodeConnection) -> None:
        super().__init__(link.pool)
        self.link = link
        self.number = 0
        self.served = link.served + 1
        self.transport = cast("asyncio.Transport", BodyPipe(self))
        # Of the request.
        self.is_queued = False
        self._framing: Body = WHOLE
        self._waiting: deque[bytes | memoryview] = deque()
        self._size = 0
        self._is_blocked = False
        self._last_fields: list[Field] = []
        self._request_is_whole = False
        self._request_sent = False
        # Of the response.
        self._expected = -1
        self._received = 0
        self._credit = 0
        self._complete = False
        self._told_trailers: tuple[bytes, ...] = ()

    # The exchange's side...

    def begin(self, exchange: NodeListener, data: bytes, appetite: Appetite) -> None:
        self.exchange = exchange
        block, _, rest = data.partition(b"\r\n\r\n")
        fields, length = h2.request_fields(block)
        if length is None:
            self._framing = ChunkedBody()
        elif length:
            self._framing = LengthBody(length)
        self._request_sent = self._request_is_whole = self._framing.done
        self.number = self.link.open(self, fields, end=self._request_sent)
        if rest:
            self.send(rest)

    def send(self, data: bytes) -> None:
        """A piece of the body, framed as in HTTP/1.1."""
        payload = self._framing.take(data)
        if payload:
            self._waiting.append(payload)
            self._size += len(payload)
        if self._framing.done:
            self._request_is_whole = True
            self._last_fields = h2.lines_to_fields(self._framing.trailers)
        self.link.queue(self)
        if self._size > MOST_WAITING and not self._is_blocked:
            self._block(True)

    @property
    def heard_nothing(self) -> bool:
        return self._head is None and not self._interim

    @property
    def trailers(self) -> tuple[bytes, ...]:
        return self._told_trailers

    def hold(self, held: bool) -> None:
        """The client takes no more for now: the node gets no credit for what it sends meanwhile."""
        self._held = held
        if not held:
            self._give_credit()

    def release(self, reusable: bool = True) -> None:
        self.exchange = None
        self._give_credit()
        self._waiting.clear()
        self._size = 0
        self.link.forget(self, is_over=self._complete and self._request_sent)

    def close(self) -> None:
        self.release(reusable=False)

    # The node's side...

    def on_interim(self, fields: list[Field]) -> None:
        exchange = self.exchange
        head = h2.read_response_fields(fields)
        self._interim += 1
        if isinstance(head, Failure):
            self.fail(head, Outcome.BROKEN)
        elif head.status == 101 or self._interim > MAX_INTERIM:
            self.fail(NODE_BROKE.because("101, or more interim responses than one waits for"), Outcome.BROKEN)
        elif exchange is not None:
            exchange.on_interim(head)

    def on_head(self, fields: list[Field], ended: bool) -> None:
        exchange = self.exchange
        head = h2.read_response_fields(fields)
        if isinstance(head, Failure):
            self.fail(head, Outcome.BROKEN)
        elif exchange is not None:
            self._head = head
            self._expected = head.content_length if _may_have_body(exchange, head) else -1
            if ended and self._is_short:
                self.fail(NODE_BROKE.because("the body is shorter than Content-Length says"), Outcome.BROKEN)
                return
            self._complete = ended
            exchange.on_response(head, b"", ended)

    @property
    def _is_short(self) -> bool:
        return self._received < self._expected

    def on_data(self, payload: bytes, size: int, ended: bool) -> None:
        exchange = self.exchange
        self._credit += size
        self._received += len(payload)
        if exchange is None or 0 <= self._expected < self._received or (ended and self._is_short):
            self.fail(NODE_BROKE.because("the body is not as long as Content-Length says"), Outcome.BROKEN)
            return
        if not self._held:
            self._give_credit()
        if payload:
            exchange.on_payload(payload)
        if ended:
            self._end()

    def on_trailers(self, fields: list[Field]) -> None:
        trailers = h2.read_trailers(fields, of_grpc=self._head is not None and h2.is_grpc(self._head))
        if isinstance(trailers, Failure) or self._is_short:
            self.fail(NODE_BROKE.because("the trailers break the grammar, or the body is too short"), Outcome.BROKEN)
            return
        self._told_trailers = trailers
        self._end()

    def _end(self) -> None:
        self._complete = True
        if self.exchange is not None:
            self.exchange.on_complete()

    def on_reset(self, code: int) -> None:
        """REFUSED_STREAM means that nothing was done with the request (RFC 9113 section 8.7)."""
        failure = NODE_UNTOUCHED if code == ErrorCodes.REFUSED_STREAM else NODE_RESET
        self.fail(failure.because(f"the node reset the stream (HTTP/2 error {int(code)})"), Outcome.RESET)

    def fail(self, failure: Failure, outcome: Outcome) -> None:
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.on_node_failure(failure, outcome)
        self.release()

    def _give_credit(self) -> None:
        size, self._credit = self._credit, 0
        self.link.consume(self.number, size)

    # Sending the body, as far as the window allows...

    @property
    def wants_to_send(self) -> bool:
        return not self._request_sent and (self._size > 0 or self._request_is_whole)

    def pump(self) -> int:
        """Send one frame; returns the bytes in it, -1 when nothing can go out now."""
        if self.exchange is None or not self.wants_to_send:
            return -1
        size = min(self.link.window(self.number), self._size)
        if size <= 0 and self._size:
            return -1
        data = self._take(size) if self._size else b""
        is_last = self._request_is_whole and not self._size
        if data or not self._last_fields:
            self.link.send_data(self.number, data, end=is_last and not self._last_fields)
        if is_last and self._last_fields:
            self.link.send_trailers(self.number, self._last_fields)
        self._request_sent = is_last
        if self._is_blocked and self._size <= FEW_WAITING:
            self._block(False)
        return len(data)

    def _take(self, size: int) -> bytes | memoryview:
        """The next bytes, of one piece: at most `size` of them."""
        piece = self._waiting.popleft()
        if len(piece) > size:
            view = memoryview(piece)
            self._waiting.appendleft(view[size:])
            piece = view[:size]
        self._size -= len(piece)
        return piece

    def _block(self, blocked: bool) -> None:
        self._is_blocked = blocked
        if self.exchange is not None:
            self.exchange.on_node_blocked(blocked)


class BodyPipe:
    """A stream as the transport that an exchange writes its request's body to."""

    __slots__ = ("_stream",)

    def __init__(self, stream: NodeStream) -> None:
        self._stream = stream

    def write(self, data: bytes) -> None:
        self._stream.send(data)

    def is_closing(self) -> bool:
        return self._stream.link.transport.is_closing()


def _may_have_body(exchange: NodeListener, head: ResponseHead) -> bool:
    return exchange.method != "HEAD" and head.status not in (204, 304)
