"""One HTTP/2 connection without its socket: bytes in, calls to a listener out; and the other way round.

This is the seam in front of the `h2` library, in the terms in which any engine (nghttp2 too) can speak: a head comes
in, a head goes out, DATA is sent as far as the window allows, and what was received is paid back as credit when it has
found a taker. Frames reach h2 one by one, after they have been paid for (`h2_budgets`). What h2 lacks is done here:

    GOAWAY      h2 can say nothing more after one of either side; here streams go on until they end (RFC 9113, 6.8)
    limits      h2 ends the connection where only a stream is wrong: too many streams, a Content-Length that lies; on
                a connection that a CDN shares among users, one of them could so break off all others' requests
    sizes       h2 keeps 16 MiB before it complains of a frame that is too large
"""

from __future__ import annotations

from typing import Any, Protocol, cast

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    PingAckReceived,
    RemoteSettingsChanged,
    RequestReceived,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings
from h2.stream import H2Stream

from steer.proxy.http import h2_budgets as budgets
from steer.proxy.http import h2_frames as frames
from steer.proxy.http.h2 import Field
from steer.proxy.http.h2_budgets import MAX_BLOCK, MAX_CONTINUATIONS, Purse
from steer.proxy.http.h2_frames import Frame, FrameReader

STREAM_WINDOW = 256 * 1024
"""Bytes of a request's body that may be under way or wait for the node: 5 MB/s at a round trip of 50 ms."""
CONNECTION_WINDOW = 1024 * 1024
"""The same for all streams together: what one client can make the edge keep of its uploads."""
MAX_TABLE = 4096
"""Bytes of the compressor's table, HPACK's default: a client may allow 4 GiB, and the edge would fill them."""
REQUEST_WORTH = 4096
EVERYTHING = 2**31 - 1
"""The last stream of a GOAWAY that announces an end and refuses nothing yet."""

NO_ERROR = int(ErrorCodes.NO_ERROR)
PROTOCOL_ERROR = int(ErrorCodes.PROTOCOL_ERROR)
INTERNAL_ERROR = int(ErrorCodes.INTERNAL_ERROR)
FRAME_SIZE_ERROR = int(ErrorCodes.FRAME_SIZE_ERROR)
REFUSED_STREAM = int(ErrorCodes.REFUSED_STREAM)
CANCEL = int(ErrorCodes.CANCEL)
ENHANCE_YOUR_CALM = int(ErrorCodes.ENHANCE_YOUR_CALM)


class SessionListener(Protocol):
    """Who hears what the client says. A stream's calls end with `ended`, `on_trailers` or `on_reset`."""

    def on_request(self, stream: int, fields: list[Field], ended: bool) -> None: ...
    def on_body(self, stream: int, payload: bytes, size: int, ended: bool) -> None:
        """`size` is the credit that the payload took; give it back by `consume`."""

    def on_trailers(self, stream: int, fields: list[Field]) -> None: ...
    def on_reset(self, stream: int) -> None:
        """The stream is over, by the client's will or for its fault."""

    def on_window(self, stream: int) -> None:
        """The client takes more: of this stream, or of all (0)."""

    def on_ping_answered(self) -> None: ...


class _Stream(H2Stream):
    """Leaves it to us whether a Content-Length is true: a lie is the stream's error (RFC 9113 section 8.1.1)."""

    def _initialize_content_length(self, headers: Any) -> None:
        pass


class LenientConnection(H2Connection):
    """See `_Stream`."""

    MAX_CLOSED_STREAMS = 1000
    """How each ended is remembered for frames that come late; h2's own 65,536 are 8 MiB for a busy connection."""

    def _begin_new_stream(self, stream_id: int, allowed_ids: Any) -> H2Stream:
        stream = super()._begin_new_stream(stream_id, allowed_ids)
        stream.__class__ = _Stream
        return stream


class Session:
    """The server's side of one connection. `over` says, in a sentence, why it ended for the client's fault."""

    def __init__(self, listener: SessionListener, streams: int, head: int, now: float) -> None:
        """`streams` at once, each with a head of `head` bytes; `now` in monotonic seconds."""
        self.over = ""
        self.client_leaves = False
        self.flooded = False
        self.worth = 0
        """Of the frames of the last `receive`, in bytes; a request counts as `REQUEST_WORTH`."""
        self._listener = listener
        self._streams = streams
        self._head = head
        self._largest_block = MAX_BLOCK * head
        self._reader = FrameReader()
        self._purse = Purse(now)
        self._h2 = _make_connection(streams, head)
        self._preface = frames.PREFACE
        self._is_first = True
        self._block = 0
        self._block_stream = 0
        self._continuations = 0
        self._live: set[int] = set()
        self._out = bytearray()
        self._now = now

    # Receiving...

    def receive(self, data: bytes, now: float, most: int) -> bool:
        """Take bytes, and at most so many frames; True: more of them wait, call again with b""."""
        self._now = now
        self.worth = 0
        if data:
            self._reader.feed(self._after_preface(data) if self._preface else data)
        for _ in range(most):
            if self.over:
                return False
            frame = self._reader.take()
            if frame is None:
                return False
            self.worth += REQUEST_WORTH if frame.kind == frames.HEADERS else frame.size
            self._take(frame)
        return not self.over and self._reader.has_whole

    @property
    def has_part(self) -> bool:
        """A frame or a head has begun and is not whole. DATA does not count: a body's pace is the stream's business."""
        part = self._reader.part
        return bool(self._block_stream) or part not in (None, frames.DATA)

    def _after_preface(self, data: bytes) -> bytes:
        expected = self._preface[: len(data)]
        if data[: len(expected)] != expected:
            self._end(PROTOCOL_ERROR, "this is not HTTP/2")
            return b""
        self._preface = self._preface[len(expected) :]
        self._h2.receive_data(expected)
        return data[len(expected) :]

    def _take(self, frame: Frame) -> None:
        if frame.is_too_large:
            self._end(FRAME_SIZE_ERROR, "a frame of more than 16 KiB")
        elif not self._is_in_order(frame):
            self._end(PROTOCOL_ERROR, "a frame at a place where it may not be")
        elif self._is_affordable(frame):
            if frame.kind == frames.GOAWAY:
                self.client_leaves = True
            else:
                self._hand_over(frame)

    def _is_in_order(self, frame: Frame) -> bool:
        """SETTINGS first; between HEADERS and their end nothing but their CONTINUATION (RFC 9113, 3.4 and 6.10)."""
        if self._is_first:
            self._is_first = False
            return frame.kind == frames.SETTINGS and not frame.flags & frames.ACK
        if self._block_stream:
            return frame.kind == frames.CONTINUATION and frame.stream == self._block_stream
        return frame.kind != frames.CONTINUATION

    def _is_affordable(self, frame: Frame) -> bool:
        if frame.kind == frames.HEADERS or frame.kind == frames.CONTINUATION:
            return self._count_block(frame)
        budget = budgets.price(frame)
        if frame.stream not in self._live and frame.kind in (frames.DATA, frames.RST_STREAM):
            budget = budgets.LATE if frame.kind == frames.DATA else budgets.OTHERS
        return not budget or self.spend(budget)

    def _count_block(self, frame: Frame) -> bool:
        if frame.kind == frames.HEADERS:
            self._block, self._continuations = 0, 0
        else:
            self._continuations += 1
        self._block += frame.size
        self._block_stream = 0 if frame.flags & frames.END_HEADERS else frame.stream
        if self._continuations > MAX_CONTINUATIONS or self._block > self._largest_block:
            self._calm("a head that is too long")
        return not self.over

    def spend(self, budget: str) -> bool:
        """Take a token; without one the connection is over."""
        too_much = self._purse.spend(budget, self._now)
        if too_much:
            self._calm(too_much)
        return not too_much

    def earn(self, budget: str) -> None:
        self._purse.earn(budget)

    def _calm(self, detail: str) -> None:
        self.flooded = True
        self._end(ENHANCE_YOUR_CALM, detail)

    def _hand_over(self, frame: Frame) -> None:
        try:
            events = self._h2.receive_data(frame.raw)
        except ProtocolError as error:
            self.over = str(error) or type(error).__name__  # h2 has written the GOAWAY
            self.flooded = error.error_code == ErrorCodes.ENHANCE_YOUR_CALM
            return
        for event in events:
            self._tell(event)

    def _tell(self, event: object) -> None:
        listener = self._listener
        if isinstance(event, DataReceived):
            self._tell_data(event)
        elif isinstance(event, RequestReceived):
            self._live.add(event.stream_id)
            listener.on_request(event.stream_id, _fields(event), event.stream_ended is not None)
        elif isinstance(event, WindowUpdated):
            listener.on_window(event.stream_id)
        elif isinstance(event, StreamReset):
            self._live.discard(event.stream_id)
            listener.on_reset(event.stream_id)
        elif isinstance(event, TrailersReceived):
            listener.on_trailers(event.stream_id, _fields(event))
        elif isinstance(event, RemoteSettingsChanged):
            self._h2.encoder.header_table_size = min(self._h2.remote_settings.header_table_size, MAX_TABLE)
            listener.on_window(0)
        elif isinstance(event, PingAckReceived):
            listener.on_ping_answered()

    def _tell_data(self, event: DataReceived) -> None:
        ended = event.stream_ended is not None
        if not event.data and not ended and not self.spend(budgets.EMPTY):
            return
        self._listener.on_body(event.stream_id, event.data or b"", event.flow_controlled_length or 0, ended)

    # Sending...

    def start(self) -> None:
        """Our SETTINGS, before anything else."""
        self._h2.initiate_connection()
        # What is told stays as it is; what h2 holds the client to is wider, because it would end the connection.
        self._h2.local_settings = Settings(client=False, initial_values=_settings(4 * self._streams + 100, self._head))
        self._h2.increment_flow_control_window(CONNECTION_WINDOW - 65_535)

    def send_head(self, stream: int, fields: list[Field], end: bool) -> None:
        """Interim, final, or (with `end`, after DATA) trailers."""
        self._h2.send_headers(stream, fields, end_stream=end)

    def send_data(self, stream: int, data: bytes | memoryview, end: bool) -> None:
        """No more than `window`."""
        self._h2.send_data(stream, data, end_stream=end)

    def window(self, stream: int) -> int:
        """Bytes that one frame of DATA may have now."""
        return min(self._h2.local_flow_control_window(stream), self._h2.max_outbound_frame_size)

    def consume(self, stream: int, size: int) -> None:
        """What was received has found its taker: the client may send as much again."""
        if size and not self.over:
            self._h2.acknowledge_received_data(size, stream)

    def reset(self, stream: int, code: int) -> None:
        self._live.discard(stream)
        if not self.over:
            self._h2.reset_stream(stream, code)

    def forget(self, stream: int) -> None:
        """The stream is over on both sides."""
        self._live.discard(stream)

    def ping(self) -> None:
        self._h2.ping(b"draining")

    def goaway(self, last_stream: int | None = None, code: int = NO_ERROR, detail: str = "") -> None:
        """Streams after the last one will not be served: by default, after the last that has come."""
        self._out += self._h2.data_to_send()
        last = self._h2.highest_inbound_stream_id if last_stream is None else last_stream
        self._out += frames.goaway(last, code, detail)

    def take_output(self) -> bytes:
        """Bytes for the socket."""
        if not self._out:
            return self._h2.data_to_send()
        data = bytes(self._out) + self._h2.data_to_send()
        self._out.clear()
        return data

    def _end(self, code: int, detail: str) -> None:
        self.over = detail
        self.goaway(None, code, detail)


def _make_connection(streams: int, head: int) -> H2Connection:
    """Fields are judged by our own grammar, which is stricter than h2's and makes an error of the stream only."""
    connection = LenientConnection(
        H2Configuration(
            client_side=False,
            header_encoding=None,
            validate_inbound_headers=False,
            normalize_inbound_headers=False,
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
    )
    connection.local_settings = Settings(client=False, initial_values=_settings(streams, head))
    connection.decoder.max_header_list_size = MAX_BLOCK * head
    return connection


def _settings(streams: int, head: int) -> dict[SettingCodes, int]:
    return {
        SettingCodes.MAX_CONCURRENT_STREAMS: streams,
        SettingCodes.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
        SettingCodes.MAX_HEADER_LIST_SIZE: head,
        SettingCodes.ENABLE_CONNECT_PROTOCOL: 1,
    }


def _fields(event: RequestReceived | TrailersReceived) -> list[Field]:
    return cast("list[Field]", event.headers or [])
