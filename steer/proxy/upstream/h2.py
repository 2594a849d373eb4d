"""One HTTP/2 connection to a node (`protocol: h2c`), and the streams on it that exchanges take for connections.

An exchange speaks HTTP/1.1 to whatever connection it is given: the bytes of a head, then of a body with its framing.
A `NodeStream` takes them, says the same in HTTP/2, and tells the response by the callbacks of `NodeListener`. What
only HTTP/2 can do goes through as well: the request goes on while the response has begun (`both_ways`), so gRPC's
streams work; GOAWAY lets streams end; a node's window holds the client, and the client's the node.
"""

from __future__ import annotations

import asyncio
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, cast

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    DataReceived,
    InformationalResponseReceived,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

from steer.errors import NODE_BROKE, NODE_RESET, NODE_UNTOUCHED
from steer.proxy.http import h2_frames
from steer.proxy.http.h2 import Field
from steer.proxy.http.h2_frames import Frame, FrameReader
from steer.proxy.http.h2_session import CANCEL, CONNECTION_WINDOW, STREAM_WINDOW, LenientConnection
from steer.proxy.upstream.connection import MAX_RESPONSE_HEAD
from steer.proxy.upstream.h2_stream import NodeStream
from steer.steering.model import Outcome

if TYPE_CHECKING:
    from steer.proxy.upstream.h2_pool import H2Pool

MOST_STREAMS = 100
"""At once on one connection, if the node allows so many; beyond it another connection is opened."""
LAST_STREAM = 2**30
"""Half of the numbers that there are: then the connection is replaced."""
BYTES = 256 * 1024
"""Sent in one turn of the loop."""
WINDOW = 16 * CONNECTION_WINDOW
"""For all responses of a connection: one that a client does not take must not hold up a hundred others."""


class H2NodeConnection(asyncio.Protocol):
    """Shared by the requests of many clients: what one of them does wrong may never end it."""

    transport: asyncio.Transport

    def __init__(self, pool: H2Pool) -> None:
        # For the life of the connection.
        self.pool = pool
        self.lost = False
        self.is_leaving = False
        """The node, or we, have said that nothing new may begin."""
        self.served = 0
        self.idle_since = monotonic()
        self._reader = FrameReader()
        self._h2 = _make_connection()
        # Of what is under way.
        self.streams: dict[int, NodeStream] = {}
        self._ready: deque[NodeStream] = deque()
        self._is_paused = False
        self._flush_is_due = False

    # The pool's side...

    @property
    def has_room(self) -> bool:
        allowed = min(self._h2.remote_settings.max_concurrent_streams, MOST_STREAMS)
        return not (self.lost or self.is_leaving or self.transport.is_closing()) and len(self.streams) < allowed

    def leave(self) -> None:
        """Begin nothing new here; end when nothing is left."""
        self.is_leaving = True
        if not self.streams and not self.lost:
            self.transport.close()

    def close(self) -> None:
        if not self.lost:
            self.transport.abort()

    # The streams' side...

    def open(self, stream: NodeStream, fields: list[Field], end: bool) -> int:
        """Send a request's head; returns the stream's number."""
        number = self._h2.get_next_available_stream_id()
        self._h2.send_headers(number, fields, end_stream=end)
        self.streams[number] = stream
        self.served += 1
        if number >= LAST_STREAM:
            self.is_leaving = True
        self.want_flush()
        return number

    def window(self, number: int) -> int:
        return min(self._h2.local_flow_control_window(number), self._h2.max_outbound_frame_size)

    def send_data(self, number: int, data: bytes | memoryview, end: bool) -> None:
        self._h2.send_data(number, data, end_stream=end)

    def send_trailers(self, number: int, fields: list[Field]) -> None:
        self._h2.send_headers(number, fields, end_stream=True)

    def consume(self, number: int, size: int) -> None:
        """Credit for what a client has taken."""
        if size and not self.lost:
            self._h2.acknowledge_received_data(size, number)
            self.want_flush()

    def queue(self, stream: NodeStream) -> None:
        """It has something to send."""
        if not stream.is_queued:
            stream.is_queued = True
            self._ready.append(stream)
        self.want_flush()

    def forget(self, stream: NodeStream, *, is_over: bool) -> None:
        """Its exchange is over; if the stream is not, the node need not go on."""
        if self.streams.pop(stream.number, None) is None or self.lost:
            return
        if not is_over:
            self._reset(stream.number, CANCEL)
        self.idle_since = monotonic()
        if self.is_leaving:
            self.leave()
        self.pool.freed()

    def _reset(self, number: int, code: int) -> None:
        try:
            self._h2.reset_stream(number, code)
        except ProtocolError:
            return  # the node has ended it already
        self.want_flush()

    # The node's side...

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are no subclasses
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(WINDOW - 65_535)
        self._flush()

    def data_received(self, data: bytes) -> None:
        self.pool.heard += 1
        self._reader.feed(data)
        while not self.lost and (frame := self._reader.take()) is not None:
            try:
                self._take(frame)
            except ProtocolError as error:
                self._break(str(error))
                return
        self.want_flush()

    def _take(self, frame: Frame) -> None:
        if frame.is_too_large:
            raise ProtocolError("a frame of more than 16 KiB")
        if frame.kind == h2_frames.GOAWAY:
            self._take_goaway(int.from_bytes(frame.raw[9:13], "big") & 0x7FFF_FFFF)
            return
        for event in self._h2.receive_data(frame.raw):
            self._tell(event)

    def _tell(self, event: object) -> None:
        if isinstance(event, WindowUpdated):
            self._open_windows(event.stream_id or 0)
        elif isinstance(event, RemoteSettingsChanged):
            self._open_windows(0)
            self.pool.freed()
        elif isinstance(event, DataReceived):
            self._tell_data(event)
        elif isinstance(event, ResponseReceived | InformationalResponseReceived | TrailersReceived | StreamReset) and (
            stream := self.streams.get(event.stream_id or 0)
        ):
            if isinstance(event, StreamReset):
                stream.on_reset(event.error_code)
            else:
                fields = cast("list[Field]", event.headers or [])
                if isinstance(event, InformationalResponseReceived):
                    stream.on_interim(fields)
                elif isinstance(event, ResponseReceived):
                    stream.on_head(fields, event.stream_ended is not None)
                else:
                    stream.on_trailers(fields)

    def _tell_data(self, event: DataReceived) -> None:
        size = event.flow_controlled_length or 0
        stream = self.streams.get(event.stream_id or 0)
        if stream is None:
            self.consume(event.stream_id or 0, size)
        else:
            stream.on_data(event.data or b"", size, event.stream_ended is not None)

    def _open_windows(self, number: int) -> None:
        for stream in tuple(self.streams.values()):
            if (not number or stream.number == number) and stream.wants_to_send:
                self.queue(stream)

    def _take_goaway(self, last: int) -> None:
        """What the node will not look at fails; the rest goes on."""
        self.is_leaving = True
        for stream in tuple(self.streams.values()):
            if stream.number > last:
                stream.fail(NODE_UNTOUCHED.because("the node goes away"), Outcome.RESET)
        self.leave()

    def _break(self, detail: str) -> None:
        """The node broke a rule of the connection, which is all streams'."""
        self.is_leaving = True
        self._flush()
        for stream in tuple(self.streams.values()):
            stream.fail(NODE_BROKE.because(detail), Outcome.BROKEN)
        self.close()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self.pool.lost_link(self)
        for stream in tuple(self.streams.values()):
            stream.fail(NODE_RESET.because("the connection ended before the response"), Outcome.RESET)
        self.streams.clear()

    def pause_writing(self) -> None:
        self._is_paused = True

    def resume_writing(self) -> None:
        self._is_paused = False
        self.want_flush()

    # Writing...

    def want_flush(self) -> None:
        if not self._flush_is_due:
            self._flush_is_due = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_is_due = False
        if self.lost or self.transport.is_closing():
            return
        self._pump()
        data = self._h2.data_to_send()
        if data:
            self.transport.write(data)

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


def _make_connection() -> H2Connection:
    connection = LenientConnection(
        H2Configuration(
            client_side=True,
            header_encoding=None,
            validate_inbound_headers=False,
            normalize_inbound_headers=False,
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
    )
    settings = {
        SettingCodes.ENABLE_PUSH: 0,
        SettingCodes.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
        SettingCodes.MAX_HEADER_LIST_SIZE: MAX_RESPONSE_HEAD,
    }
    connection.local_settings = Settings(client=True, initial_values=settings)
    connection.decoder.max_header_list_size = 2 * MAX_RESPONSE_HEAD
    return connection
