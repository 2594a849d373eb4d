"""A client's connection in HTTP/2: many requests at once, each an `H2Stream` with an exchange of its own.

Reading: bytes go into the session frame by frame, some dozens in one turn of the loop, so that no client keeps the
others waiting. Bodies are handed on when all of a read has been looked at. Writing: whoever has something to say asks
for a flush; it comes once in a turn of the loop, lets the streams send frame by frame in turns, and ends in one write.

The end is GOAWAY in two steps (RFC 9113 section 6.8): the first says that there will be an end, the second, when the
client must have heard of it, after which stream. What was begun is finished.
"""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
from collections import deque
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, cast

from steer.errors import BUSY, HEAD_TOO_SLOW, MALFORMED, Failure
from steer.proxy.h2_stream import H2Stream
from steer.proxy.http import h2
from steer.proxy.http.forwarding import Forwarding
from steer.proxy.http.h2 import Field, HeadLimits
from steer.proxy.http.h2_budgets import CANCELS, EMPTY, FLOOD
from steer.proxy.http.h2_session import ENHANCE_YOUR_CALM, EVERYTHING, REFUSED_STREAM, Session
from steer.proxy.http.introduction import Guide
from steer.proxy.proxy_protocol import Endpoints
from steer.proxy.served import ROOM_AFTER_S, endpoints_of, guide_for, reset, source_of
from steer.proxy.settings import ListenerSettings

if TYPE_CHECKING:
    from steer.proxy.plane import DataPlane

FRAMES = 16
"""Taken in one turn of the loop: about a millisecond, or 256 KiB; then others have theirs."""
SMALL = 4096
"""Bytes in so many frames. A client that is ahead of us with less waits `PAUSE` times as long as they took, and longer
when others do the same: a storm of small DATA, which no budget forbids, gets a quarter of the processor in all."""
PAUSE = 3
BYTES = 256 * 1024
"""Sent in one turn of the loop: what one read of a node brings."""
MOST_WAITING = 1024 * 1024
"""Bytes of responses that a client has asked for and does not take. With more, new requests are refused, which says
that nothing was done and that they may be sent again; beyond it a client without windows would fill the memory."""
GOODBYE_S = 1.0
"""Between the two steps of the end, where the client does not answer the PING that goes along with the first."""
LINGER_S = 1.0
"""Long enough for the GOAWAY in flight, which closing at once would reset."""
MAX_DISCARDED = 64 * 1024
"""Bytes read and thrown away meanwhile; then the client may wait for its end."""


class H2ClientConnection(asyncio.Protocol):
    """See the module. Also `Served` and the `SessionListener` of its session."""

    def __init__(self, plane: DataPlane, listener: ListenerSettings, announced: Endpoints | None = None) -> None:
        limits = listener.limits
        # For the life of the connection.
        self.plane = plane
        self.listener = listener
        self.session = Session(self, limits.streams, limits.head, plane.now)
        self.address = ""
        self._announced = announced
        self.guide: Guide | None = None
        self.covered = ""
        self.deadline = inf
        self.watched = inf
        self._patience = inf
        self._tls: ssl.SSLObject | None = None
        self._scheme = listener.scheme.encode()
        self._head_limits = HeadLimits(limits.head, limits.fields, listener.allow_underscores)
        self._lingering = False
        self._is_draining = False
        self._is_refusing = False
        # Of what is under way.
        self.streams: dict[int, H2Stream] = {}
        self.waiting = 0
        self._ready: deque[H2Stream] = deque()
        self._deliveries: list[H2Stream] = []
        self._is_paused = False
        self._flush_is_due = False
        self._is_behind = False
        self._has_part = False
        self._discarded = 0

    def __repr__(self) -> str:
        return f"<H2ClientConnection {self.address} [{len(self.streams)} streams, {self.waiting} bytes wait]>"

    # The transport's side...

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are no subclasses
        self.address = self._announced.source if self._announced is not None else source_of(transport)
        self._tls = transport.get_extra_info("ssl_object")
        self.forwarding = Forwarding(self.address, self.listener.scheme, self.plane.via, "2.0")
        self.guide = guide_for(self.listener, self.address, self.plane.via, "2.0")
        self.session.start()
        if not self.plane.admit(self, self._tls):
            self.session.goaway(0, detail="this edge has as many connections as it may")
            self._log(BUSY)
            self._linger()
            return
        self.set_deadline(self.listener.limits.head_time)
        if self.plane.draining:
            self.drain()
        self._flush()

    @property
    def endpoints(self) -> Endpoints:
        return self._announced or endpoints_of(self.transport)

    def data_received(self, data: bytes) -> None:
        if self._lingering:
            self._discard(data)
        elif self._is_behind:
            self.session.receive(data, self.plane.now, 0)
        else:
            self._take(data)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._lingering = True
        self.plane.behind -= self._is_behind
        self.plane.dismiss(self)
        self._leave_streams()

    def pause_writing(self) -> None:
        self._is_paused = True

    def resume_writing(self) -> None:
        self._is_paused = False
        self.want_flush()

    # Reading...

    def _take(self, data: bytes) -> None:
        """Some frames now; the rest in the next turns, before anything more is read."""
        begun = monotonic()
        is_behind = self.session.receive(data, self.plane.now, FRAMES)
        self._deliver()
        if self.session.over:
            self._fail()
            return
        if is_behind != self._is_behind:
            self._is_behind = is_behind
            self.plane.behind += 1 if is_behind else -1
            (self.transport.pause_reading if is_behind else self.transport.resume_reading)()
        if is_behind:
            pause = PAUSE * self.plane.behind if self.session.worth < SMALL else 0
            asyncio.get_running_loop().call_later(pause * (monotonic() - begun), self._take_more)
        else:
            self._watch_part(self.session.has_part)
        self.want_flush()

    def _take_more(self) -> None:
        if not self._lingering:
            self._take(b"")

    def _deliver(self) -> None:
        while self._deliveries:
            streams, self._deliveries = self._deliveries, []
            for stream in streams:
                if not stream.is_over:
                    stream.deliver()

    def want_delivery(self, stream: H2Stream) -> None:
        """The stream's node takes more."""
        if not self._deliveries:
            asyncio.get_running_loop().call_soon(self._deliver)
        self._deliveries.append(stream)

    def _discard(self, data: bytes) -> None:
        self._discarded += len(data)
        if self._discarded > MAX_DISCARDED:
            self.transport.pause_reading()

    # What the client says...

    def on_request(self, stream: int, fields: list[Field], ended: bool) -> None:
        limits = self.listener.limits
        if self._is_refusing or len(self.streams) >= limits.streams or self.waiting > MOST_WAITING:
            self.session.reset(stream, REFUSED_STREAM)
            self.session.spend(CANCELS)
            return
        if not fields and not self.session.spend(EMPTY):
            return
        if self.plane.draining:
            self.drain()
        key = _new_key() if any(name == b":protocol" for name, _ in fields) else b""
        head = h2.read_request(fields, ended, self._scheme, self._head_limits, key)
        begun = self.streams[stream] = H2Stream(self, stream)
        self._rest()
        if self.plane.admission.sheds:
            self.plane.admission.refused("request")
            head = BUSY
        if isinstance(head, Failure):
            begun.refuse(head, ended)
        else:
            begun.begin(head, ended)

    def on_body(self, stream: int, payload: bytes, size: int, ended: bool) -> None:
        known = self.streams.get(stream)
        if known is None:
            self.session.consume(stream, size)
        else:
            known.take_body(payload, size, ended)
            self._deliveries.append(known)

    def on_trailers(self, stream: int, fields: list[Field]) -> None:
        known = self.streams.get(stream)
        if known is not None:
            known.take_trailers(fields)
            self._deliveries.append(known)

    def on_reset(self, stream: int) -> None:
        known = self.streams.get(stream)
        if known is not None:
            self.session.spend(CANCELS)
            known.leave()

    def on_window(self, stream: int) -> None:
        if stream == 0:
            for each in self.streams.values():
                self._queue(each)
        elif (known := self.streams.get(stream)) is not None:
            self._queue(known)

    def on_ping_answered(self) -> None:
        if self._is_draining and not self._is_refusing:
            self._refuse_more()

    # What the streams ask for...

    def covers(self, host: str) -> bool:
        tls = self.listener.tls
        if tls is not None and not (self._tls is not None and tls.covers(self._tls, host)):
            return False
        self.covered = host
        return True

    def queue(self, stream: H2Stream, size: int) -> None:
        """It has so many bytes more to send, or its end."""
        self.waiting += size
        self._queue(stream)

    def _queue(self, stream: H2Stream) -> None:
        if not stream.is_queued and (stream.waiting or stream.finished_response):
            stream.is_queued = True
            self._ready.append(stream)
            self.want_flush()

    def forget(self, stream: H2Stream) -> None:
        """It is over."""
        self.streams.pop(stream.number, None)
        self.session.forget(stream.number)
        self._rest()
        self.want_flush()

    # Writing...

    def want_flush(self) -> None:
        """Write what there is, once, when everybody has spoken."""
        if not self._flush_is_due:
            self._flush_is_due = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_is_due = False
        if self.transport.is_closing():
            return
        if not self._lingering:
            self._pump()
        data = self.session.take_output()
        if data:
            self.transport.write(data)
        if not self.streams and (self._is_refusing or self.session.client_leaves):
            self.transport.close()

    def _pump(self) -> None:
        """A frame of each stream in turn, as long as the socket takes them."""
        ready, left = self._ready, BYTES
        while ready and left > 0 and not self._is_paused:
            stream = ready.popleft()
            sent = stream.pump()
            if sent < 0:
                stream.is_queued = False
            else:
                ready.append(stream)
                left -= sent
        if ready and not self._is_paused:
            self.want_flush()

    # Time, and the end...

    def set_deadline(self, seconds: float) -> None:
        self._patience = seconds
        deadline = self.deadline = self.plane.now + seconds
        if deadline < self.watched:
            self.plane.deadlines.watch(self)

    def _watch_part(self, has_part: bool) -> None:
        if has_part != self._has_part:
            self._has_part = has_part
            if has_part and not self._is_draining:
                self.set_deadline(self.listener.limits.head_time)
            else:
                self._rest()

    def _rest(self) -> None:
        """Streams have deadlines of their own; the connection has one when it does nothing."""
        if self._has_part or self._lingering or (self._is_draining and not self._is_refusing):
            return
        if self.streams:
            self.deadline = inf
        else:
            self.set_deadline(self.listener.limits.idle)

    def expire(self, now: float) -> None:
        if self._lingering:
            self.transport.abort()
        elif self._is_draining and not self._is_refusing:
            self._refuse_more()
        elif self._has_part:
            self.session.goaway(code=ENHANCE_YOUR_CALM, detail="a frame that does not end")
            self._log(HEAD_TOO_SLOW.because("the frame did not come in time"))
            self._linger()
        else:
            self.session.goaway()
            self._flush()
            self.transport.close()

    def make_room(self, now: float) -> bool:
        if self._lingering or self.streams or self.transport.is_closing():
            return False
        if self.deadline - now > self._patience - ROOM_AFTER_S:
            return False
        self._lingering = True
        self.session.goaway()
        self._flush()
        self.transport.close()
        return True

    def drain(self) -> None:
        """Say that there will be an end; requests that are on their way are still served."""
        if not self._is_draining:
            self._is_draining = True
            self.session.goaway(EVERYTHING, detail="draining")
            self.session.ping()
            self.set_deadline(GOODBYE_S)
            self.want_flush()

    def _refuse_more(self) -> None:
        self._is_refusing = True
        self.session.goaway(detail="draining")
        self._rest()
        self.want_flush()

    def _fail(self) -> None:
        """The client broke a rule of the connection, or its patience: the session has said so."""
        if self.session.flooded:
            self.plane.admission.punish(self, self.address, self.plane.now)
        self._log((FLOOD if self.session.flooded else MALFORMED).because(self.session.over))
        self._linger()

    def _log(self, failure: Failure) -> None:
        self.plane.log_refusal(self.address, failure, self.plane.new_id())

    def _linger(self) -> None:
        """Say the last word, and read on for a moment: closing with bytes unread would reset it away."""
        self._lingering = True
        self._leave_streams()
        self._flush()
        if self._is_behind:
            self.transport.resume_reading()
        self.set_deadline(LINGER_S)

    def _leave_streams(self) -> None:
        for stream in tuple(self.streams.values()):
            stream.leave()

    def abort(self) -> None:
        reset(self.transport)


def _new_key() -> bytes:
    """RFC 6455 section 4.1: what the node must answer to."""
    return base64.b64encode(os.urandom(16))
