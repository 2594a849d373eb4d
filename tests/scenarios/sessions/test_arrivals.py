"""A browser whose session is mapped by its cookie comes to another datacentre: its session is there before it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from steer.store.courier import SUSPECT
from tests.kit.processes import children
from tests.kit.redis import needs_redis
from tests.kit.waiting import until
from tests.scenarios.sessions.moving import all_ask, arrivals, move, settled

pytestmark = needs_redis

CLIENTS = 200
"""`scripts/compliance sessions` moves a thousand."""
WAIT = 0.6
"""Seconds that a request may take that waits for its session, on a busy machine; 0.15 to 0.25 of them are the wait."""


async def test_a_planned_move_loses_no_session_and_serves_none_stale(tmp_path: Path) -> None:
    """Each had a request, which wrote its session, in the other datacentre a moment before. A client cannot say itself
    that its session is stale."""
    async with settled(tmp_path, CLIENTS) as town:
        await move(town)
        claim = {"X-Session-Stale": "1"}
        assert await all_ask(town.browsers, town.home, **claim) == {("auckland", b"3")}
        assert town.there.stale == []
        await until(lambda: arrivals(town.home) == {"brought": CLIENTS}, "all of them are counted, and as brought")
        # At home there now: nothing is brought any more.
        assert await all_ask(town.browsers, town.home) == {("auckland", b"4")}
        assert arrivals(town.home) == {"brought": CLIENTS}


async def test_a_session_that_cannot_be_brought_is_told_to_the_node_and_counted_and_holds_nobody_up(
    tmp_path: Path,
) -> None:
    """First its Redis hangs: only the first browser waits for it. Then the store process: all who come at once do."""
    async with settled(tmp_path, clients=8, workers=1) as town:
        await move(town)
        home, there = town.home, town.there
        home.redis.pause()
        began = time.monotonic()
        for browser in town.browsers[:4]:
            assert (await browser.ask(home)).datacentre == "auckland"
        assert time.monotonic() - began < min(2 * WAIT, SUSPECT)
        assert there.stale == [browser.session for browser in town.browsers[:4]]
        home.redis.go_on()
        store = next(pid for pid, name in children(home.running.process.pid).items() if name == "steer store")
        os.kill(store, signal.SIGSTOP)
        began = time.monotonic()
        await all_ask(town.browsers[4:], home)
        assert time.monotonic() - began < 2 * WAIT
        os.kill(store, signal.SIGCONT)
        assert sorted(there.stale) == [browser.session for browser in town.browsers]
        await until(lambda: arrivals(home) == {"stale": 8}, "they are counted")
