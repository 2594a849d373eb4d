"""One request on an HTTP/2 connection, and the response to it: the `ClientStream` of its exchange.

Both directions are bounded by what the other side takes:

    request    the node does not take it -> `hold_body` -> no credit is given back -> the client's window runs dry
    response   the client's window is empty, or its socket full -> `_waiting` fills -> `on_client_blocked` -> the
               node is not read until there is room again

A stream is over when its exchange is settled and its response is out, or when either side has reset it.
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING

from steer.errors import BODY_TOO_LARGE, MALFORMED, NODE_BROKE, Failure
from steer.proxy.appetite import TINY, Appetite
from steer.proxy.exchange import Exchange
from steer.proxy.h2_answers import answer_fields, health, is_health_check, refusal, start
from steer.proxy.http import answers, h2
from steer.proxy.http.h2 import Field
from steer.proxy.http.h2_budgets import CANCELS, OTHERS, WINDOWS
from steer.proxy.http.h2_frames import MAX_FRAME
from steer.proxy.http.h2_session import CANCEL, INTERNAL_ERROR, NO_ERROR
from steer.proxy.http.head import RequestHead, ResponseHead
from steer.proxy.http.reply import date_line
from steer.proxy.pace import Pace
from steer.proxy.proxy_protocol import Endpoints
from steer.proxy.responses import accept_of
from steer.proxy.settings import ListenerSettings
from steer.proxy.tunnel import Tunnel

if TYPE_CHECKING:
    from steer.proxy.h2_client import H2ClientConnection

MOST_WAITING = 64 * 1024
"""Bytes of a response that wait for the client before its node is no longer read: asyncio's own high-water mark. One
read of a node (up to 256 KiB) may come on top."""
FEW_WAITING = 16 * 1024
"""When reading the node goes on."""
PLENTY = 512 * 1024
"""Bytes that wait on all streams of a connection: from here on each of them may have `FEW_WAITING` only, and a small
read on top. A hundred large responses that nobody takes, asked for at once, are then 4 MiB."""
WORTHWHILE = 1024
"""Bytes of DATA that count as progress. A client that opens its window by less makes no deadline later."""


class StreamAppetite(Appetite):
    """Tiny for as long as plenty waits on all streams of the connection."""

    __slots__ = ("_alone", "_connection")

    def __init__(self, connection: H2ClientConnection) -> None:
        self._connection = connection
        super().__init__()

    @property
    def room(self) -> memoryview:
        return self._alone if self._connection.waiting <= PLENTY else TINY

    @room.setter
    def room(self, alone: memoryview) -> None:
        self._alone = alone


class H2Stream:
    """See the module. Also `Expiring`, and the client's end of a tunnel."""

    def __init__(self, connection: H2ClientConnection, number: int) -> None:
        limits = connection.listener.limits
        # For the life of the stream.
        self.connection = connection
        self.number = number
        self.address = connection.address
        self.write_timeout = limits.idle
        self.body_grace = limits.body_grace + (MAX_FRAME / limits.body_rate if limits.body_rate else 0)
        self.deadline = inf
        self.watched = inf
        self.exchange: Exchange | None = None
        self.tunnel: Tunnel | None = None
        self.is_over = False
        # Of the request's body.
        self.body_is_held = False
        self._expected = 0  # bytes; -1 until it ends
        self._received = 0
        self._arrived: list[bytes] = []
        self._credit = 0
        self._trailers: tuple[bytes, ...] | None = None
        self._request_ended = False
        self._pace: Pace | None = None
        # Of the response.
        self.appetite: Appetite = StreamAppetite(connection)
        self.is_blocked = False
        self.finished_response = False
        self.is_queued = False
        self.waiting = 0
        self._waiting: deque[bytes] = deque()
        self._at = 0
        self._last_fields: list[Field] = []
        self._end_sent = False
        self._mute = False
        self._is_from_node = False

    def __repr__(self) -> str:
        return f"<H2Stream {self.number} [{self.waiting} bytes wait]>"

    # The request...

    def begin(self, head: RequestHead, ended: bool) -> None:
        """Its head is valid. What comes of the body counts when its frame is whole, so its pace has a frame's grace."""
        plane, limits = self.connection.plane, self.connection.listener.limits
        self._request_ended = ended
        if head.has_body or head.websocket_key:
            self._expected = head.content_length
            self._pace = Pace(plane.now, limits.body_rate, self.body_grace)
        if is_health_check(head, plane.health_path):
            self._answer_health(head)
            return
        self.exchange = Exchange(plane, self, head, plane.new_id())
        start(self.exchange, self)

    def refuse(self, failure: Failure, ended: bool) -> None:
        """Its head is not."""
        self._request_ended = ended
        plane = self.connection.plane
        request_id = plane.new_id()
        status, fields, body = refusal(failure, request_id)
        plane.log_refusal(self.address, failure, request_id)
        self._send_answer(status, fields, body, request_id)
        self._try_to_end()

    def take_body(self, payload: bytes, size: int, ended: bool) -> None:
        """A piece has come. It is kept until `deliver`, so that the node gets many small pieces at once."""
        self._credit += size
        self._received += len(payload)
        self._request_ended = ended
        if self.exchange is None:
            return
        if self._lies(ended):
            self._reject(MALFORMED.because("the body is not as long as Content-Length says"))
        elif self._is_too_large():
            self._reject(BODY_TOO_LARGE.because(f"more than {self.connection.listener.limits.body} bytes"))
        else:
            if self._pace is not None:
                self._pace.count(len(payload))
            if payload:
                self._arrived.append(payload)
            if self._is_whole:
                self._trailers = ()

    def _lies(self, ended: bool) -> bool:
        expected = self._expected
        return expected >= 0 and (self._received > expected or (ended and self._received < expected))

    def _is_too_large(self) -> bool:
        limit = self.connection.listener.limits.body
        return bool(limit) and self._received > limit and self.tunnel is None

    @property
    def _is_whole(self) -> bool:
        """A body whose length is known needs no END_STREAM: the node may have it as soon as it is there."""
        return self._request_ended if self._expected < 0 else self._received == self._expected > 0

    def take_trailers(self, fields: list[Field]) -> None:
        self._request_ended = True
        trailers = h2.read_trailers(fields)
        if self.exchange is None:
            return
        if isinstance(trailers, Failure):
            self._reject(trailers)
        elif self._lies(ended=True):
            self._reject(MALFORMED.because("the body is not as long as Content-Length says"))
        elif self._expected < 0:
            self._trailers = trailers

    def deliver(self) -> None:
        """Hand on what has come, unless the node does not take it; only then the client gets its credit back."""
        exchange, trailers = self.exchange, self._trailers
        if exchange is None:
            self._give_credit()
        elif self.body_is_held or not (self._arrived or trailers is not None):
            return
        elif not (exchange.wants_websocket and self.tunnel is None):
            payload = self._arrived[0] if len(self._arrived) == 1 else b"".join(self._arrived)
            self._arrived.clear()
            self._trailers = None
            self._give_credit()
            if self.tunnel is None:
                exchange.request_payload(payload, trailers)
            else:
                _pass_to_tunnel(self.tunnel, payload, ended=trailers is not None)

    def _give_credit(self) -> None:
        size, self._credit = self._credit, 0
        self.connection.session.consume(self.number, size)
        self.connection.want_flush()

    def _reject(self, failure: Failure) -> None:
        """The client broke a rule when its request had begun: nodes must not be made to pay for many of those."""
        self._arrived.clear()
        self.connection.session.spend(CANCELS)
        if self.exchange is not None:
            self.exchange.reject(failure)

    # What of the request the exchange steers...

    def hold_body(self, held: bool) -> None:
        if held == self.body_is_held:
            return
        self.body_is_held = held
        if self._pace is not None:
            (self._pace.hold if held else self._pace.go_on)(self.connection.plane.now)
        if not held:
            self.connection.want_delivery(self)

    def body_patience(self, now: float) -> float:
        return self._pace.patience(now) if self._pace is not None else self.body_grace

    def restart_pace(self) -> None:
        self._pace = Pace(self.connection.plane.now, self.connection.listener.limits.body_rate, self.body_grace)

    @property
    def covered(self) -> str:
        return self.connection.covered

    def covers(self, host: str) -> bool:
        return self.connection.covers(host)

    @property
    def endpoints(self) -> Endpoints:
        return self.connection.endpoints

    def forwarding(self, head: RequestHead) -> bytes:
        return self.connection.forwarding.lines(head.authority, head.http10)

    # A node's response...

    def send_interim(self, exchange: Exchange, head: ResponseHead) -> None:
        self.connection.session.send_head(self.number, h2.response_fields(head), end=False)
        self.connection.want_flush()

    def start_response(self, exchange: Exchange, head: ResponseHead, payload: bytes, complete: bool) -> None:
        if exchange.wants_websocket and 200 <= head.status < 300:
            self._refuse_tunnel(exchange)
            return
        self._is_from_node = True
        ends = complete and not payload and not exchange.trailers
        self._send_head(h2.response_fields(head, self._extra(exchange, head)), ends)
        self._add(payload)
        if complete:
            self._add_end(exchange.trailers)

    def _extra(self, exchange: Exchange, head: ResponseHead) -> bytes:
        plane = self.connection.plane
        extra = b"via: 1.1 %b\r\nx-request-id: %b\r\n" % (plane.via, exchange.request_id)
        if not head.has_date:
            extra += date_line()
        if plane.reveal or exchange.entry.pinned is not None:
            extra += plane.revealing(exchange)
        return extra

    def _refuse_tunnel(self, exchange: Exchange) -> None:
        """A node answers 200 to a handshake, which as the answer to a CONNECT would mean that the tunnel stands."""
        failure = NODE_BROKE.because("the node did not change to WebSocket")
        exchange.status, exchange.error = failure.status, failure.name
        status, fields, body = refusal(failure, exchange.request_id)
        self._send_answer(status, fields, body, exchange.request_id)
        self._mute = True

    def send_payload(self, payload: bytes) -> None:
        self._add(payload)

    def finish_response(self, exchange: Exchange) -> None:
        self._add_end(exchange.trailers)

    def close_after_response(self) -> None:
        """The node sent more than it had announced: what the client has is not whole, and it must not think so."""
        if not self._end_sent:
            self.reset(INTERNAL_ERROR)

    def _send_head(self, fields: list[Field], ends: bool) -> None:
        self._end_sent = ends
        self.connection.session.send_head(self.number, fields, ends)
        self.connection.want_flush()

    def _add(self, payload: bytes) -> None:
        if not payload or self._mute or self.is_over:
            return
        self._waiting.append(payload)
        self.waiting += len(payload)
        self.connection.queue(self, len(payload))
        most = MOST_WAITING if self.connection.waiting <= PLENTY else FEW_WAITING
        if self.waiting > most and not self.is_blocked:
            self._block(True)

    def _add_end(self, trailers: tuple[bytes, ...] = ()) -> None:
        self.finished_response = True
        if not (self._end_sent or self.is_over or self._mute):
            self._last_fields = h2.lines_to_fields(trailers)
            self.connection.queue(self, 0)

    def end_tunnel(self) -> None:
        """The node has said its last."""
        self._add_end()

    def _block(self, blocked: bool) -> None:
        self.is_blocked = blocked
        if self.tunnel is not None:
            self.tunnel.hold_node(blocked)
        elif self.exchange is not None:
            self.exchange.on_client_blocked(blocked)

    # ...to its client, as far as the window allows

    def pump(self) -> int:
        """Send one frame; returns the bytes in it, -1 when nothing can go out now."""
        if self.is_over or self._end_sent:
            return -1
        size = min(self.connection.session.window(self.number), self.waiting)
        if size > 0:
            size = self._send_data(size)
        elif self.waiting or not self.finished_response:
            return -1
        if self.finished_response and not self.waiting:
            self._finish()
        return max(size, 0)

    def _send_data(self, most: int) -> int:
        data = self._take(most)
        self._end_sent = self.finished_response and not self.waiting and not self._last_fields
        self.connection.session.send_data(self.number, data, self._end_sent)
        if len(data) >= WORTHWHILE or self._end_sent:
            self.connection.session.earn(WINDOWS)
            self._be_patient()
        if self.is_blocked and self.waiting <= FEW_WAITING:
            self._block(False)
        return len(data)

    def _finish(self) -> None:
        session = self.connection.session
        if self._last_fields:
            session.send_head(self.number, self._last_fields, end=True)
        elif not self._end_sent:
            session.send_data(self.number, b"", end=True)
        self._end_sent = True
        self._try_to_end()

    def _take(self, size: int) -> bytes | memoryview:
        """The next bytes, of one piece: at most `size` of them."""
        piece, at = self._waiting[0], self._at
        if len(piece) - at <= size:
            self._waiting.popleft()
            self._at = 0
            data: bytes | memoryview = memoryview(piece)[at:] if at else piece
        else:
            self._at = at + size
            data = memoryview(piece)[at : at + size]
        self.waiting -= len(data)
        self.connection.waiting -= len(data)
        return data

    def _be_patient(self) -> None:
        """The client takes its response, if slowly."""
        if self.exchange is None:
            self.set_deadline(self.write_timeout)
        elif self.is_blocked and self.tunnel is None:
            self.exchange.on_client_blocked(True)

    # The edge's own answers...

    def answer(self, exchange: Exchange, failure: Failure, page: bytes) -> int:
        fields = answers.failure_fields(failure)
        if page:
            kind, body = "text/html; charset=utf-8", page
        else:
            kind, body = answers.failure_body(failure, accept_of(exchange.head), exchange.request_id)
        fields["Content-Type"] = kind
        self._send_answer(failure.status, fields, b"" if exchange.method == "HEAD" else body, exchange.request_id, body)
        return len(body)

    def answer_options(self, exchange: Exchange) -> None:
        """Max-Forwards has run out: the answer is the edge's (RFC 9110 section 7.6.2)."""
        self._send_answer(200, {"Allow": answers.ALLOW}, b"", exchange.request_id)
        exchange.answered(200)

    def _answer_health(self, head: RequestHead) -> None:
        plane = self.connection.plane
        status, fields, body = health(plane.draining and not plane.handed_over)
        self._send_answer(status, fields, b"" if head.method == "HEAD" else body, plane.new_id(), body)
        self._try_to_end()

    def _send_answer(
        self, status: int, fields: dict[str, str], body: bytes, request_id: bytes, whole: bytes | None = None
    ) -> None:
        """`whole` is the body that Content-Length speaks of, where it is not the one that is sent."""
        length = len(body if whole is None else whole)
        self._send_head(answer_fields(status, fields, length, request_id), ends=not body)
        self._add(body)
        self._add_end()

    # A WebSocket (RFC 8441)...

    def accept_upgrade(self, exchange: Exchange, head: ResponseHead) -> None:
        """The node's 101 becomes a 200, which opens the tunnel."""
        head.status = 200
        self._send_head(h2.response_fields(head, self._extra(exchange, head)), ends=False)
        self.connection.want_delivery(self)

    def take_buffer(self) -> bytes:
        """What came behind the CONNECT, for the tunnel."""
        data = b"".join(self._arrived)
        self._arrived.clear()
        self._give_credit()
        return data

    @property
    def transport(self) -> StreamPipe:
        return StreamPipe(self)

    @property
    def listener(self) -> ListenerSettings:
        return self.connection.listener

    # Its end...

    def set_deadline(self, seconds: float) -> None:
        deadline = self.deadline = self.connection.plane.now + seconds
        if deadline < self.watched:
            self.connection.plane.deadlines.watch(self)

    def expire(self, now: float) -> None:
        if self.tunnel is not None:
            self.tunnel.expire()
        elif self.exchange is not None:
            self.exchange.on_deadline(now)
        else:
            self.reset(CANCEL)

    def abort(self) -> None:
        """Break the response off, so that the client cannot take it for whole."""
        if not self._end_sent:
            self.reset(INTERNAL_ERROR)

    def exchange_settled(self) -> None:
        self.exchange = None
        self.tunnel = None
        self._arrived.clear()
        self._give_credit()
        if not self._try_to_end():
            self.set_deadline(self.write_timeout)

    def _try_to_end(self) -> bool:
        """Over when nothing is left to do; a client that still sends its request need not go on (RFC 9113, 8.1)."""
        if self.is_over:
            return True
        if self.exchange is not None or not self._end_sent:
            return False
        session = self.connection.session
        if not self._request_ended:
            session.reset(self.number, NO_ERROR)
        if self._is_from_node:
            session.earn(CANCELS)
            session.earn(OTHERS)
        self._forget()
        return True

    def reset(self, code: int) -> None:
        """End it for the client, at once."""
        if not self.is_over:
            self.connection.session.reset(self.number, code)
            self.connection.want_flush()
            self._forget()

    def leave(self) -> None:
        """The client has gone, or has reset it."""
        exchange, tunnel = self.exchange, self.tunnel
        self._forget()
        if tunnel is not None:
            tunnel.client_gone()
        elif exchange is not None:
            exchange.client_gone()

    def _forget(self) -> None:
        if self.is_over:
            return
        self.is_over = True
        self._give_credit()
        self._arrived.clear()
        self._waiting.clear()
        self.connection.waiting -= self.waiting
        self.waiting = 0
        self.connection.plane.deadlines.forget(self)
        self.connection.forget(self)


class StreamPipe:
    """A stream as a tunnel's client: as much of a transport as a tunnel needs."""

    __slots__ = ("_stream",)

    def __init__(self, stream: H2Stream) -> None:
        self._stream = stream

    def write(self, data: bytes) -> None:
        self._stream.send_payload(data)

    def pause_reading(self) -> None:
        self._stream.hold_body(True)

    def resume_reading(self) -> None:
        self._stream.hold_body(False)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self._stream.end_tunnel()

    def close(self) -> None:
        """Both sides are over; what waits for the client still goes out."""
        stream = self._stream
        stream.end_tunnel()
        if stream.tunnel is not None:
            stream.tunnel.client_gone()


def _pass_to_tunnel(tunnel: Tunnel, payload: bytes, ended: bool) -> None:
    if payload:
        tunnel.from_client(payload)
    if ended:
        tunnel.client_ended()
