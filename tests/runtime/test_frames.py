from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steer.runtime.frames import MAX_FRAME, MAX_VALUE, BrokenFrame, FrameSplitter, frame, pack, unpack
from steer.runtime.orders import Order, Report, give, read_order, read_report, tell

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.lists(values, max_size=5), st.lists(st.integers(1, 40), min_size=1))
def test_values_come_out_whole_and_in_order_wherever_the_bytes_are_cut(sent: list[object], cuts: list[int]) -> None:
    stream = b"".join(frame(pack(value)) for value in sent)
    splitter = FrameSplitter()
    received: list[object] = []
    position, turn = 0, 0
    while position < len(stream):
        size = cuts[turn % len(cuts)]
        received += [unpack(body) for body in splitter.feed(stream[position : position + size])]
        position, turn = position + size, turn + 1
    assert received == sent


def test_a_length_past_the_limit_is_broken_before_its_body_comes() -> None:
    with pytest.raises(BrokenFrame, match=f"at most {MAX_FRAME}"):
        FrameSplitter().feed((MAX_FRAME + 1).to_bytes(4, "big"))


def test_a_value_past_the_limit_is_not_packed() -> None:
    with pytest.raises(ValueError, match="too large"):
        pack(b"x" * MAX_VALUE)


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x92\x01", b"\x01\x02"])
def test_what_is_no_msgpack_is_broken(body: bytes) -> None:
    with pytest.raises(BrokenFrame):
        unpack(body)


def test_orders_and_reports_arrive_as_they_were_given() -> None:
    splitter = FrameSplitter()
    accept, drain = splitter.feed(give(Order.ACCEPT, 3) + give(Order.DRAIN))
    assert read_order(accept) == (Order.ACCEPT, 3)
    assert read_order(drain) == (Order.DRAIN, -1)
    ready, snapshot = splitter.feed(tell(Report.READY) + tell(Report.SNAPSHOT, pack({"number": 1})))
    assert read_report(ready) == (Report.READY, b"")
    assert read_report(snapshot) == (Report.SNAPSHOT, pack({"number": 1}))


def test_the_largest_snapshot_fits_into_a_report() -> None:
    largest = pack(b"x" * (MAX_VALUE - 5))
    assert len(largest) == MAX_VALUE
    (body,) = FrameSplitter().feed(tell(Report.SNAPSHOT, largest))
    assert read_report(body) == (Report.SNAPSHOT, largest)


@pytest.mark.parametrize("value", [None, [], ["fly", 1], ["accept", "1"], ["accept"], {"accept": 1}])
def test_what_is_no_order_and_no_report_is_broken(value: object) -> None:
    with pytest.raises(BrokenFrame, match="not an order"):
        read_order(pack(value))
    with pytest.raises(BrokenFrame, match="not a report"):
        read_report(pack(value))
