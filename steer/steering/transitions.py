"""The states of a node as a table. A pair that is not in it cannot happen: looking it up raises KeyError.

             failures, check fell                time served
    serving ---------------------->  ejected  ----------------->  probing
       ^                                ^                            |
       |                                |        trial failed        |
       |                                +----------------------------+
       |              trials passed, first check passed, no trial came
       +-------------------------------------------------------------+

An operator ejects and restores from any state. When it turns out that the edge itself was cut off, what it ejected
meanwhile is serving again.
"""

from __future__ import annotations

from enum import StrEnum

from steer.steering.snapshot import NodeState


class Input(StrEnum):
    """What moves a node."""

    TOO_MANY_FAILURES = "too many failures"
    CHECK_FELL = "check fell"
    TIME_SERVED = "time served"
    TRIALS_PASSED = "trials passed"
    TRIAL_FAILED = "trial failed"
    NO_TRIAL_CAME = "no trial came"
    STANDBY_PASSED = "its check passed, and no request goes there"
    FIRST_CHECK_PASSED = "first check passed"
    OPERATOR_EJECTED = "operator ejected"
    OPERATOR_RESTORED = "operator restored"
    EDGE_WAS_ISOLATED = "edge was isolated"


TRANSITIONS = {
    (NodeState.SERVING, Input.TOO_MANY_FAILURES): NodeState.EJECTED,
    (NodeState.SERVING, Input.CHECK_FELL): NodeState.EJECTED,
    (NodeState.SERVING, Input.OPERATOR_EJECTED): NodeState.EJECTED,
    (NodeState.SERVING, Input.OPERATOR_RESTORED): NodeState.SERVING,
    (NodeState.EJECTED, Input.TIME_SERVED): NodeState.PROBING,
    (NodeState.EJECTED, Input.OPERATOR_EJECTED): NodeState.EJECTED,
    (NodeState.EJECTED, Input.OPERATOR_RESTORED): NodeState.SERVING,
    (NodeState.EJECTED, Input.EDGE_WAS_ISOLATED): NodeState.SERVING,
    (NodeState.PROBING, Input.TRIALS_PASSED): NodeState.SERVING,
    (NodeState.PROBING, Input.TRIAL_FAILED): NodeState.EJECTED,
    (NodeState.PROBING, Input.NO_TRIAL_CAME): NodeState.SERVING,
    (NodeState.EJECTED, Input.STANDBY_PASSED): NodeState.SERVING,
    (NodeState.PROBING, Input.STANDBY_PASSED): NodeState.SERVING,
    (NodeState.PROBING, Input.FIRST_CHECK_PASSED): NodeState.SERVING,
    (NodeState.PROBING, Input.OPERATOR_EJECTED): NodeState.EJECTED,
    (NodeState.PROBING, Input.OPERATOR_RESTORED): NodeState.SERVING,
}
