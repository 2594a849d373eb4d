"""What waited, and whether it may still go. That it goes nowhere else is a property in test_modes_properties.py."""

from __future__ import annotations

import pytest

from steer.steering.model import Verdict
from steer.steering.permission import may_still_go
from steer.steering.snapshot import Snapshot
from tests.steering.towns import AUCKLAND, WELLINGTON, passive, positioned, request_for, tables_of


@pytest.mark.parametrize(
    ("now", "may"),
    [
        (positioned(at=AUCKLAND), True),
        (positioned(at=AUCKLAND, arriving={WELLINGTON: 25, AUCKLAND: 75}), True),
        (positioned(at=AUCKLAND, arriving={WELLINGTON: 100, AUCKLAND: 0}), False),
        (positioned(at=WELLINGTON), False),
    ],
    ids=["it is there", "some go there", "nobody goes there any more", "it is elsewhere"],
)
def test_while_a_group_returns_what_waited_goes_where_it_was_as_long_as_others_do(now: Snapshot, may: bool) -> None:
    tables = tables_of(passive(), now)
    node = next(node for node in tables.topology.nodes if node.datacentre == AUCKLAND)
    assert may_still_go(tables, request_for(tables), Verdict(node, ("at",))) is may
