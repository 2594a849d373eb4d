from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steer.runtime.orders import Order
from steer.runtime.slots import changes, helpers


@pytest.mark.parametrize(
    ("able", "helping"),
    [
        pytest.param([True, True], {}, id="all well"),
        pytest.param([False, True], {0: 1}, id="the neighbour helps"),
        pytest.param([True, True, False], {2: 0}, id="counting goes round"),
        pytest.param([False, False, True, True], {0: 2, 1: 2}, id="the next that is able"),
        pytest.param([False, True, False, True], {0: 1, 2: 3}, id="each neighbour one"),
        pytest.param([False], {}, id="nobody to help"),
        pytest.param([False, False], {}, id="nobody able"),
    ],
)
def test_a_slot_goes_to_the_next_worker_that_is_able(able: list[bool], helping: dict[int, int]) -> None:
    assert helpers(able) == helping


sharings = st.dictionaries(st.integers(0, 5), st.integers(0, 5))


@given(sharings, sharings)
def test_changes_lead_from_any_sharing_to_any_other_and_leave_no_slot_alone(
    now: dict[int, int], wanted: dict[int, int]
) -> None:
    accepting = {(worker, slot) for slot, worker in now.items()}
    for worker, order, slot in changes(now, wanted):
        if order is Order.ACCEPT:
            accepting.add((worker, slot))
        else:
            accepting.remove((worker, slot))
        assert all(any(slot == taken for _, taken in accepting) for slot in now.keys() & wanted.keys())
    assert accepting == {(worker, slot) for slot, worker in wanted.items()}
