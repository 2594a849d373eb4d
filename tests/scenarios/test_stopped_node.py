"""A node that takes connections and never answers: SIGSTOP."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios.town import configuration, town
from tests.scenarios.traffic import Load

NODE = "wlg-1"


@pytest.mark.parametrize("options", [(), ("--workers", "0")], ids=["4 workers", "no workers"])
async def test_a_stopped_node_costs_a_second_and_no_request(tmp_path: Path, options: tuple[str, ...]) -> None:
    tree = configuration()
    tree["pools"]["web"] |= {"timeouts": {"response_head": "1s"}, "retries": {"on_timeout": True}}
    with town(tmp_path, tree, *options) as place:
        async with Load(place.edge.port()) as load:
            await load.wait_for(200)
            place.origins[NODE].stop()
            await place.edge.wait_for_node(NODE, "ejected")
            await load.wait_for(600)
    assert [answer.failure for answer in load.answers if answer.failure] == []
    assert load.slowest_but(0.01) < 1.3
    assert load.slowest_but(0.01) > 0.9
