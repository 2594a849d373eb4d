"""Conversations that are known by a key, at edges that share them through the store."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote

from tests.kit.edge import Tree, bind, free_port, running_edge
from tests.kit.processes import children
from tests.kit.redis import RedisServer, needs_redis
from tests.kit.waiting import wait_until
from tests.scenarios.affinity import KEY_HOST, Place, place_of, reason_of, service, site_of, tree_of

pytestmark = needs_redis

AFFINITY = {"header": "X-Conversation-Id", "idle": "20m", "ends_with": {"request_header": "X-Conversation-End"}}
PROMISE = 1.0
"""Seconds after which every edge knows."""
Pair = tuple[Place, Place]


def tree(common: Tree, datacentre: str, engines: dict[str, str]) -> Tree:
    """New clients of an edge stay mostly in its own datacentre: what is bound elsewhere is so by affinity."""
    other = "two" if datacentre == "one" else "one"
    places = {name: {**common["datacentres"][name], "redis": {"url": url}} for name, url in engines.items()}
    return {
        **common,
        "edge": {**common["edge"], "name": f"edge-{free_port()}", "datacentre": datacentre},
        "listeners": [{"name": "http", "bind": bind()}],
        "admin": {**common["admin"], "bind": bind()},
        "datacentres": {**common["datacentres"], **places},
        "groups": {"website": {**common["groups"]["website"], "weights": {datacentre: 1000, other: 1}}},
        "sessions": {"doors": {"resp": {"bind": bind()}}, "namespaces": {"web": {}}},
    }


@contextmanager
def edges(folder: Path, sites: tuple[str, str], engines: dict[str, str], workers: tuple[int, int]) -> Iterator[Pair]:
    common = tree_of({"chat": service(KEY_HOST, AFFINITY)})
    trees = [tree(common, site, engines) for site in sites]
    with (
        place_of(folder / "a", trees[0], workers[0]) as first,
        running_edge(folder / "b", trees[1], workers[1]) as edge,
    ):
        yield first, Place(edge, first.origins, first.ports)


def ask(place: Place, key: str, *fields: str) -> tuple[str, str]:
    answer = place.ask(KEY_HOST, f"X-Conversation-Id: {key}", *fields)
    return site_of(answer), reason_of(answer)


def knows(place: Place, key: str) -> bool:
    """As its control process tells: asking would make it known."""
    header = quote(f"X-Conversation-Id: {key}")
    found = place.edge.admin(f"/explain?host={KEY_HOST}&header={header}")
    return bool(found["verdict"]["reason"] == "affinity")


def learned_at(first: Place, second: Place, key: str) -> None:
    """From one edge to the other in time, with its datacentre, and its end."""
    bound, reason = ask(first, key)
    assert reason == "learned"
    began = time.monotonic()
    wait_until(lambda: knows(second, key), f"{key} is known", within=PROMISE)
    time.sleep(max(0.0, began + PROMISE - time.monotonic()))  # the promise: to ask sooner could be a claim of its own
    assert ask(second, key) == (bound, "affinity")
    assert ask(second, key, "X-Conversation-End: 1") == (bound, "affinity")
    wait_until(lambda: not knows(first, key), f"{key} has ended", within=PROMISE)


def agree_upon_what_both_saw_at_once(pair: Pair) -> None:
    keys = [f"at-once-{number}" for number in range(5)]
    with ThreadPoolExecutor(2) as threads:
        for key in keys:
            here, there = threads.map(lambda place, key=key: ask(place, key), pair)
            assert {here[1], there[1]} <= {"learned", "affinity"}
    wait_until(lambda: all(ask(pair[0], key) == ask(pair[1], key) for key in keys), "both agree")


def kill_store(place: Place) -> None:
    killed = store_of(place)
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: store_of(place) not in (0, killed), "another store process")


def store_of(place: Place) -> int:
    found = children(place.edge.process.pid).items()
    return next((pid for pid, name in found if name == "steer store"), 0)


def have_met(pair: Pair) -> None:
    for key, here, there in (("hello", *pair), ("hello-back", *pair[::-1])):
        ask(here, key)
        wait_until(partial(knows, there, key), "the edges have met")


def test_two_edges_over_two_redis_know_each_others_conversations_whatever_is_killed(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "redis-1") as one, RedisServer(tmp_path / "redis-2") as two:
        engines = {"one": one.url, "two": two.url}
        with edges(tmp_path, ("one", "two"), engines, (1, 0)) as pair:
            first, second = pair
            have_met(pair)
            learned_at(first, second, "there")
            agree_upon_what_both_saw_at_once(pair)
            kill_store(first)
            bound, _ = ask(first, "while-away")
            assert ask(first, "while-away") == (bound, "affinity")
            wait_until(lambda: knows(second, "while-away"), "what waited is written")
            learned_at(second, first, "afterwards")


def test_two_edges_over_one_redis_know_each_others_conversations_also_when_it_was_lost(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "redis") as redis, edges(tmp_path, ("one", "one"), {"one": redis.url}, (0, 0)) as pair:
        first, second = pair
        have_met(pair)
        learned_at(first, second, "there")
        agree_upon_what_both_saw_at_once(pair)
        redis.kill()
        bound, _ = ask(first, "while-away")
        assert ask(first, "while-away") == (bound, "affinity")
        redis.start()
        wait_until(lambda: knows(second, "while-away"), "what waited is written")
