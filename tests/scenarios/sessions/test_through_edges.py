"""Sites whose engines cannot be reached from outside: what they share goes through their edges, over mutual TLS."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from redis import Redis

from tests.kit.redis import needs_redis
from tests.kit.waiting import wait_until
from tests.scenarios.sessions.sites import Site, two_sites_through_edges
from tests.scenarios.sessions.surviving import Pair, wait_until_same

KEYS = [f"session-{number}" for number in range(200)]


def tells_of_peers(site: Site) -> bool:
    """At least the line for what is urgent and the one for bulk, and nobody was refused."""
    number = {"wellington": 1, "auckland": 2}[site.name]
    lines = dict(line.rpartition(" ")[::2] for line in site.running.metrics().splitlines())
    connections = lines.get(f'steer_session_peer_connections{{site="{number}"}}', "0")
    return float(connections) >= 2 and lines[f'steer_session_peers_refused_total{{site="{number}"}}'] == "0.0"


@contextmanager
def both_doors(sites: Pair) -> Iterator[tuple[Redis, Redis]]:
    with sites[0].client() as here, sites[1].client() as there:
        yield here, there


def wait_until_met(sites: Pair) -> None:
    """Each reaches the other's engine."""
    for site in sites:
        wait_until(partial(has_met, site), "they have met", within=10)


def has_met(site: Site) -> bool:
    return [peer["problem"] for peer in peers(site)] == [""]


def peers(site: Site) -> list[dict[str, Any]]:
    """Empty until the store has spoken."""
    try:
        found: list[dict[str, Any]] = site.running.admin("/sessions")["peers"]
    except HTTPError as error:
        error.close()
        return []
    return found


def wait_until_known(door: Redis, key: str, value: bytes | None) -> None:
    wait_until(lambda: door.get(key) == value, f"{key} is {value!r}", within=10)


@needs_redis
def test_what_is_written_at_either_site_is_at_both_byte_for_byte(tmp_path: Path) -> None:
    with two_sites_through_edges(tmp_path, seal=True) as sites, both_doors(sites) as (here, there):
        for key in KEYS:
            here.set(key, "of-" + key, ex=600)
        there.hset("cart", mapping={"apples": "3"})
        wait_until_same(sites)
        assert len(sites[1].records()) == len(KEYS) + 1
        for site in sites:
            wait_until(partial(tells_of_peers, site), "its peers are counted")
        assert there.get(KEYS[0]) == b"of-" + KEYS[0].encode()
        there.delete(KEYS[0])
        wait_until_known(here, KEYS[0], None)


@needs_redis
def test_a_site_whose_redis_dies_is_served_by_the_other_one_and_catches_up(tmp_path: Path) -> None:
    with (
        two_sites_through_edges(tmp_path, acknowledge="all", on_timeout="degrade") as sites,
        sites[0].client() as here,
    ):
        wait_until_met(sites)
        here.set("before", "1", ex=600)
        sites[0].redis.kill()
        assert here.get("before") == b"1"
        here.set("meanwhile", "2", ex=600)
        assert here.get("meanwhile") == b"2"
        sites[0].redis.start()
        wait_until_same(sites)
        assert len(sites[0].records()) == 2


@needs_redis
def test_all_is_not_said_while_the_other_edge_hangs_and_what_waits_is_made_up_for(tmp_path: Path) -> None:
    promise: dict[str, Any] = {"acknowledge": "all", "on_timeout": "degrade", "timeout": "300ms"}
    with two_sites_through_edges(tmp_path, **promise) as sites, both_doors(sites) as (here, there):
        here.set("one", "1", ex=600)
        wait_until_known(there, "one", b"1")
        sites[1].running.process.send_signal(signal.SIGSTOP)
        here.set("two", "2", ex=600)
        assert here.get("two") == b"2"
        sites[1].running.process.send_signal(signal.SIGCONT)
        wait_until_known(there, "two", b"2")


def test_two_memories_are_kept_the_same_and_one_that_is_killed_takes_nothing_with_it(tmp_path: Path) -> None:
    with two_sites_through_edges(tmp_path, redis=False, acknowledge="all", on_timeout="degrade") as sites:
        wait_until_met(sites)
        with sites[0].client() as here:
            for key in KEYS:
                here.set(key, key, ex=600)
        sites[0].kill()
        (tmp_path / "wellington" / "state" / "sessions.log").unlink()
        with sites[1].client() as there:
            assert [there.get(key) for key in KEYS] == [key.encode() for key in KEYS]
            there.delete(KEYS[0])
            sites[0].start()
            with sites[0].client() as again:
                wait_until_known(again, KEYS[1], KEYS[1].encode())
                wait_until(lambda: again.exists(*KEYS) == len(KEYS) - 1, "all but one are back", within=20)
