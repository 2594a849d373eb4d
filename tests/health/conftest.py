from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.health.nodes import Certificate, Nodes, make_certificate


@pytest.fixture
async def nodes() -> AsyncIterator[Nodes]:
    nodes = Nodes()
    yield nodes
    await nodes.stop()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls") / "node.pem")
