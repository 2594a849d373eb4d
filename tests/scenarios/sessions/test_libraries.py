"""A PHP application on the RESP door of a real edge with a real Redis; `scripts/compliance sessions` has the others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis import Redis

from tests.kit.application import has_phpredis, php, running
from tests.kit.edge import bind, configuration, free_port, running_edge
from tests.kit.redis import RedisServer, needs_redis
from tests.kit.session_checks import CHECKS, LOCKING, Place

pytestmark = [
    needs_redis,
    pytest.mark.skipif(not has_phpredis(), reason="php with its redis extension is not installed (php-cli, php-redis)"),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("edge")
    door, port = bind(), free_port()
    tree = configuration({"wellington": port, "auckland": port})
    tree["edge"]["datacentre"] = "wellington"
    tree["sessions"] = {"doors": {"resp": {"bind": door}}, "namespaces": {"web": {"seal": True}}}
    number = int(door.rpartition(":")[2])
    with RedisServer(folder / "redis") as redis:
        tree["datacentres"]["wellington"]["redis"] = {"url": redis.url}
        with running_edge(folder, tree), running(php(), number, port, folder / "php.log"), Redis(port=number) as client:
            yield Place(php(), port, client)


@pytest.mark.parametrize("check", {**CHECKS, **LOCKING}.values(), ids={**CHECKS, **LOCKING}.keys())
def test_phps_session_handler(check: object, place: Place) -> None:
    assert callable(check)
    check(place)
