"""A browser whose session is mapped by its cookie comes to another datacentre: its session is there before it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.kit.redis import needs_redis
from tests.scenarios.processes import children, until
from tests.scenarios.sessions.node import COOKIE, PREFIX, Node
from tests.scenarios.sessions.sites import Site, two_sites
from tests.scenarios.traffic import Connection, Response

pytestmark = needs_redis

MAPPED = {"seal": True, "session_cookie": {"name": COOKIE, "key": PREFIX + "{value}"}}
CLIENTS = 1_000
AT_ONCE = 50
WAIT = 0.5
"""Seconds that a request may wait for its session, on a busy machine."""


class Browser:
    """One session, and what binds it to its datacentre."""

    def __init__(self, session: str) -> None:
        self.session = session
        self.affinity = ""

    async def ask(self, site: Site, **fields: str) -> Response:
        cookies = [f"{COOKIE}={self.session}", *([self.affinity] if self.affinity else [])]
        given = {"Cookie": "; ".join(cookies), "Connection": "close", **fields}
        async with await Connection.open(site.running.port()) as connection:
            answer = await connection.ask(fields=given)
        assert answer.status == 200, answer
        if "set-cookie" in answer.fields:
            self.affinity = answer.fields["set-cookie"].partition(";")[0]
        return answer


async def all_ask(browsers: list[Browser], site: Site) -> list[Response]:
    room = asyncio.Semaphore(AT_ONCE)

    async def ask(browser: Browser) -> Response:
        async with room:
            return await browser.ask(site)

    return list(await asyncio.gather(*map(ask, browsers)))


def place_at(site: Site, name: str) -> None:
    """New clients go there."""
    weights = {"wellington": 0, "auckland": 0, name: 100}
    body = {"weights": weights, "reason": "the test", "force": True}
    site.running.admin("/groups/website/weights", "PUT", body)


def leave(site: Site, name: str) -> None:
    """A planned move: clients that are bound there go elsewhere with their next request."""
    target = {"datacentre": name, "group": "website"}
    site.running.admin("/overrides", "POST", {"kind": "drain", "target": target, "reason": "patching"})


def arrivals(site: Site, result: str) -> int:
    line = f'steer_session_arrivals_total{{result="{result}"}} '
    found = [each for each in site.running.metrics().splitlines() if each.startswith(line)]
    return int(float(found[0].split()[-1])) if found else 0


async def until_bound_to(site: Site, name: str) -> None:
    """What was changed holds: a new client is bound there."""
    deadline = time.monotonic() + 10
    while (await Browser("probe").ask(site)).datacentre != name:
        assert time.monotonic() < deadline, f"new clients do not go to {name}"


async def test_a_planned_move_of_a_thousand_sessions_loses_none_and_serves_none_stale(tmp_path: Path) -> None:
    """Each had a request, which wrote its session, in the other datacentre a moment before."""
    with two_sites(tmp_path, **MAPPED) as (wellington, auckland):
        async with Node(wellington.node, wellington.door), Node(auckland.node, auckland.door) as there:
            place_at(wellington, "wellington")
            await until_bound_to(wellington, "wellington")
            browsers = [Browser(f"session{number:04d}") for number in range(CLIENTS)]
            assert {answer.datacentre for answer in await all_ask(browsers, wellington)} == {"wellington"}
            before = await all_ask(browsers, wellington)
            assert {(answer.datacentre, answer.body) for answer in before} == {("wellington", b"2")}
            place_at(wellington, "auckland")
            leave(wellington, "wellington")
            await until_bound_to(wellington, "auckland")
            after = await all_ask(browsers, wellington)
            assert {(answer.datacentre, answer.body) for answer in after} == {("auckland", b"3")}
            assert there.stale == []
            await until(lambda: arrivals(wellington, "brought") == CLIENTS, "all of them are counted")
            assert arrivals(wellington, "stale") == 0
            # At home there now: nothing is brought any more.
            assert {answer.body for answer in await all_ask(browsers[:20], wellington)} == {b"4"}
            assert arrivals(wellington, "brought") == CLIENTS


@asynccontextmanager
async def moved(folder: Path) -> AsyncIterator[tuple[Site, Site, Node, list[Browser]]]:
    """Four browsers with a session in Wellington, which is left: their next request is their first in Auckland."""
    with two_sites(folder, **MAPPED) as (wellington, auckland):
        async with Node(wellington.node, wellington.door), Node(auckland.node, auckland.door) as there:
            place_at(wellington, "wellington")
            await until_bound_to(wellington, "wellington")
            browsers = [Browser(f"session{number}") for number in range(4)]
            assert {answer.datacentre for answer in await all_ask(browsers, wellington)} == {"wellington"}
            place_at(wellington, "auckland")
            leave(wellington, "wellington")
            await until_bound_to(wellington, "auckland")
            yield wellington, auckland, there, browsers


async def test_a_session_that_cannot_be_brought_is_told_to_the_node_and_counted_and_only_the_first_waits(
    tmp_path: Path,
) -> None:
    async with moved(tmp_path) as (wellington, _, there, browsers):
        wellington.redis.pause()
        began = time.monotonic()
        for browser in browsers:
            assert (await browser.ask(wellington)).datacentre == "auckland"
        assert time.monotonic() - began < 2 * WAIT
        assert there.stale == [browser.session for browser in browsers]
        await until(lambda: arrivals(wellington, "stale") == len(browsers), "they are counted")
        wellington.redis.go_on()


async def test_a_store_process_that_does_not_answer_holds_nobody_up_for_long(tmp_path: Path) -> None:
    async with moved(tmp_path) as (wellington, _, there, browsers):
        store = next(pid for pid, name in children(wellington.running.process.pid).items() if name == "steer store")
        os.kill(store, signal.SIGSTOP)
        began = time.monotonic()
        await all_ask(browsers, wellington)
        assert time.monotonic() - began < 2 * WAIT
        assert sorted(there.stale) == [browser.session for browser in browsers]
        os.kill(store, signal.SIGCONT)


async def test_a_browser_cannot_say_itself_that_its_session_is_stale(tmp_path: Path) -> None:
    async with moved(tmp_path) as (wellington, _, there, browsers):
        assert (await browsers[0].ask(wellington, **{"X-Session-Stale": "1"})).body != b"1"
        assert there.stale == []
