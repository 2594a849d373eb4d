"""Browsers whose sessions are mapped by their cookie, and a planned move of them from one datacentre to the other."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.scenarios.sessions.node import COOKIE, PREFIX, Node
from tests.scenarios.sessions.sites import Site, two_sites
from tests.scenarios.traffic import Connection, Response

MAPPED = {"seal": True, "session_cookie": {"name": COOKIE, "key": PREFIX + "{value}"}}
AT_ONCE = 50
PATIENCE = 20.0
ARRIVALS = re.compile(r'^steer_session_arrivals_total\{result="(\w+)"\} (\d+)', re.MULTILINE)


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


async def all_ask(browsers: Sequence[Browser], site: Site, **fields: str) -> set[tuple[str, bytes]]:
    """Where they were answered, and what."""
    room = asyncio.Semaphore(AT_ONCE)

    async def ask(browser: Browser) -> Response:
        async with room:
            return await browser.ask(site, **fields)

    return {(answer.datacentre, answer.body) for answer in await asyncio.gather(*map(ask, browsers))}


@dataclass(frozen=True, slots=True)
class Town:
    """The edge that all ask is `home`'s; `there` is the node of the other datacentre."""

    home: Site
    there: Node
    browsers: Sequence[Browser]


@asynccontextmanager
async def settled(folder: Path, clients: int, workers: int = 0) -> AsyncIterator[Town]:
    """So many browsers are in Wellington, each with a session that it has written twice."""
    with two_sites(folder, workers, **MAPPED) as (home, away):
        async with Node(home.node, home.door), Node(away.node, away.door) as there:
            await _send_new_ones(home, "wellington")
            browsers = [Browser(f"session{number:04d}") for number in range(clients)]
            assert await all_ask(browsers, home) == {("wellington", b"1")}
            assert await all_ask(browsers, home) == {("wellington", b"2")}
            yield Town(home, there, browsers)


async def move(town: Town) -> None:
    """A planned one: who is bound to Wellington is in Auckland with the next request."""
    target = {"datacentre": "wellington", "group": "website"}
    town.home.running.admin("/overrides", "POST", {"kind": "drain", "target": target, "reason": "patching"})
    await _send_new_ones(town.home, "auckland")


async def _send_new_ones(site: Site, name: str) -> None:
    weights = {"wellington": 0, "auckland": 0, name: 100}
    body = {"weights": weights, "reason": "the test", "force": True}
    site.running.admin("/groups/website/weights", "PUT", body)
    deadline = time.monotonic() + PATIENCE
    while (await Browser("probe").ask(site)).datacentre != name:
        assert time.monotonic() < deadline, f"new clients do not go to {name}"


def arrivals(site: Site) -> dict[str, int]:
    """By result."""
    return {result: int(number) for result, number in ARRIVALS.findall(site.running.metrics())}
