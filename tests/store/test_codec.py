"""What an engine keeps of a state."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steer.store.codec import HEAD, HEAD_SIZE, Malformed, Request, pack, unpack, unpack_requests
from steer.store.state import State
from tests.store.states import states

number = st.integers(0, 65_535)
requests = st.builds(
    Request, st.binary(min_size=8, max_size=8), st.integers(0, 2**41), st.integers(0, 4095), number, number
)


@given(states)
def test_a_state_comes_back_as_it_was(state: State) -> None:
    assert unpack(pack(state)) == state
    assert len(pack(state)[HEAD]) == HEAD_SIZE


@given(st.lists(requests, max_size=8))
def test_the_requests_known_come_back(known: list[Request]) -> None:
    assert unpack_requests(b"".join(each.packed() for each in known)) == known


@given(states, st.lists(requests, max_size=3))
def test_requests_behind_the_head_do_not_matter_to_the_state(state: State, known: list[Request]) -> None:
    packed = pack(state)
    packed[HEAD] += b"".join(each.packed() for each in known)
    assert unpack(packed) == state


@pytest.mark.parametrize("packed", [{}, {HEAD: b""}, {HEAD: b"Q" + b"0" * 53}, {HEAD: b"S" + b"x" * 53}])
def test_a_hash_that_is_no_record_is_refused(packed: dict[bytes, bytes]) -> None:
    with pytest.raises(Malformed):
        unpack(packed)


def test_a_field_that_is_none_is_refused() -> None:
    with pytest.raises(Malformed, match="no field"):
        unpack({**pack(State()), b"f:a": b"12345"})
