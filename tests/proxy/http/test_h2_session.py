"""The session against h2's own client, and against bytes that nobody would send on purpose."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, Event, ResponseReceived, StreamEnded, StreamReset
from hpack import Encoder
from hypothesis import given
from hypothesis import strategies as st

from steer.proxy.http.h2 import Field
from steer.proxy.http.h2_frames import PREFACE
from steer.proxy.http.h2_session import CANCEL, Session

REQUEST = [(":method", "GET"), (":scheme", "https"), (":authority", "a.example"), (":path", "/")]
ALL = 1000
SETTINGS = b"\0\0\0\x04\0\0\0\0\0"


@dataclass
class Heard:
    """A `SessionListener` that writes down what it hears."""

    calls: list[tuple[object, ...]] = field(default_factory=list)

    def on_request(self, stream: int, fields: list[Field], ended: bool) -> None:
        self.calls.append(("request", stream, ended))

    def on_body(self, stream: int, payload: bytes, size: int, ended: bool) -> None:
        self.calls.append(("body", stream, bytes(payload), size, ended))

    def on_trailers(self, stream: int, fields: list[Field]) -> None:
        self.calls.append(("trailers", stream, [tuple(each) for each in fields]))

    def on_reset(self, stream: int) -> None:
        self.calls.append(("reset", stream))

    def on_window(self, stream: int) -> None:
        self.calls.append(("window", stream))

    def on_ping_answered(self) -> None:
        self.calls.append(("ping",))


class Pair:
    """A session, and h2's client that speaks to it."""

    def __init__(self) -> None:
        self.heard = Heard()
        self.session = Session(self.heard, 10, 4096, 0.0)
        self.session.start()
        self.client = H2Connection(H2Configuration(client_side=True, header_encoding="latin-1"))
        self.client.initiate_connection()

    def exchange(self) -> list[Event]:
        """Both take what the other has said."""
        self.session.receive(self.client.data_to_send(), 0.0, ALL)
        return self.client.receive_data(self.session.take_output())

    @property
    def calls(self) -> list[tuple[object, ...]]:
        return [call for call in self.heard.calls if call[0] != "window"]


def test_a_request_and_its_response() -> None:
    pair = Pair()
    pair.client.send_headers(1, REQUEST)
    pair.client.send_data(1, b"hello", pad_length=3)
    pair.client.send_headers(1, [("x-sum", "7")], end_stream=True)
    pair.exchange()
    assert pair.calls == [
        ("request", 1, False),
        ("body", 1, b"hello", 9, False),
        ("trailers", 1, [(b"x-sum", b"7")]),
    ]
    pair.session.send_head(1, [(b":status", b"200")], end=False)
    pair.session.send_data(1, b"world", end=True)
    kinds = [type(event) for event in pair.exchange()]
    assert [kind for kind in kinds if kind in (ResponseReceived, DataReceived, StreamEnded)] == [
        ResponseReceived,
        DataReceived,
        StreamEnded,
    ]


def test_no_more_frames_are_taken_than_there_is_time_for() -> None:
    pair = Pair()
    for stream in range(1, 21, 2):
        pair.client.send_headers(stream, REQUEST, end_stream=True)
    more = pair.session.receive(pair.client.data_to_send(), 0.0, 4)
    assert more
    assert len(pair.calls) < 5
    while pair.session.receive(b"", 0.0, 4):
        pass
    assert len(pair.calls) == 10


@pytest.mark.parametrize("length", ["x", "-1", "3", "7"])
def test_a_length_that_lies_does_not_end_the_connection(length: str) -> None:
    pair = Pair()
    pair.client.config.validate_outbound_headers = False
    pair.client.send_headers(1, [*REQUEST, ("content-length", length)])
    pair.client.send_data(1, b"hello", end_stream=True)
    pair.client.send_headers(3, REQUEST, end_stream=True)
    pair.exchange()
    assert pair.calls == [("request", 1, False), ("body", 1, b"hello", 5, True), ("request", 3, True)]
    assert pair.session.over == ""


def test_credit_is_given_back_when_something_was_consumed() -> None:
    pair = Pair()
    pair.client.send_headers(1, REQUEST)
    pair.exchange()
    before = pair.client.local_flow_control_window(1)
    for _ in range(10):
        pair.client.send_data(1, bytes(16_384))
    pair.exchange()
    assert pair.client.local_flow_control_window(1) == before - 163_840
    pair.session.consume(1, 163_840)
    pair.exchange()
    assert pair.client.local_flow_control_window(1) == before


def test_streams_go_on_after_a_goaway_of_either_side() -> None:
    pair = Pair()
    pair.client.send_headers(1, REQUEST, end_stream=True)
    pair.exchange()
    pair.session.goaway()
    pair.session.receive(b"\0\0\x08\x07\0\0\0\0\0" + bytes(8), 0.0, ALL)
    assert pair.session.client_leaves
    pair.session.send_head(1, [(b":status", b"204")], end=True)
    raw = pair.session.take_output()
    assert raw.index(b"\0\0\x08\x07") < raw.index(b"\x01\x05\0\0\0\x01")


def test_a_reset_of_either_side_is_told() -> None:
    pair = Pair()
    for stream in (1, 3):
        pair.client.send_headers(stream, REQUEST)
    pair.client.reset_stream(1)
    pair.exchange()
    assert pair.calls[-1] == ("reset", 1)
    pair.session.reset(3, CANCEL)
    assert any(isinstance(event, StreamReset) and event.stream_id == 3 for event in pair.exchange())


def test_more_streams_than_were_offered_do_not_end_the_connection() -> None:
    pair = Pair()
    encoder = Encoder()
    raw = b"".join(headers(stream, encoder) for stream in range(1, 41, 2))
    pair.exchange()
    pair.session.receive(raw, 0.0, ALL)
    assert len(pair.calls) == 20
    assert pair.session.over == ""


def test_a_flood_says_so() -> None:
    pair = Pair()
    pair.exchange()
    pair.session.receive(b"\0\0\x08\x06\0\0\0\0\0" + bytes(8) + b"", 0.0, ALL)
    pair.session.receive((b"\0\0\x08\x06\0\0\0\0\0" + bytes(8)) * 200, 0.0, ALL)
    assert (pair.session.flooded, pair.session.over) == (True, "too many PINGs came")
    ends = [
        event for event in pair.client.receive_data(pair.session.take_output()) if type(event) is ConnectionTerminated
    ]
    assert [(event.error_code, event.additional_data) for event in ends] == [(11, b"too many PINGs came")]


kinds = st.one_of(st.integers(0, 9), st.integers(0, 255))
streams = st.sampled_from([0, 1, 1, 2, 3, 5, 7, 2**31 - 1])
payloads = st.one_of(
    st.binary(max_size=30),
    st.just(Encoder().encode(REQUEST)),
    st.sampled_from(
        [bytes(4), bytes(8), b"\0\0\0\x01", b"\xff" * 4, b"\x82\x84\x87", b"\0\x04\0\0\0\0", b"\0\x01\xff\xff\xff\xff"]
    ),
)


@given(st.lists(st.tuples(kinds, st.integers(0, 255), streams, payloads), max_size=30))
def test_no_frames_whatever_raise(frames: list[tuple[int, int, int, bytes]]) -> None:
    session = Session(Heard(), 10, 4096, 0.0)
    session.start()
    session.receive(PREFACE + SETTINGS, 0.0, ALL)
    for kind, flags, stream, payload in frames:
        raw = len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload
        session.receive(raw, 0.0, ALL)
    session.take_output()


@given(st.binary(max_size=200))
def test_no_bytes_whatever_raise(data: bytes) -> None:
    session = Session(Heard(), 10, 4096, 0.0)
    session.start()
    session.receive(data, 0.0, ALL)
    session.receive(PREFACE + SETTINGS + data, 0.0, ALL)


def headers(stream: int, encoder: Encoder) -> bytes:
    block = encoder.encode(REQUEST)
    return len(block).to_bytes(3, "big") + b"\x01\x05" + stream.to_bytes(4, "big") + block
