"""A client's connection in HTTP/1.1: reads heads and bodies one request at a time, writes the responses in order.

The connection is in one of five states, told by what it holds:

    idle          no exchange, nothing in the buffer
    reading head  no exchange, a part of a head in the buffer
    exchanging    an exchange; the request's body may still come (`_body`), pipelined requests wait in the buffer
    tunnel        a WebSocket: bytes pass
    lingering     the last response is written; what the client still sends is thrown away for a moment, because
                  closing at once would reset the connection and take the response with it (RFC 9112 section 9.6)
"""

from __future__ import annotations

import asyncio
import ssl
import struct
from math import inf
from socket import SO_LINGER, SOL_SOCKET
from typing import TYPE_CHECKING, cast

from steer.errors import (
    BODY_TOO_LARGE,
    BUSY,
    HEAD_TOO_LARGE,
    HEAD_TOO_SLOW,
    MALFORMED,
    TARGET_TOO_LONG,
    Failure,
)
from steer.proxy.exchange import Exchange
from steer.proxy.h2_client import H2ClientConnection
from steer.proxy.http import answers
from steer.proxy.http.forwarding import Forwarding
from steer.proxy.http.framing import Body, ChunkedBody, LengthBody
from steer.proxy.http.grammar import EMPTY_LINES, has_bare_line_end
from steer.proxy.http.head import RequestHead, find_loop, read_request
from steer.proxy.http.introduction import Guide
from steer.proxy.pace import Pace
from steer.proxy.proxy_protocol import Endpoints
from steer.proxy.responses import ResponseWriter
from steer.proxy.served import ROOM_AFTER_S, endpoints_of, guide_for, source_of
from steer.proxy.settings import ListenerSettings

if TYPE_CHECKING:
    from steer.proxy.plane import DataPlane
    from steer.proxy.tunnel import Tunnel

MAX_PIPELINED = 64 * 1024
"""Bytes of requests that wait behind the one that is being answered; then reading stops."""
MAX_DISCARDED = 64 * 1024
"""Bytes of a body that nobody wants any more, read for the sake of the connection; more closes it."""
MOST_UNSENT = 64 * 1024
"""Bytes of a response that may wait for its client before the node is not read any more; one read comes on top. This is
asyncio's own limit without TLS; with TLS uvloop's is eight times as much, for each client that takes nothing."""
ANSWERED_AT_ONCE = 4
"""Requests of one read that the edge answers itself in one turn of the loop (unknown hosts, redirects, health checks):
some 200 microseconds. Those that go to a node wait for it anyway, one after the other."""
CHUNKS_AT_ONCE = 256
"""Of a body, in one turn of the loop: a third of a millisecond. Clients that mean well send chunks of kilobytes; a read
full of chunks of one byte has 40,000."""
DRAINING_S = 1.0
"""For the first request of a connection that came while the edge drains: enough for a health check."""
RESET = struct.pack("ii", 1, 0)
"""`struct linger`: closing drops what is not sent yet, and resets the connection."""
LINGER_S = 1.0
"""Long enough for the last bytes in flight, short enough not to gather dead connections."""


class ClientConnection(ResponseWriter, asyncio.Protocol):
    """See the module. Also the `ClientStream` of its exchange."""

    # A dict of so many attributes would be 1.5 KiB for each connection, and slower.
    __slots__ = (
        "_advancing",
        "_body",
        "_body_size",
        "_buffer",
        "_discarded",
        "_eof",
        "_forwarding",
        "_guide",
        "_is_behind",
        "_lingering",
        "_pace",
        "_paused",
        "_tls",
        "address",
        "announced",
        "body_grace",
        "body_is_held",
        "covered",
        "deadline",
        "exchange",
        "tunnel",
        "watched",
        "write_timeout",
    )

    def __init__(self, plane: DataPlane, listener: ListenerSettings, announced: Endpoints | None = None) -> None:
        """`announced` is what a PROXY header said; None: the connection's own addresses count."""
        super().__init__(plane, listener)
        # For the life of the connection.
        self.address = ""
        self.announced = announced
        self._guide: Guide | None = None
        self.deadline = inf
        self.watched = inf
        self.tunnel: Tunnel | None = None
        self.covered = ""
        self.write_timeout = listener.limits.idle
        self.body_grace = listener.limits.body_grace
        self._tls: ssl.SSLObject | None = None
        self._forwarding: Forwarding | None = None
        self._eof = False
        self._lingering = False
        # Of the request that is being read.
        self.exchange: Exchange | None = None
        self.body_is_held = False
        self._buffer = b""
        self._body: Body | None = None
        self._body_size = 0
        self._pace: Pace | None = None
        self._paused = False
        self._advancing = False
        self._is_behind = False
        self._discarded = 0

    # The transport's side...

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are no subclasses
        self.address = self.announced.source if self.announced is not None else source_of(transport)
        self._tls = transport.get_extra_info("ssl_object")
        if self._tls is not None:
            self.transport.set_write_buffer_limits(MOST_UNSENT)
        if self._tls is not None and self._tls.selected_alpn_protocol() == "h2":
            self._hand_over()
            return
        if not self.plane.admit(self, self._tls):
            self._refuse(BUSY.because("this edge has as many connections as it may"))
            return
        self._guide = guide_for(self.listener, self.address, self.plane.via)
        self.set_deadline(DRAINING_S if self.plane.draining else self.listener.limits.head_time)

    @property
    def endpoints(self) -> Endpoints:
        return self.announced or endpoints_of(self.transport)

    def _hand_over(self) -> None:
        """The client has chosen HTTP/2 (RFC 7301): this connection was never one of HTTP/1.1."""
        other = H2ClientConnection(self.plane, self.listener, self.announced)
        self.transport.set_protocol(other)
        other.connection_made(self.transport)

    def data_received(self, data: bytes) -> None:
        if self.tunnel is not None:
            self.tunnel.from_client(data)
        elif self._lingering:
            self._discard(data)
        elif self._body is not None:
            self._take_body(data)
        elif self.exchange is not None or self.is_blocked:
            self._buffer += data
            self._update_reading()
        else:
            self._advance(data)

    def eof_received(self) -> bool:
        """A client may end its side and still wait for its response; not over TLS, whose transports cannot."""
        self._eof = True
        if self.tunnel is not None:
            return self.tunnel.client_ended()
        return self.exchange is not None and self._body is None and self._tls is None

    def connection_lost(self, exc: Exception | None) -> None:
        self._lingering = True
        self.plane.dismiss(self)
        if self.tunnel is not None:
            self.tunnel.client_gone()
        elif self.exchange is not None:
            self.exchange.client_gone()

    def pause_writing(self) -> None:
        self.is_blocked = True
        if self.tunnel is not None:
            self.tunnel.hold_node(True)
        elif self.exchange is not None:
            self.exchange.on_client_blocked(True)

    def resume_writing(self) -> None:
        self.is_blocked = False
        if self.tunnel is not None:
            self.tunnel.hold_node(False)
        elif self.exchange is not None:
            self.exchange.on_client_blocked(False)
        elif self._buffer and self._is_idle:
            self._advance(b"")

    # Deadlines...

    def set_deadline(self, seconds: float) -> None:
        deadline = self.deadline = self.plane.now + seconds
        if deadline < self.watched:
            self.plane.deadlines.watch(self)

    def expire(self, now: float) -> None:
        if self.tunnel is not None:
            self.tunnel.expire()
        elif self._lingering:
            self.transport.abort()
        elif self.exchange is not None:
            self.exchange.on_deadline(now)
        elif self._body is not None:
            self.transport.abort()
        elif self._buffer:
            self._refuse(HEAD_TOO_SLOW.because("the head did not come in time"))
        elif self.transport.get_write_buffer_size():
            self.abort()  # it does not take its response: closing would wait for it for ever
        else:
            self.transport.close()

    # Reading requests...

    def _advance(self, data: bytes) -> None:
        """Read and start what is here, until a request waits for its response or a head is not whole."""
        if self._buffer:
            data = self._buffer + data
        self._advancing = True
        left = ANSWERED_AT_ONCE
        while self._take_head(data) and self._buffer and self._is_idle:
            data = self._buffer
            left -= 1
            if not left:
                self._fall_behind()
                break
        self._advancing = False
        if self._buffer and not self._lingering:
            if self._body is not None:
                data, self._buffer = self._buffer, b""
                self._take_body(data)
            self._update_reading()

    def _fall_behind(self) -> None:
        """Others have their turn before what is left of this read."""
        if not self._is_behind:
            self._is_behind = True
            self._update_reading()
            asyncio.get_running_loop().call_soon(self._catch_up)

    def _catch_up(self) -> None:
        self._is_behind = False
        if self._lingering:
            return
        if self._body is not None:
            self._take_body(b"")
        elif self._buffer and self._is_idle:
            self._advance(b"")
        self._update_reading()

    @property
    def _is_idle(self) -> bool:
        return self.exchange is None and self._body is None and not (self._lingering or self.is_blocked)

    def _take_head(self, data: bytes) -> bool:
        """Start the request whose head begins the data, keep the rest; False if the head is not whole yet."""
        if data[:2] == b"\r\n":
            data = EMPTY_LINES.sub(b"", data)
        limits = self.listener.limits
        end = data.find(b"\r\n\r\n", 0, limits.head + 4)
        if end < 0:
            self._buffer = data
            self._wait_for_head(data)
            return False
        self._buffer = data[end + 4 :]
        head = read_request(data[:end], limits.fields, self.listener.allow_underscores)
        if isinstance(head, Failure):
            self._refuse(head)
            return False
        self._start(head)
        return True

    def _wait_for_head(self, data: bytes) -> None:
        limit = self.listener.limits.head
        if len(data) >= limit + 4:
            too_long = TARGET_TOO_LONG if b"\r\n" not in data[:limit] else HEAD_TOO_LARGE
            self._refuse(too_long.because(f"more than {limit} bytes"))
        elif has_bare_line_end(data):
            self._refuse(MALFORMED.because("a line ends with CR or LF alone"))
        elif self._eof:
            self.transport.close()
        elif self.deadline > self.plane.now + self.listener.limits.head_time:
            self.set_deadline(self.listener.limits.head_time)

    def _start(self, head: RequestHead) -> None:
        plane = self.plane
        if head.target == plane.health_path and head.method in ("GET", "HEAD") and not head.has_body:
            self.answer_health(head)
            self._after_response(body_unread=False)
            return
        exchange = self.exchange = Exchange(plane, self, head, plane.new_id())
        if head.plain and not (self.listener.redirect_port or plane.admission.sheds):
            exchange.start()
        else:
            self._start_special(exchange, head)

    def _start_special(self, exchange: Exchange, head: RequestHead) -> None:
        """The request has a body, or something that decides before steering does."""
        plane, limits = self.plane, self.listener.limits
        if head.has_body:
            self._discarded = 0
            self._body = ChunkedBody(CHUNKS_AT_ONCE) if head.chunked else LengthBody(head.content_length)
            self._body_size = 0
            self._pace = Pace(plane.now, limits.body_rate, limits.body_grace)
        if head.told and self._guide is not None:
            exchange.introduce(self._guide)
        if plane.admission.sheds:
            plane.admission.refused("request")
            exchange.answer(BUSY.because("this edge has more to do than it can"))
        elif not head.host:
            exchange.answer(MALFORMED.because("there is no Host"))
        elif limits.body and head.content_length > limits.body:
            exchange.answer(BODY_TOO_LARGE.because(f"more than {limits.body} bytes"))
        elif head.via and (loop := find_loop(head, plane.via)) is not None:
            exchange.answer(loop)
        elif self.listener.redirect_port:
            self.redirect(exchange, head)
        elif head.max_forwards == 0 and head.method == "OPTIONS":
            self.answer_options(exchange)
        else:
            exchange.start()

    def _take_body(self, data: bytes) -> None:
        body, exchange = self._body, self.exchange
        assert body is not None
        payload = body.take(data)
        if body.more:
            self._fall_behind()
        if body.done:
            self._body = None
            self._buffer = body.rest
        if exchange is None:
            self._discard_body(len(data), body)
            return
        if body.broken:
            exchange.reject(MALFORMED.because(body.broken))
            return
        self._body_size += len(payload)
        if self._pace is not None:
            self._pace.count(len(payload))
        limit = self.listener.limits.body
        if limit and self._body_size > limit:
            exchange.reject(BODY_TOO_LARGE.because(f"more than {limit} bytes"))
        elif payload or body.done:
            exchange.request_payload(payload, body.trailers if body.done else None)

    def _discard_body(self, size: int, body: Body) -> None:
        """The response is out, and the rest of the body only stands between us and the next request."""
        self._discarded += size
        if body.broken or self._discarded > MAX_DISCARDED:
            self._linger()
            self._stop_reading()
        elif body.done:
            self._advance(b"")

    # What of the request the exchange steers...

    def hold_body(self, held: bool) -> None:
        if held == self.body_is_held:
            return
        self.body_is_held = held
        if self._pace is not None:
            (self._pace.hold if held else self._pace.go_on)(self.plane.now)
        self._update_reading()

    def body_patience(self, now: float) -> float:
        return self._pace.patience(now) if self._pace is not None else self.body_grace

    def restart_pace(self) -> None:
        limits = self.listener.limits
        self._pace = Pace(self.plane.now, limits.body_rate, limits.body_grace)

    def _update_reading(self) -> None:
        pause = (
            self._is_behind
            or (self.body_is_held and self._body is not None)
            or (len(self._buffer) > MAX_PIPELINED and (self.exchange is not None or self.is_blocked))
        )
        if pause == self._paused or self.transport.is_closing():
            return
        self._paused = pause
        if pause:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def covers(self, host: str) -> bool:
        if self._tls is None:
            self.covered = host
            return True
        assert self.listener.tls is not None
        if not self.listener.tls.covers(self._tls, host):
            return False
        self.covered = host
        return True

    def forwarding(self, head: RequestHead) -> bytes:
        if self._forwarding is None:
            self._forwarding = Forwarding(self.address, self.listener.scheme, self.plane.via)
        return self._forwarding.lines(head.authority, head.http10)

    def _refuse(self, failure: Failure) -> None:
        """No exchange: the head itself is wrong, late or too much."""
        request_id = self.plane.new_id()
        kind, body = answers.failure_body(failure, b"", request_id)
        fields = {**answers.failure_fields(failure), "Content-Type": kind}
        self.transport.write(answers.answer(failure.status, fields, body, request_id=request_id, close=True))
        self.plane.log_refusal(self.address, failure, request_id)
        self._buffer = b""
        self._linger()

    def may_keep(self, exchange: Exchange) -> bool:
        head = exchange.head
        if not head.keep_alive or self.plane.draining or (self._eof and not self._buffer):
            return False
        if self._body is None:
            return True
        left = head.content_length - self._body_size
        return not head.chunked and not head.expects_continue and left <= MAX_DISCARDED

    def take_buffer(self) -> bytes:
        """What came behind the upgrade's head, for the tunnel."""
        data, self._buffer = self._buffer, b""
        return data

    def abort(self) -> None:
        """A reset is the only thing that no client takes for the end of a response."""
        self.keeps = False
        self._lingering = True
        if not self.transport.is_closing():
            self.transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, RESET)
        self.transport.abort()

    # After a response...

    def exchange_settled(self) -> None:
        self.exchange = None
        self.body_is_held = False
        self._after_response(self._body is not None)

    def _after_response(self, body_unread: bool) -> None:
        if self._lingering:
            return
        if not self.keeps or (self._eof and not self._buffer):
            if body_unread or self._buffer:
                self._linger()
            else:
                self._lingering = True
                self.transport.close()
            return
        self.set_deadline(self.write_timeout)
        if self._paused:
            self._update_reading()
        if self._buffer and not (self._advancing or self.is_blocked):
            self._advance(b"")

    def _linger(self) -> None:
        self._lingering = True
        self._discarded = 0
        self._body = None
        self._buffer = b""
        if self.transport.can_write_eof():
            self.transport.write_eof()
        if self._paused:
            self._paused = False
            self.transport.resume_reading()
        self.set_deadline(LINGER_S)

    def _discard(self, data: bytes) -> None:
        self._discarded += len(data)
        if self._discarded > MAX_DISCARDED:
            self._stop_reading()

    def _stop_reading(self) -> None:
        """It may wait for its end. Closing would read on meanwhile, over TLS for the sake of the client's goodbye."""
        if not self._paused and not self.transport.is_closing():
            self._paused = True
            self.transport.pause_reading()

    def make_room(self, now: float) -> bool:
        if self._lingering or not self._is_idle or self.tunnel is not None:
            return False
        is_fresh = self._forwarding is None or bool(self._buffer)
        patience = self.listener.limits.head_time if is_fresh else self.write_timeout
        if self.deadline - now > patience - ROOM_AFTER_S:
            return False
        self.abort()
        return True

    def drain(self) -> None:
        """No further request: an idle connection ends now, a busy one after its response.

        One that has forwarded nothing yet may have come a moment ago, with its request on the way.
        """
        if self.exchange is not None or self.tunnel is not None or self._buffer:
            self.keeps = False
        elif self._forwarding is None:
            self.set_deadline(DRAINING_S)
        else:
            self.transport.close()
