"""One edge and one origin for all of tests/compliance: each case has a path of its own, so none meets another."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.compliance.place import Place, listeners
from tests.kit.certificates import Authority
from tests.kit.edge import configuration, running_edge
from tests.kit.origin import Origin


@pytest.fixture(scope="session")
def shared_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("edge")
    authority = Authority(folder)
    with Origin() as origin:
        tree = configuration({"one": origin.port}, **listeners(authority))
        tree["pools"]["web"] |= {"retries": {"attempts": 0}, "timeouts": {"response_head": "10s"}}
        impatient = {**tree["pools"]["web"], "timeouts": {"response_head": "500ms", "idle": "500ms"}}
        impatient["nodes"] = {"one": [{"name": "impatient-1", "address": f"http://127.0.0.1:{origin.port}"}]}
        tree["pools"]["impatient"] = impatient
        service = tree["services"]["www"]
        service["hostnames"] = ["www.agency.example", "other.agency.example"]
        service["routes"] = [{"path": "/", "pool": "web"}, {"path": "/impatient", "pool": "impatient"}]
        with running_edge(folder, tree) as edge:
            yield Place(edge, origin, authority)


@pytest.fixture
def place(shared_place: Place) -> Place:
    """The same for every test, except that what came before does not count."""
    shared_place.begin()
    return shared_place
