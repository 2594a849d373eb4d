from __future__ import annotations

from itertools import product

import pytest

from steer.steering import transitions
from steer.steering.snapshot import NodeState
from steer.steering.transitions import TRANSITIONS, Input

IMPOSSIBLE = [pair for pair in product(NodeState, Input) if pair not in TRANSITIONS]


def test_every_state_can_be_left_and_reached() -> None:
    assert {state for state, _ in TRANSITIONS} == set(NodeState)
    assert set(TRANSITIONS.values()) == set(NodeState)


def test_an_ejected_node_serves_again_through_probing_with_three_exceptions() -> None:
    back = {why for (state, why), after in TRANSITIONS.items() if state is NodeState.EJECTED and after != state}
    assert back == {Input.TIME_SERVED, Input.OPERATOR_RESTORED, Input.EDGE_WAS_ISOLATED, Input.STANDBY_PASSED}


@pytest.mark.parametrize("state", NodeState)
def test_an_operators_word_holds_in_every_state(state: NodeState) -> None:
    assert TRANSITIONS[state, Input.OPERATOR_EJECTED] is NodeState.EJECTED
    assert TRANSITIONS[state, Input.OPERATOR_RESTORED] is NodeState.SERVING


@pytest.mark.parametrize(("state", "why"), IMPOSSIBLE)
def test_what_is_not_in_the_table_cannot_happen(state: NodeState, why: Input) -> None:
    with pytest.raises(KeyError):
        TRANSITIONS[state, why]


def test_the_drawing_names_every_state() -> None:
    assert transitions.__doc__ is not None
    assert all(state in transitions.__doc__ for state in NodeState)
