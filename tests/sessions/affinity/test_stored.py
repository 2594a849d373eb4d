from __future__ import annotations

import asyncio
from typing import Any

from steer.clock import SystemClock
from steer.sessions.affinity.learned import digest
from steer.sessions.affinity.stored import LOOK_EVERY, StoredKeys
from steer.sessions.affinity.stored_record import space
from steer.store.engine import Engine
from steer.store.layout import Space
from steer.store.memory_engine import MemoryEngine
from steer.store.namespace import EngineNamespace
from steer.store.state import Base, Deadline, State
from tests.kit.waiting import until

A, B = digest("www", b"a"), digest("www", b"b")
CLOCK = SystemClock()
IDLE = 60.0


class Edge:
    """The store process of one edge, and what control heard: key -> datacentre or "ended", and the numbers."""

    def __init__(self, engine: Engine, here: Space) -> None:
        self.heard: dict[bytes, str] = {}
        self.until: dict[bytes, float] = {}
        self.numbers: list[int] = []
        self.can_tell = True
        self.keys = StoredKeys(engine, here, CLOCK, self._hear, lambda: self.can_tell)

    def _hear(self, number: int, records: list[list[Any]], ends: list[list[Any]]) -> None:
        self.numbers.append(number)
        self.heard |= {row[0]: row[2] for row in records} | {key: "ended" for key, _ in ends}
        self.until |= {row[0]: row[4] for row in records}

    async def claims(self, key: bytes, datacentre: str, moved_from: str = "", age: float = 0.0) -> str:
        """What control hears of it in the answer; empty: it holds."""
        self.heard.clear()
        now = CLOCK.wall()
        await self.keys.write(1, [[key, "www", datacentre, now - age, now + IDLE - age, moved_from]], [])
        return self.heard.get(key, "")

    async def ends(self, key: bytes, age: float = 0.0) -> None:
        await self.keys.write(2, [], [[key, CLOCK.wall() - age]])

    async def sees(self) -> dict[bytes, str]:
        self.heard.clear()
        await self.keys.look()
        return dict(self.heard)


def wanted(engine: Engine, here: Space) -> Edge:
    edge = Edge(engine, here)
    edge.keys.begin_anew()
    return edge


def one_site() -> tuple[Edge, Edge]:
    engine, here = MemoryEngine(), space(1, ())
    return wanted(engine, here), wanted(engine, here)


async def test_what_one_edge_writes_the_other_sees_once() -> None:
    first, second = one_site()
    assert await first.claims(A, "wellington") == ""
    assert await second.sees() == {A: "wellington"}
    assert abs(second.until[A] - CLOCK.wall() - IDLE) < 1
    assert await second.sees() == {}
    second.keys.begin_anew()
    assert await second.sees() == {A: "wellington"}


async def test_at_one_site_the_claim_that_came_first_holds_until_the_key_moves() -> None:
    first, second = one_site()
    assert await first.claims(A, "wellington") == ""
    assert await second.claims(A, "auckland") == "wellington"
    assert await second.claims(A, "auckland", moved_from="wellington") == ""
    assert await first.claims(A, "wellington", moved_from="sydney") == "auckland"


async def test_claims_of_one_moment_leave_one_of_them() -> None:
    first, second = one_site()
    told = await asyncio.gather(first.claims(A, "wellington"), second.claims(A, "auckland"))
    seen = await first.sees() | await second.sees()
    assert sorted(told) == ["", seen[A]]


async def test_an_end_is_seen_by_all_and_only_a_later_conversation_begins_anew() -> None:
    first, second = one_site()
    await first.claims(A, "wellington", age=10)
    await second.sees()
    await first.ends(A, age=5)
    assert await second.sees() == {A: "ended"}
    assert await second.claims(A, "wellington", age=8) == "ended"
    await asyncio.sleep(0.01)  # the end's stamp is the engine's
    assert await second.claims(A, "auckland") == ""
    await first.ends(A, age=5)
    assert await first.sees() == {A: "auckland"}


async def test_a_refresh_lengthens_a_life_and_never_shortens_it() -> None:
    first, second = one_site()
    await first.claims(A, "wellington", age=30)
    await second.claims(A, "wellington")
    await first.sees()
    until = first.until[A]
    assert until > CLOCK.wall() + IDLE - 1
    await second.claims(A, "wellington", age=30)
    assert await first.sees() == {}


async def copy(source: Engine, target: Engine, here: Space, there: Space, key: bytes) -> None:
    (state,) = await source.states(here, [key])
    assert state is not None
    await target.apply(there, there.bucket_of(key), [(key, state)])


async def test_of_two_sites_that_claim_a_key_at_once_the_later_stamp_holds_whatever_was_refreshed() -> None:
    engines, spaces = (MemoryEngine(), MemoryEngine()), (space(1, (2,)), space(2, (1,)))
    first, second = (wanted(engine, here) for engine, here in zip(engines, spaces, strict=True))
    await first.claims(A, "wellington", age=20)
    await asyncio.sleep(0.002)  # so that the stamps are of two milliseconds
    await second.claims(A, "auckland", age=20)
    await first.claims(A, "wellington")
    await copy(engines[0], engines[1], *spaces, A)
    await copy(engines[1], engines[0], *spaces[::-1], A)
    assert await first.sees() == await second.sees() == {A: "auckland"}


async def test_what_arrives_long_after_it_was_written_is_seen_by_the_walk() -> None:
    engine, here = MemoryEngine(), space(1, (2,))
    edge = wanted(engine, here)
    await edge.claims(B, "wellington")
    await edge.sees()
    past = f"{round(CLOCK.wall() * 1000) - 60_000:013d}0000002"
    old = State(
        Base(past, "S", b'["www", "auckland", 1.0]'), deadline=Deadline(past, round(CLOCK.wall() * 1000) + 60_000)
    )
    await engine.apply(here, here.bucket_of(A), [(A, old)])
    seen: dict[bytes, str] = {}
    for _ in range(4):
        seen |= await edge.sees()
    assert seen == {A: "auckland"}


async def test_what_it_did_not_write_is_passed_over() -> None:
    engine, here = MemoryEngine(), space(1, ())
    edge = wanted(engine, here)
    strange = EngineNamespace(engine, here, clock=CLOCK)
    for number, value in enumerate([b"{", b"[1, 2, 3]", b'["www", "one", NaN]', b"[" * 1000, b'["www", "one"]']):
        await strange.put(digest("www", b"%d" % number), value, 60)
    await strange.put(b"short", b'["www", "wellington", 1.0]', 60)
    await strange.put_fields(B, {b"field": b"value"}, (), 60)
    assert await edge.sees() == {}
    assert await edge.claims(A, "wellington") == ""
    assert await edge.sees() == {A: "wellington"}


async def test_nothing_is_looked_for_before_control_wants_it_and_while_it_cannot_be_told() -> None:
    engine, here = MemoryEngine(), space(1, ())
    await wanted(engine, here).claims(A, "wellington")
    edge = Edge(engine, here)
    assert await edge.sees() == {}
    edge.keys.begin_anew()
    edge.can_tell = False
    assert await edge.sees() == {}
    edge.can_tell = True
    assert await edge.sees() == {A: "wellington"}


async def test_while_it_runs_it_writes_at_once_and_looks_three_times_a_second() -> None:
    first, second = one_site()
    tasks = [asyncio.create_task(edge.keys.run()) for edge in (first, second)]
    now = CLOCK.wall()
    first.keys.take(7, [[A, "www", "wellington", now, now + IDLE, ""]], [])
    await until(lambda: 7 in first.numbers, "it is written", within=LOOK_EVERY)
    await until(lambda: A in second.heard, "it is seen")
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
