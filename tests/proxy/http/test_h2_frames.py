"""Frames out of bytes: the same frames however the bytes are cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from steer.proxy.http.h2_frames import MAX_FRAME, Frame, FrameReader, goaway

raw_frames = st.lists(
    st.tuples(st.integers(0, 255), st.integers(0, 255), st.integers(0, 2**31 - 1), st.binary(max_size=40)), max_size=8
)


def encoded(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def taken(reader: FrameReader) -> list[Frame]:
    found = []
    while (frame := reader.take()) is not None:
        found.append(frame)
    return found


@given(raw_frames, st.lists(st.integers(1, 30), min_size=1, max_size=20))
def test_cuts_change_nothing(frames: list[tuple[int, int, int, bytes]], sizes: list[int]) -> None:
    data = b"".join(encoded(*frame) for frame in frames)
    reader, found, at = FrameReader(), [], 0
    for number in range(len(data)):
        size = sizes[number % len(sizes)]
        reader.feed(data[at : at + size])
        at += size
        found += taken(reader)
        if at >= len(data):
            break
    assert found == [Frame(kind, flags, stream, len(raw) - 9, raw) for kind, flags, stream, raw in _raw(frames)]
    assert reader.part is None


def _raw(frames: list[tuple[int, int, int, bytes]]) -> list[tuple[int, int, int, bytes]]:
    return [(kind, flags, stream, encoded(kind, flags, stream, payload)) for kind, flags, stream, payload in frames]


def test_the_reserved_bit_of_a_stream_is_passed_over() -> None:
    reader = FrameReader()
    reader.feed(b"\0\0\0\0\0\x80\0\0\x01")
    assert [frame.stream for frame in taken(reader)] == [1]


def test_a_frame_that_is_too_large_is_told_by_its_first_bytes() -> None:
    reader = FrameReader()
    reader.feed((MAX_FRAME + 1).to_bytes(3, "big") + b"\0\0\0\0\0\x01")
    frame = reader.take()
    assert frame is not None
    assert (frame.is_too_large, frame.raw) == (True, b"")


def test_a_part_says_its_kind_when_it_is_known() -> None:
    reader = FrameReader()
    reader.feed(b"\0\0\x05\x06")
    assert (taken(reader), reader.part, reader.has_whole) == ([], -1, False)
    reader.feed(b"\0\0\0\0\0")
    assert (taken(reader), reader.part) == ([], 6)
    reader.feed(b"12345")
    assert reader.has_whole
    assert len(taken(reader)) == 1
    assert reader.part is None


def test_goaway_is_a_frame() -> None:
    assert goaway(3, 11, "calm") == encoded(7, 0, 0, b"\0\0\0\x03\0\0\0\x0bcalm")
