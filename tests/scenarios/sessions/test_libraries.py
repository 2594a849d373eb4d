"""A PHP application on the RESP door of a real edge with a real Redis; `scripts/compliance sessions` has the others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis import Redis

from tests.kit.application import Visitor, has_phpredis, php, running
from tests.kit.edge import HOST, bind, configuration, free_port, running_edge
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
    tree["services"]["www"]["affinity"] = {"cookie": "steer"}
    tree["sessions"] = {"doors": {"resp": {"bind": door}}, "namespaces": {"web": {"seal": True}}}
    number = int(door.rpartition(":")[2])
    with RedisServer(folder / "redis") as redis:
        tree["datacentres"]["wellington"]["redis"] = {"url": redis.url}
        node = running(php(), number, port, folder / "php.log")
        with running_edge(folder, tree) as edge, node, Redis(port=number) as client:
            yield Place(php(), port, client, edge.port())


@pytest.mark.parametrize("check", {**CHECKS, **LOCKING}.values(), ids={**CHECKS, **LOCKING}.keys())
def test_phps_session_handler(check: object, place: Place) -> None:
    assert callable(check)
    check(place)


def test_the_cookies_of_silverstripes_hybrid_sessions_pass_both_ways_unmerged_and_in_order(place: Place) -> None:
    visitor = Visitor(place.edge, HOST)
    visitor.cookies = {"first": "1", "PHPSESSID_2": "b2xk", "last": '"a b"'}
    answer = visitor.ask("/hybrid")
    assert answer.all("X-Seen") == ['first=1; PHPSESSID_2=b2xk; last="a b"']
    assert [line.partition("=")[0] for line in answer.all("Set-Cookie")] == ["PHPSESSID", "PHPSESSID_2", "steer"]
    visitor.login("ann")
    straight = Visitor(place.port)
    straight.cookies = {name: value for name, value in visitor.cookies.items() if name != "steer"}
    assert visitor.ask("/hybrid").all("Set-Cookie") == straight.ask("/hybrid").all("Set-Cookie")
