"""Two sites as they run: doors' namespaces, shippers, gauges, and what happens when an engine or the line fails."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Literal

import pytest

from steer.clock import SystemClock
from steer.store.engine import Engine
from steer.store.errors import EngineDown, Fenced, Indeterminate, Late, StoreError, Unconfirmed
from steer.store.layout import Space
from steer.store.memory_engine import MemoryEngine
from steer.store.model import Assignment, How, Namespace, Written
from steer.store.namespace import Promise
from steer.store.redis_engine import RedisEngine
from steer.store.redis_link import RedisLink, RedisPlace
from steer.store.replication.replicator import Pace
from steer.store.site import Kept, Site
from steer.store.status import LinkStatus
from tests.kit.redis import RedisServer, needs_redis
from tests.kit.relay import Relay

pytestmark = needs_redis
PATIENCE = 10.0
QUICK = Pace(audit=2.0, settle=1.0, trim=0.1, sweep=2.0)


async def until(asked: Callable[[], Awaitable[bool]], what: str) -> None:
    """The condition is of another process, which has no event for it."""
    end = monotonic() + PATIENCE
    while not await asked():
        assert monotonic() < end, f"not in time: {what}"
        await asyncio.sleep(0.01)


def engine_at(url: str, timeout: float = 0.25) -> Engine:
    return RedisEngine(RedisLink(RedisPlace(url, timeout=timeout)))


@dataclass
class Two:
    """`line` is what site 1 reaches the Redis of site 2 through; the other way is direct."""

    one: Site
    two: Site
    servers: tuple[RedisServer, RedisServer]
    line: Relay

    @property
    def web(self) -> tuple[Namespace, Namespace]:
        return self.one.namespace("web"), self.two.namespace("web")


def site(number: int, own: str, peer: str, promise: Promise, max_pending: int = 10_000) -> Site:
    space = Space("web", number, (3 - number,), max_lifetime=3600.0, max_pending=max_pending, buckets=16)
    peers = {3 - number: engine_at(peer, 1.0)}
    return Site(number, engine_at(own), [Kept(space, promise)], SystemClock(), peers, QUICK)


@asynccontextmanager
async def two_sites(
    servers: tuple[RedisServer, RedisServer], promise: Promise | None = None, max_pending: int = 10_000
) -> AsyncIterator[Two]:
    promise = promise or Promise(timeout=0.5)
    async with AsyncExitStack() as stack:
        line = await stack.enter_async_context(Relay(servers[1].port))
        one = site(1, servers[0].url, line.url, promise, max_pending)
        two = site(2, servers[1].url, servers[0].url, promise, max_pending)
        for each in (one, two):
            stack.push_async_callback(each.close)
            await each.start()
        await until(lambda: is_shipping(one), "site 1 ships")
        await until(lambda: is_shipping(two), "site 2 ships")
        yield Two(one, two, servers, line)


async def link_of(site: Site) -> LinkStatus:
    return (await site.status()).spaces[0].links[0]


async def is_shipping(site: Site) -> bool:
    status = await site.status()
    return not status.problem and not status.spaces[0].links[0].problem


async def holds(namespace: Namespace, key: bytes, value: bytes | None) -> bool:
    try:
        record = await namespace.get(key)
    except StoreError:
        return False
    return (record.value if record else None) == value


async def test_each_site_has_what_the_other_wrote_and_what_it_ended(
    servers: tuple[RedisServer, RedisServer],
) -> None:
    async with two_sites(servers) as two:
        one, other = two.web
        await one.put(b"a", b"1", 60)
        await other.put(b"b", b"2", 60)
        await until(lambda: holds(other, b"a", b"1"), "a at 2")
        await until(lambda: holds(one, b"b", b"2"), "b at 1")
        await other.delete(b"a")
        await until(lambda: holds(one, b"a", None), "the end of a at 1")
        assert (await link_of(two.one)).out.writes == 0


async def test_the_lag_grows_while_the_line_is_cut_and_ends_when_it_is_mended(
    servers: tuple[RedisServer, RedisServer],
) -> None:
    async with two_sites(servers) as two:
        one, other = two.web

        async def canary_came() -> bool:
            return (await two.two.status()).peers[0].behind is not None

        await until(canary_came, "a canary at 2")
        two.line.cut()
        for n in range(3):
            await one.put(b"%d" % n, b"x", 60)
        await one.put(b"0", b"y", 60)

        async def lags() -> bool:
            link, peer = await link_of(two.one), (await two.two.status()).peers[0]
            has_grown = link.out.seconds > 1.0 and bool(peer.behind and peer.behind > 0.5)
            return has_grown and (link.out.writes, link.out.records) == (4, 3) and bool(link.problem)

        await until(lags, "the lag")
        assert (await two.one.status()).peers[0].problem
        two.line.mend()
        await until(lambda: holds(other, b"0", b"y"), "the write at 2")

        async def is_over() -> bool:
            link = await link_of(two.one)
            return (link.out.seconds, link.out.writes, link.problem) == (0.0, 0, "")

        await until(is_over, "the end of the lag")


async def test_a_peer_killed_in_the_middle_of_it_all_misses_nothing(
    servers: tuple[RedisServer, RedisServer],
) -> None:
    async with two_sites(servers) as two:
        one, other = two.web
        keys = [b"%d" % n for n in range(300)]
        for number, key in enumerate(keys):
            if number == 100:
                servers[1].kill()
            if number == 200:
                servers[1].start()
            if number == 250:
                servers[0].ask("SCRIPT FLUSH")
                servers[1].ask("SCRIPT FLUSH")
            await one.put(key, b"x", 60)

        async def all_there() -> bool:
            return all([await holds(other, key, b"x") for key in keys])

        await until(all_there, "everything at 2")


@pytest.mark.parametrize("on_timeout", ["error", "degrade"])
async def test_acknowledge_all_is_confirmed_or_says_that_it_is_not(
    servers: tuple[RedisServer, RedisServer], on_timeout: Literal["error", "degrade"]
) -> None:
    async with two_sites(servers, Promise("all", on_timeout, 0.3)) as two:
        one, other = two.web
        assert (await one.put(b"a", b"1", 60)).acknowledged == "all"
        assert await holds(other, b"a", b"1")
        two.line.hold()
        if on_timeout == "degrade":
            assert (await one.put(b"b", b"2", 60)).acknowledged == "local"
        else:
            with pytest.raises(Unconfirmed):
                await one.put(b"b", b"2", 60)
        assert await holds(one, b"b", b"2")
        two.line.mend()
        await until(lambda: holds(other, b"b", b"2"), "b at 2")


async def test_beyond_max_pending_only_a_write_that_every_site_confirms_is_taken(
    servers: tuple[RedisServer, RedisServer],
) -> None:
    async with two_sites(servers, Promise("local", "error", 0.3), max_pending=2) as two:
        one, _ = two.web
        two.line.cut()
        await one.put(b"a", b"1", 60)
        await one.put(b"b", b"1", 60)
        with pytest.raises(StoreError, match="2 writes wait for site 002"):
            await one.put(b"c", b"1", 60)
        with pytest.raises(Unconfirmed):
            await one.put(b"d", b"1", 60, How(acknowledge="all"))


async def test_where_going_on_comes_first_a_site_writes_on_beyond_max_pending(
    servers: tuple[RedisServer, RedisServer],
) -> None:
    async with two_sites(servers, Promise("local", "degrade", 0.3), max_pending=2) as two:
        one, other = two.web
        two.line.cut()
        for n in range(5):
            assert (await one.put(b"%d" % n, b"x", 60)).acknowledged == "local"
        assert (await one.put(b"all", b"x", 60, How(acknowledge="all"))).acknowledged == "local"
        two.line.mend()
        await until(lambda: holds(other, b"all", b"x"), "what was written meanwhile is at the other site")


async def test_a_planned_move_loses_nothing_fence_barrier_and_back(
    servers: tuple[RedisServer, RedisServer],
) -> None:
    async with two_sites(servers) as two:
        one, other = two.web
        two.line.delay = 0.02
        for n in range(200):
            await one.put(b"%d" % n, b"x", 60)
        await two.one.fence("web", "moved to site 2")
        with pytest.raises(Fenced, match="moved to site 2"):
            await one.put(b"late", b"x", 60)
        assert await two.one.barrier("web", 2, PATIENCE) == 0
        assert all([await holds(other, b"%d" % n, b"x") for n in range(200)])
        await two.one.fence("web", "")
        await one.put(b"again", b"x", 60)
        two.line.cut()
        await one.put(b"behind", b"x", 60)
        assert await two.one.barrier("web", 2, 0.1) >= 1


async def test_an_engine_that_hangs_costs_the_first_request_and_then_nobody_waits(
    servers: tuple[RedisServer, RedisServer],
) -> None:
    async with two_sites(servers) as two:
        one, other = two.web
        await one.put(b"sid", b"x", 60)
        await until(lambda: is_in(two.two, b"sid"), "sid in the engine of 2")
        servers[0].pause()
        try:
            assert await timed(lambda: holds(one, b"sid", b"x")) < 1.0
            assert await timed(lambda: holds(one, b"sid", b"x")) < 0.2
            assert [record and record.value for record in await one.get_all([b"sid", b"none"])] == [b"x", None]
            await one.put(b"sid", b"y", 60)
            assert await holds(other, b"sid", b"y")
            with pytest.raises((EngineDown, Late)):
                await one.locks.set(b"lock", b"mine", 60)
        finally:
            servers[0].go_on()
        await until(lambda: stands(two.one, "home"), "site 1 at home again")
        assert await holds(one, b"sid", b"y")
        await one.put(b"sid", b"z", 60)
        await until(lambda: holds(other, b"sid", b"z"), "the last write at 2")


async def test_a_write_that_this_site_may_have_is_not_called_refused_because_the_peer_refuses_it(
    servers: tuple[RedisServer, RedisServer],
) -> None:
    async with two_sites(servers) as two:
        two.line.cut()
        servers[0].pause()
        try:
            with pytest.raises(Indeterminate):
                await two.web[0].put(b"sid", b"x", 60)
        finally:
            servers[0].go_on()


async def test_of_several_writes_that_this_site_may_have_none_is_called_refused_because_the_peer_refuses_it(
    servers: tuple[RedisServer, RedisServer],
) -> None:
    async with two_sites(servers) as two:
        two.line.cut()
        servers[0].pause()
        try:
            done = await two.web[0].put_all([Assignment(b"%d" % n, b"x", 60) for n in range(5)])
            assert [type(each) for each in done] == [Indeterminate] * 5
        finally:
            servers[0].go_on()


async def test_several_writes_are_done_by_the_peer_while_the_own_engine_hangs(
    servers: tuple[RedisServer, RedisServer],
) -> None:
    async with two_sites(servers) as two:
        servers[0].pause()
        try:
            puts = [Assignment(b"%d" % n, b"x", 60) for n in range(5)]
            for _ in range(2):  # the first finds out, the next knows
                assert all(isinstance(each, Written) for each in await two.web[0].put_all(puts))
            assert [record and record.value for record in await two.web[1].get_all([put.key for put in puts])] == [
                b"x"
            ] * 5
        finally:
            servers[0].go_on()


async def is_in(site: Site, key: bytes) -> bool:
    """In its own engine: a site that knows nothing of a record yet asks the other one."""
    space = Space("web", site.number, (3 - site.number,), buckets=16)
    return (await site.engine.states(space, [key]))[0] is not None


async def timed(asked: Callable[[], Awaitable[bool]]) -> float:
    before = monotonic()
    assert await asked()
    return monotonic() - before


async def stands(site: Site, standing: str) -> bool:
    return (await site.status()).standing == standing


async def test_an_engine_that_lost_all_its_data_serves_the_peers_and_gets_them_back(
    servers: tuple[RedisServer, RedisServer],
) -> None:
    async with two_sites(servers) as two:
        one, other = two.web
        keys = [b"%d" % n for n in range(50)]
        for key in keys:
            await one.put(key, b"x", 60)
        assert await two.one.barrier("web", 2, PATIENCE) == 0
        servers[0].kill()
        shutil.rmtree(servers[0].folder / "appendonlydir")
        servers[0].start()
        assert {record and record.value for record in await one.get_all(keys)} == {b"x"}
        assert all([await holds(one, key, b"x") for key in keys])
        bare = engine_at(servers[0].url)
        space = Space("web", 1, (2,), max_lifetime=3600.0, buckets=16)

        async def all_back() -> bool:
            return None not in await bare.states(space, keys)

        await until(all_back, "everything back at 1")
        await until(lambda: stands(two.one, "home"), "site 1 at home")
        await one.put(b"new", b"x", 60)
        await until(lambda: holds(other, b"new", b"x"), "a new write at 2")
        await bare.close()


async def test_what_an_engine_forgot_in_a_restart_comes_back_from_the_peer(
    servers: tuple[RedisServer, RedisServer], tmp_path: Path
) -> None:
    """As a replica that is promoted without the last writes: its cursors and sequences say that all is well."""
    async with two_sites(servers) as two:
        one, _ = two.web
        await one.put(b"first", b"x", 60)
        assert await two.one.barrier("web", 2, PATIENCE) == 0
        shutil.copytree(servers[0].folder / "appendonlydir", tmp_path / "old")
        await one.put(b"second", b"acknowledged", 60)
        assert await two.one.barrier("web", 2, PATIENCE) == 0
        servers[0].kill()
        shutil.rmtree(servers[0].folder / "appendonlydir")
        shutil.copytree(tmp_path / "old", servers[0].folder / "appendonlydir")
        servers[0].start()
        bare = engine_at(servers[0].url)
        space = Space("web", 1, (2,), max_lifetime=3600.0, buckets=16)

        async def is_back() -> bool:
            return (await bare.states(space, [b"second"]))[0] is not None

        await until(is_back, "the write at 1")
        await bare.close()


async def test_of_two_edges_over_one_redis_one_replicates_and_the_other_takes_over(
    servers: tuple[RedisServer, RedisServer],
) -> None:
    async with two_sites(servers) as two:
        twin = site(1, servers[0].url, servers[1].url, Promise())
        await twin.start()
        try:
            await twin.namespace("web").put(b"a", b"1", 60)
            await until(lambda: holds(two.web[1], b"a", b"1"), "a at 2")
            assert (await link_of(two.one)).is_ours
            assert not (await link_of(twin)).is_ours
            two.line.cut()
            await two.one.close()

            async def takes_over() -> bool:
                return (await link_of(twin)).is_ours

            await until(takes_over, "the twin takes over")
            await twin.namespace("web").put(b"b", b"2", 60)
            await until(lambda: holds(two.web[1], b"b", b"2"), "b at 2")
        finally:
            await twin.close()


async def test_an_audit_finds_what_nobody_told_of(servers: tuple[RedisServer, RedisServer]) -> None:
    async with two_sites(servers) as two:
        one, other = two.web

        async def has_begun() -> bool:
            return all([(await link_of(each)).tally.backfills for each in (two.one, two.two)])

        await until(has_begun, "both have looked at what there is")
        await one.put(b"a", b"1", 600)
        assert await two.one.barrier("web", 2, PATIENCE) == 0
        bucket = Space("web", 2, buckets=16).bucket_of(b"a")
        assert servers[1].ask(f"DEL {{web:b{bucket:04d}}}:r:a") == ":1"
        await until(lambda: holds(other, b"a", b"1"), "a at 2 again")
        assert sum([(await link_of(each)).tally.repaired for each in (two.one, two.two)]) == 1


async def test_two_edges_with_their_own_memory_are_two_sites_like_any_others() -> None:
    engines = {1: MemoryEngine(), 2: MemoryEngine()}
    spaces = {number: Space("web", number, (3 - number,), buckets=16) for number in engines}
    sites = [
        Site(number, engine, [Kept(spaces[number], Promise())], SystemClock(), {3 - number: engines[3 - number]}, QUICK)
        for number, engine in engines.items()
    ]
    for each in sites:
        await each.start()
    await sites[0].namespace("web").put(b"a", b"1", 60)
    await until(lambda: holds(sites[1].namespace("web"), b"a", b"1"), "a at 2")
    for each in sites:
        await each.close()
