"""Debug hostnames: always one datacentre, whatever its state."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.scenarios.town import PINNED, Town, configuration, town

PRIVATE = "stack-private.cwp.example"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    tree = configuration(2)
    tree["services"]["www"]["pinned_hostnames"][PRIVATE] = {"datacentre": "auckland", "allow": ["127.0.0.2/32"]}
    tree["groups"]["website"]["safety"] = {"pause": "0s"}
    with town(tmp_path_factory.mktemp("town"), tree) as place:
        yield place


@pytest.fixture
def auckland_down(place: Town) -> Iterator[Town]:
    origin = place.origins["akl-1"]
    origin.kill()
    yield place
    origin.start()
    origin.wait_until_listening()


async def test_it_never_leaves_its_datacentre_and_says_where_it_was(place: Town) -> None:
    answers = [await place.edge.ask(host=PINNED) for _ in range(50)]
    assert {(a.status, a.datacentre, a.node, a.reason) for a in answers} == {(200, "auckland", "akl-1", "pinned")}
    assert {a.datacentre for a in [await place.edge.ask(host="stack.cwp.example") for _ in range(50)]} == {"wellington"}


async def test_it_reaches_a_drained_datacentre(place: Town) -> None:
    drain = {"kind": "drain", "target": {"datacentre": "auckland"}, "reason": "test"}
    override = await place.edge.api("/overrides", "POST", **drain)
    assert {a.datacentre for a in [await place.edge.ask() for _ in range(30)]} == {"wellington"}
    assert (await place.edge.ask(host=PINNED)).node == "akl-1"
    await place.edge.api(f"/overrides/{override['id']}", "DELETE", reason="test")


async def test_nobody_but_those_allowed_may_use_it(place: Town) -> None:
    refused = await place.edge.ask(host=PRIVATE, source="127.0.0.1")
    assert (refused.status, refused.error, refused.node) == (403, "not_allowed", "")
    assert (await place.edge.ask(host=PRIVATE, source="127.0.0.2")).node == "akl-1"


async def test_with_its_datacentre_down_it_says_so_and_goes_nowhere_else(auckland_down: Town) -> None:
    edge = auckland_down.edge
    for _ in range(20):
        answer = await edge.ask(host=PINNED)
        assert (answer.status, answer.error, answer.datacentre) == (503, "no_node_here", "")
        assert int(answer.fields["retry-after"]) > 0
    assert {a.datacentre for a in [await edge.ask() for _ in range(20)]} == {"wellington"}


async def test_what_happens_on_it_is_no_evidence(auckland_down: Town) -> None:
    before = await auckland_down.edge.node("akl-1")
    for _ in range(20):
        assert (await auckland_down.edge.ask(host=PINNED)).status == 503
    assert (await auckland_down.edge.node("akl-1"))["state"] == before["state"]
