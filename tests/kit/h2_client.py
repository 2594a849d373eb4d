"""A client that speaks HTTP/2 frame by frame, right or wrong as a test wants it, and reads strictly.

It has no state machine on purpose: one would refuse to send what a test is about. Its own windows are as wide as a test
gives them; with `credit` it pays back all DATA at once, as ordinary clients do.
"""

from __future__ import annotations

import select
import socket
import ssl
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from time import monotonic
from typing import Self

from hpack import Decoder, Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from tests.kit.client import PATIENCE, Fields, Response
from tests.kit.edge import HOST

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
WIDE = 2**30
"""A window that no test fills."""

Field = tuple[bytes | str, bytes | str]


class Reset(Exception):
    """RST_STREAM. `response` is what had come of the response."""

    def __init__(self, code: int, response: Response | None) -> None:
        super().__init__(f"reset with {code}: {response}")
        self.code = code
        self.response = response


class GoneAway(Exception):
    """GOAWAY while something was waited for."""

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(f"GOAWAY {code}: {detail}")
        self.code = code
        self.detail = detail


@dataclass
class Stream:
    """What has come on a stream."""

    heads: list[Fields] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    frames: list[int] = field(default_factory=list)
    """The sizes of the frames of DATA."""
    trailers: Fields = ()
    ended: bool = False
    reset: int | None = None

    def __repr__(self) -> str:
        return f"<Stream {self.heads} {len(self.body)} bytes, ended: {self.ended}, reset: {self.reset}>"

    @property
    def response(self) -> Response | None:
        if not self.heads:
            return None
        *interim, final = [_response(head) for head in self.heads]
        return Response(final.status, "", final.fields, bytes(self.body), self.trailers, tuple(interim))

    @property
    def has_final_head(self) -> bool:
        return bool(self.heads) and not self.heads[-1][0][1].startswith("1")


class H2Client:
    """One connection. Use it in a `with`."""

    def __init__(
        self,
        port: int | socket.socket,
        tls: ssl.SSLContext,
        server_name: str = HOST,
        *,
        settings: dict[int, int] | None = None,
        credit: bool = True,
        begin: bool = True,
        source: str = "127.0.0.1",
    ) -> None:
        """A port, or a connection on which something has been said already. `source`: an address of this machine."""
        tls.set_alpn_protocols(["h2"])
        plain = socket.create_connection(("127.0.0.1", port), PATIENCE, (source, 0)) if isinstance(port, int) else port
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = tls.wrap_socket(plain, server_hostname=server_name)
        assert self.socket.selected_alpn_protocol() == "h2"
        self.streams: dict[int, Stream] = {}
        self.settings: dict[int, int] = {}
        self.goaways: list[tuple[int, int, str]] = []
        """Last stream, code and detail of each."""
        self.pings: list[bytes] = []
        """The answers to ours."""
        self.windows: dict[int, int] = {}
        """What the edge paid back, by stream."""
        self.encoder, self.decoder = Encoder(), Decoder()
        self._credit = credit
        self._buffer = b""
        self._block = b""
        self.answers_pings = True
        self.ended = False
        if begin:
            initial = settings if settings is not None else ({4: WIDE} if credit else {})
            self.send(PREFACE, SettingsFrame(0, settings=initial).serialize())
            if credit:
                self.open_window(0, WIDE)
            self.wait(lambda: bool(self.settings))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    # Sending...

    def send(self, *frames: bytes) -> None:
        self.socket.sendall(b"".join(frames))

    def head(self, stream: int, fields: Iterable[Field], end: bool = True) -> bytes:
        """HEADERS with these fields, as they are."""
        block = self.encoder.encode([(_bytes(name), _bytes(value)) for name, value in fields])
        flags = ["END_HEADERS", *(["END_STREAM"] if end else [])]
        return HeadersFrame(stream, data=block, flags=flags).serialize()

    def ask(
        self, stream: int, path: str, *fields: Field, method: str = "GET", body: bytes | None = None, end: bool = True
    ) -> Response:
        """A request and its response."""
        self.start(stream, path, *fields, method=method, end=end and body is None)
        if body is not None:
            self.send(DataFrame(stream, data=body, flags=["END_STREAM"] if end else []).serialize())
        return self.read(stream)

    def start(self, stream: int, path: str, *fields: Field, method: str = "GET", end: bool = True) -> None:
        self.send(self.head(stream, [*pseudo(path, method), *fields], end))

    def data(self, stream: int, payload: bytes, end: bool = False, padding: int | None = None) -> None:
        flags = [*(["END_STREAM"] if end else []), *(["PADDED"] if padding is not None else [])]
        self.send(DataFrame(stream, data=payload, flags=flags, pad_length=padding or 0).serialize())

    def upload(self, stream: int, body: bytes, end: bool = True) -> None:
        """All of it, as the edge gives credit. The windows are those of its SETTINGS."""
        at = 0
        while at < len(body):
            window = min(self.settings.get(4, 65_535), WIDE) + self.windows.get(stream, 0) - at
            shared = 65_535 + self.windows.get(0, 0) - at
            size = min(window, shared, 16_384, len(body) - at)
            if self.ended:
                raise ConnectionResetError("the edge has closed the connection")
            if size <= 0:
                self.step()
                continue
            at += size
            self.data(stream, body[at - size : at], end=end and at == len(body))

    def cancel(self, stream: int, code: int = 8) -> None:
        self.send(RstStreamFrame(stream, error_code=code).serialize())

    def open_window(self, stream: int, size: int) -> None:
        self.send(WindowUpdateFrame(stream, window_increment=size).serialize())

    def ping(self, data: bytes = b"01234567") -> None:
        self.send(PingFrame(0, opaque_data=data).serialize())

    def reset_connection(self) -> None:
        """Leave at once and rudely."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    # Receiving...

    def read(self, stream: int) -> Response:
        """The response, when it is whole. Raises `Reset`, `GoneAway`."""
        self.wait(lambda: self.stream(stream).ended, stream)
        response = self.stream(stream).response
        assert response is not None
        return response

    def read_head(self, stream: int) -> Response:
        self.wait(lambda: self.stream(stream).has_final_head, stream)
        response = self.stream(stream).response
        assert response is not None
        return response

    def stream(self, number: int) -> Stream:
        return self.streams.setdefault(number, Stream())

    def wait(self, is_so: Callable[[], bool], stream: int | None = None) -> None:
        """Receive until it is so. Raises what ends the stream, or the connection, before."""
        deadline = monotonic() + PATIENCE
        while not is_so():
            if stream is not None:
                found = self.stream(stream)
                if found.reset is not None:
                    raise Reset(found.reset, found.response)
            self._raise_if_gone()
            assert not self.ended, f"the connection ended: {self.streams} {self.goaways}"
            assert monotonic() < deadline, f"it did not become so: {self.streams} {self.goaways}"
            self.step()

    def look(self) -> None:
        """Take what is there already, without waiting. Raises what ends the connection."""
        while not self.ended and (self.socket.pending() or select.select([self.socket], [], [], 0)[0]):
            self.step()
        self._raise_if_gone()

    def _raise_if_gone(self) -> None:
        failed = [(code, detail) for _, code, detail in self.goaways if code]
        if failed:
            raise GoneAway(*failed[0])

    def settle(self) -> None:
        """Until the edge has seen everything that was sent: it answers a PING in its turn."""
        known = len(self.pings)
        self.ping()
        self.wait(lambda: len(self.pings) > known)

    def wait_for_end(self) -> None:
        """Until the edge has closed the connection."""
        deadline = monotonic() + PATIENCE
        while not self.ended:
            assert monotonic() < deadline, "the connection did not end"
            self.step()

    def step(self) -> None:
        """Receive something."""
        try:
            data = self.socket.recv(256 * 1024)
        except (ConnectionResetError, ssl.SSLEOFError):
            data = b""
        self.ended = not data
        self._buffer += data
        at = 0
        while len(self._buffer) - at >= 9:
            frame, size = Frame.parse_frame_header(memoryview(self._buffer[at : at + 9]))
            assert size <= 16_384, f"a frame of {size}"
            if len(self._buffer) - at < 9 + size:
                break
            frame.parse_body(memoryview(self._buffer[at + 9 : at + 9 + size]))
            at += 9 + size
            self._take(frame)
        self._buffer = self._buffer[at:]

    def _take(self, frame: Frame) -> None:
        if isinstance(frame, SettingsFrame):
            if "ACK" not in frame.flags:
                self.settings |= frame.settings
                self._answer(SettingsFrame(0, flags=["ACK"]))
        elif isinstance(frame, PingFrame):
            if "ACK" in frame.flags:
                self.pings.append(frame.opaque_data)
            elif self.answers_pings:
                self._answer(PingFrame(0, opaque_data=frame.opaque_data, flags=["ACK"]))
        elif isinstance(frame, GoAwayFrame):
            self.goaways.append((frame.last_stream_id, frame.error_code, frame.additional_data.decode()))
        elif isinstance(frame, WindowUpdateFrame):
            known = self.windows.get(frame.stream_id, 0)
            self.windows[frame.stream_id] = known + frame.window_increment
        else:
            self._take_of_stream(frame, self.stream(frame.stream_id))

    def _take_of_stream(self, frame: Frame, stream: Stream) -> None:
        assert not stream.ended or isinstance(frame, RstStreamFrame | ContinuationFrame), f"{frame} after the end"
        if isinstance(frame, RstStreamFrame):
            stream.reset = frame.error_code
        elif isinstance(frame, HeadersFrame | ContinuationFrame):
            self._block += frame.data
            if "END_HEADERS" in frame.flags:
                self._take_fields(_text(self.decoder.decode(self._block, raw=True)), stream)
                self._block = b""
        elif isinstance(frame, DataFrame):
            assert stream.has_final_head, "DATA before a head"
            stream.body += frame.data
            stream.frames.append(len(frame.data))
            if self._credit and frame.data:
                self._answer(WindowUpdateFrame(0, window_increment=len(frame.data)))
        else:
            raise AssertionError(f"unexpected: {frame}")
        stream.ended = stream.ended or "END_STREAM" in frame.flags

    def _take_fields(self, fields: Fields, stream: Stream) -> None:
        names = [name for name, _ in fields]
        assert names == [name.lower() for name in names], f"a name in upper case: {names}"
        assert not {"connection", "transfer-encoding", "keep-alive", "upgrade"} & set(names), names
        if stream.has_final_head:
            assert not any(name.startswith(":") for name in names), f"a pseudo-field in trailers: {names}"
            stream.trailers = fields
        else:
            assert [name for name in names if name.startswith(":")] == [":status"] == names[:1], names
            stream.heads.append(fields)

    def _answer(self, frame: Frame) -> None:
        try:
            self.send(frame.serialize())
        except OSError:
            self.ended = True


def pseudo(
    path: bytes | str, method: bytes | str = "GET", authority: bytes | str | None = HOST, scheme: bytes | str = "https"
) -> list[Field]:
    """The pseudo-fields of a request."""
    host: list[Field] = [] if authority is None else [(":authority", authority)]
    return [(":method", method), (":scheme", scheme), *host, (":path", path)]


def _bytes(text: bytes | str) -> bytes:
    return text.encode("latin-1") if isinstance(text, str) else text


def _text(fields: Iterable[tuple[bytes, bytes]]) -> Fields:
    return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in fields)


def _response(fields: Fields) -> Response:
    return Response(int(fields[0][1]), "", fields[1:])
