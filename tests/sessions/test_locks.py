"""Locks while their engine is away, and when it comes back."""

from __future__ import annotations

import pytest

from steer.clock import Clock
from steer.sessions import locks
from steer.sessions.locks import LocksMeanwhile
from steer.store.errors import EngineDown, Indeterminate
from steer.store.layout import Space
from steer.store.locks import EngineLocks
from steer.store.memory_engine import MemoryEngine
from steer.store.timing import Timing
from tests.kit.clock import ManualClock


class Home(EngineLocks):
    """An engine that can be away, or too slow to say that it has done what was asked."""

    is_away = False
    is_slow = False

    def __init__(self, clock: Clock) -> None:
        engine, space = MemoryEngine(None, clock), Space("web", 1, buckets=16)
        super().__init__(engine, space, Timing(engine, space, clock))

    async def set(self, key: bytes, value: bytes, ttl: float | None, *, only_absent: bool = False) -> bool:
        self._fail()
        done = await super().set(key, value, ttl, only_absent=only_absent)
        if self.is_slow:
            raise Indeterminate("too slow")
        return done

    async def get(self, key: bytes) -> bytes | None:
        self._fail()
        return await super().get(key)

    async def delete(self, key: bytes, *, if_value: bytes | None = None) -> bool:
        self._fail()
        return await super().delete(key, if_value=if_value)

    async def touch(self, key: bytes, ttl: float, *, if_value: bytes | None = None) -> bool:
        self._fail()
        return await super().touch(key, ttl, if_value=if_value)

    def _fail(self) -> None:
        if self.is_away:
            raise EngineDown("it is away")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def home(clock: ManualClock) -> Home:
    return Home(clock)


@pytest.fixture
def both(home: Home, clock: ManualClock) -> LocksMeanwhile:
    return LocksMeanwhile(home, 3600, clock)


async def test_an_engine_that_answers_has_the_locks(home: Home, both: LocksMeanwhile) -> None:
    assert await both.set(b"a_LOCK", b"mine", 10, only_absent=True)
    assert not await both.set(b"a_LOCK", b"yours", 10, only_absent=True)
    assert await home.get(b"a_LOCK") == b"mine"
    assert await both.touch(b"a_LOCK", 20, if_value=b"mine")
    assert await both.ttl(b"a_LOCK") == 20
    assert await both.delete(b"a_LOCK", if_value=b"mine")
    assert await home.get(b"a_LOCK") is None


async def test_while_it_is_away_locks_exclude_here_end_and_are_given_back(
    home: Home, both: LocksMeanwhile, clock: ManualClock
) -> None:
    home.is_away = True
    assert await both.get(b"a_LOCK") is None
    assert await both.ttl(b"a_LOCK") is None
    assert not await both.touch(b"a_LOCK", 10)
    assert not await both.delete(b"a_LOCK")
    assert await both.set(b"a_LOCK", b"mine", 10, only_absent=True)
    assert not await both.set(b"a_LOCK", b"yours", 10, only_absent=True)
    assert await both.get(b"a_LOCK") == b"mine"
    assert not await both.delete(b"a_LOCK", if_value=b"yours")
    assert not await both.touch(b"a_LOCK", 20, if_value=b"yours")
    assert await both.touch(b"a_LOCK", 20, if_value=b"mine")
    assert await both.ttl(b"a_LOCK") == 20
    assert await both.delete(b"a_LOCK", if_value=b"mine")
    assert await both.set(b"a_LOCK", b"yours", 10, only_absent=True)
    clock.advance(10)
    assert await both.set(b"a_LOCK", b"theirs", 10, only_absent=True)


async def test_a_lock_of_that_time_excludes_on_when_the_engine_is_back_until_it_is_given_back(
    home: Home, both: LocksMeanwhile
) -> None:
    home.is_away = True
    assert await both.set(b"a_LOCK", b"mine", 10, only_absent=True)
    home.is_away = False
    assert not await both.set(b"a_LOCK", b"yours", 10, only_absent=True)
    assert await both.delete(b"a_LOCK", if_value=b"mine")
    assert await both.set(b"a_LOCK", b"yours", 10, only_absent=True)
    assert await home.get(b"a_LOCK") == b"yours"


async def test_a_lock_that_a_slow_engine_has_all_the_same_is_given_back_there_too(
    home: Home, both: LocksMeanwhile
) -> None:
    home.is_slow = True
    assert await both.set(b"a_LOCK", b"mine", 10, only_absent=True)
    home.is_slow = False
    assert await home.get(b"a_LOCK") == b"mine"
    assert await both.delete(b"a_LOCK", if_value=b"mine")
    assert await home.get(b"a_LOCK") is None


async def test_what_is_kept_has_a_limit(
    home: Home, both: LocksMeanwhile, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "MOST_KEPT", 2)
    home.is_away = True
    assert await both.set(b"a_LOCK", b"mine", 10)
    assert await both.set(b"b_LOCK", b"mine", 20)
    with pytest.raises(EngineDown):
        await both.set(b"c_LOCK", b"mine", 10)
    clock.advance(10)
    assert await both.set(b"c_LOCK", b"mine", 10)
