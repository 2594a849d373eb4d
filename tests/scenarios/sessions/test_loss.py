"""A PHP application behind both datacentres: who has logged in stays so, whatever is lost; who has logged out, too."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.application import has_phpredis, php
from tests.kit.redis import needs_redis
from tests.kit.waiting import until
from tests.scenarios.sessions.sites import two_sites, two_sites_that_can_be_parted
from tests.scenarios.sessions.surviving import browser, goes_on_without_its_redis, keep_apart, nodes_of, site_is_lost

pytestmark = [
    needs_redis,
    pytest.mark.skipif(not has_phpredis(), reason="php with its redis extension is not installed (php-cli, php-redis)"),
]


def test_a_login_survives_the_loss_of_the_whole_home_site(tmp_path: Path) -> None:
    """`acknowledge: all`: the login was answered when both sites had it."""
    with two_sites(tmp_path, seal=True, acknowledge="all") as sites, nodes_of(php(), sites) as nodes:
        keep_apart(sites)
        visitor = browser(sites[0])
        assert visitor.login("ann") == "ann"
        assert [visitor.count(), visitor.count()] == ["1", "2"]
        site_is_lost(sites, nodes)
        visitor.port = sites[1].running.port()
        assert visitor.who() == "ann"
        assert visitor.count() == "3"


def test_the_application_goes_on_without_its_redis_and_both_hold_the_same_afterwards(tmp_path: Path) -> None:
    with two_sites(tmp_path, seal=True) as sites:
        goes_on_without_its_redis(php(), sites)


async def test_a_logout_where_the_session_has_not_yet_come_ends_it_at_both_sites(tmp_path: Path) -> None:
    async with two_sites_that_can_be_parted(tmp_path) as (sites, lines):
        wellington, auckland = sites
        with nodes_of(php(), sites), auckland.client() as door:
            for line in lines:
                line.cut()
            keep_apart(sites)
            visitor = browser(wellington)
            assert visitor.login("ann") == "ann"
            key = f"PHPREDIS_SESSION:{visitor.cookies['PHPSESSID']}"
            assert door.delete(key) == 0
            for line in lines:
                line.mend()
            await until(lambda: wellington.records() == auckland.records(), "both know the same", within=30)
            assert not door.exists(key)
            assert visitor.who() == "nobody"
            visitor.port = auckland.running.port()
            assert visitor.who() == "nobody"
