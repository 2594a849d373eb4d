"""What holds for any history of a node."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from steer.steering.model import Outcome
from steer.steering.snapshot import NodeState
from tests.steering.history import History
from tests.steering.towns import town

NODES = ("wlg-1", "wlg-2", "akl-1")

happening = st.one_of(
    st.tuples(st.just("fail"), st.sampled_from(NODES), st.sampled_from(Outcome)),
    st.tuples(st.just("error"), st.sampled_from(NODES), st.integers(1, 8)),
    st.tuples(st.just("succeed"), st.sampled_from(NODES), st.integers(1, 50)),
    st.tuples(st.just("check"), st.sampled_from(NODES), st.booleans()),
    st.tuples(st.just("trial"), st.sampled_from(NODES), st.sampled_from(Outcome)),
    st.tuples(st.just("wait"), st.sampled_from(NODES), st.floats(0.01, 400)),
    st.tuples(st.just("drain"), st.sampled_from(NODES), st.booleans()),
    st.tuples(st.just("restore"), st.sampled_from(NODES), st.none()),
    st.tuples(st.just("restart"), st.sampled_from(NODES), st.booleans()),
)
histories = st.lists(happening, max_size=40)


def live(history: History, happenings: Sequence[tuple[str, str, object]]) -> History:
    for kind, node, value in happenings:
        match kind, value:
            case "fail", Outcome():
                history.fail(node, 1, value)
            case "error", int():
                history.error(node, value)
            case "succeed", int():
                history.succeed(node, value)
            case "check", bool():
                history.check(node, value)
            case "trial", Outcome():
                history.trial(node, value)
            case "wait", float():
                history.wait(value)
            case "drain", bool():
                history.ledger.drain(node, value, history.now, history.mono)
            case "restore", None:
                history.ledger.restore(node, history.now, history.mono)
            case "restart", bool():
                history = history.restart(asleep=3, reboot=value)
    return history


@given(histories, st.booleans(), st.booleans())
def test_a_node_that_recovered_never_stays_out(
    happenings: list[tuple[str, str, object]], checked: bool, has_traffic: bool
) -> None:
    """Whatever happened: with checks that pass from now on, and with or without trials, it serves within bounds."""
    history = live(History(town(2, 1, checked=checked)), happenings)
    for node in NODES:
        history.ledger.drain(node, False, history.now, history.mono)
        history.check(node, passed=True, times=2)
    for _ in range(610 if not has_traffic else 310):
        history.wait(1.0)
        for node in NODES if has_traffic else ():
            if history.state(node) is NodeState.PROBING:
                history.trial(node)
    assert {history.state(node) for node in NODES} == {NodeState.SERVING}
    assert not any(history.status(node).held for node in NODES)


@given(histories)
def test_at_every_step_the_status_of_a_node_makes_sense(happenings: list[tuple[str, str, object]]) -> None:
    history = History(town(2, 1, checked=True))
    for each in happenings:
        history = live(history, [each])
        statuses = history.ledger.statuses().values()
        for status in statuses:
            assert (status.until is not None) == (status.state is NodeState.EJECTED)
            assert not (status.held and status.state is NodeState.SERVING)
            assert not (status.trial and status.state is not NodeState.PROBING)
            assert not (status.held and status.drained)
        available = [each for each in statuses if each.state is NodeState.SERVING and not each.drained]
        assert not (available and any(status.held for status in statuses))


@given(histories)
def test_5xx_alone_leave_half_of_a_datacentre_that_has_more_than_one_node(
    happenings: list[tuple[str, str, object]],
) -> None:
    history = History(town(2, 1))
    live(history, [each for each in happenings if each[0] in ("error", "succeed")])
    assert NodeState.SERVING in (history.state("wlg-1"), history.state("wlg-2"))


@given(histories)
def test_a_restart_changes_no_state(happenings: list[tuple[str, str, object]]) -> None:
    history = live(History(town(2, 1, checked=True)), happenings)
    after = history.restart(reboot=True)
    assert {name: (status.state, status.times, status.drained) for name, status in after.ledger.statuses().items()} == {
        name: (status.state, status.times, status.drained) for name, status in history.ledger.statuses().items()
    }
