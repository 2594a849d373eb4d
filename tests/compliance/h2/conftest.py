"""One edge that speaks HTTP/2, and one origin that speaks HTTP/1.1, for all tests in this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.compliance.h2.place import H2Place, listeners
from tests.kit.certificates import Authority
from tests.kit.edge import HOST, configuration, running_edge
from tests.kit.origin import Origin


@pytest.fixture(scope="session")
def shared_h2_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[H2Place]:
    folder = tmp_path_factory.mktemp("edge")
    authority = Authority(folder)
    with Origin() as origin:
        tree = configuration({"one": origin.port}, **listeners(authority))
        tree["pools"]["web"] |= {"retries": {"attempts": 0}, "timeouts": {"response_head": "10s"}}
        tree["services"]["www"]["hostnames"] = [HOST, "other.agency.example"]
        with running_edge(folder, tree) as edge:
            yield H2Place(edge, origin, authority)


@pytest.fixture
def place(shared_h2_place: H2Place) -> H2Place:
    """The same for every test, except that what came before does not count."""
    shared_h2_place.begin()
    return shared_h2_place
