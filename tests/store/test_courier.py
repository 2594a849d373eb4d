"""One record goes from one site's engine to another's, now or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from steer.store.courier import SUSPECT, Courier
from steer.store.errors import EngineDown
from steer.store.layout import Space
from steer.store.memory_engine import MemoryEngine
from steer.store.namespace import EngineNamespace
from steer.store.state import State
from tests.kit.clock import ManualClock

HOME, AWAY = Space("web", 1, (2,)), Space("web", 2, (1,))


class Broken(MemoryEngine):
    """Does not answer: at once, or never."""

    hangs = False
    asked = 0

    async def states(self, space: Space, keys: Sequence[bytes]) -> list[State | None]:
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        raise EngineDown("it is away")


def engines(clock: ManualClock, home: MemoryEngine | None = None) -> dict[int, MemoryEngine]:
    return {1: home or MemoryEngine(None, clock), 2: MemoryEngine(None, clock)}


async def test_a_record_is_there_as_it_was_at_home_and_a_deleted_one_is_gone_there() -> None:
    clock = ManualClock()
    both = engines(clock)
    home, away = EngineNamespace(both[1], HOME, clock=clock), EngineNamespace(both[2], AWAY, clock=clock)
    courier = Courier(both, clock)
    written = await home.put(b"sid", b"ann", 60)
    assert await courier.bring(HOME, [b"sid", b"unknown"], 1, 2)
    found = await away.get(b"sid")
    assert found is not None
    assert (found.value, found.stamp) == (b"ann", written.stamp)
    assert await both[1].states(HOME, [b"sid"]) == await both[2].states(AWAY, [b"sid"])
    await home.delete(b"sid")
    assert await courier.bring(HOME, [b"sid"], 1, 2)
    assert await away.get(b"sid") is None


async def test_what_is_newer_there_stays() -> None:
    clock = ManualClock()
    both = engines(clock)
    home, away = EngineNamespace(both[1], HOME, clock=clock), EngineNamespace(both[2], AWAY, clock=clock)
    await home.put(b"sid", b"old", 60)
    clock.advance(1)
    await away.put(b"sid", b"new", 60)
    assert await Courier(both, clock).bring(HOME, [b"sid"], 1, 2)
    found = await away.get(b"sid")
    assert found is not None
    assert found.value == b"new"


async def test_a_site_that_does_not_answer_is_not_asked_again_for_a_second() -> None:
    clock = ManualClock()
    home = Broken(None, clock)
    courier = Courier(engines(clock, home), clock)
    assert not await courier.bring(HOME, [b"sid"], 1, 2)
    assert not await courier.bring(HOME, [b"sid"], 1, 2)
    assert home.asked == 1
    clock.advance(SUSPECT)
    assert not await courier.bring(HOME, [b"sid"], 1, 2)
    assert home.asked == 2


async def test_a_site_that_hangs_is_given_up() -> None:
    clock = ManualClock()
    home = Broken(None, clock)
    home.hangs = True
    async with asyncio.timeout(5):
        assert not await Courier(engines(clock, home), clock).bring(HOME, [b"sid"], 1, 2)


async def test_a_key_that_is_too_long_and_a_site_without_an_engine_bring_nothing() -> None:
    courier = Courier(engines(ManualClock()))
    assert not await courier.bring(HOME, [b"k" * 2_000], 1, 2)
    assert not await courier.bring(HOME, [b"sid"], 1, 3)
    assert await courier.bring(HOME, [b"sid"], 1, 2)
