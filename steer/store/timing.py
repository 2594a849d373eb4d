"""When a write may be done at the latest, by the engine's clock; and whether that clock can be believed.

    not_after (engine time) = now + 250 ms, by what the engine's clock showed with its last answer

An engine whose clock has jumped finds a write late that is not. Then its new time is asked for, and the write is sent
once more by that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from steer.clock import Clock
from steer.store.clocks import Anchored, is_astray, which_is_wrong
from steer.store.engine import Engine, Outcome, Terms
from steer.store.errors import ClockAstray, EngineDown, Indeterminate
from steer.store.layout import Space

WRITE_TIME_MS = 250
"""What a write has at the engine: as long as the link waits for its answer, so that none takes effect much later."""
T = TypeVar("T")


class Timing:
    """Of one caller and one engine."""

    def __init__(self, engine: Engine, space: Space, clock: Clock) -> None:
        self._engine = engine
        self._space = space
        self._clock = Anchored(clock)
        self._skew: int | None = None

    def now_ms(self) -> int:
        """The caller's clock."""
        return self._clock.now_ms()

    @property
    def skew_ms(self) -> int:
        """How far the engine's clock is ahead; 0 before its first answer."""
        return self._skew or 0

    def learn(self, engine_ms: int, sent_ms: int) -> None:
        """The engine read its clock between the question and the answer."""
        self._skew = engine_ms - (sent_ms + self.now_ms()) // 2

    def check(self, engine_ms: int, sent_ms: int, bucket_clock: str) -> None:
        """Of an answer that was just read. Raises ClockAstray."""
        self.learn(engine_ms, sent_ms)
        if is_astray(engine_ms, sent_ms, self.now_ms(), self._space.max_ahead_ms):
            raise self.astray(engine_ms, bucket_clock)

    def astray(self, engine_ms: int, bucket_clock: str) -> ClockAstray:
        """The error, with the sentence that says whose clock is wrong."""
        clocks = (engine_ms, self._clock.now_ms(), self._clock.wall_ms())
        return ClockAstray(which_is_wrong(*clocks, bucket_clock, self._space.max_ahead_ms))

    async def in_time(
        self, ask: Callable[[Terms], Awaitable[tuple[Outcome, T]]], condition: str, request: bytes
    ) -> tuple[Outcome, T]:
        """Once more if the engine found it late, though our own clock says that it cannot be."""
        outcome, answer = await ask(await self.terms(condition, request))
        if outcome is Outcome.LATE:
            await self.ask_the_time()
            outcome, answer = await ask(await self.terms(condition, request))
        return outcome, answer

    async def terms(self, condition: str, request: bytes) -> Terms:
        """Of a write that is sent now."""
        if self._skew is None:
            await self.ask_the_time()
        now = self.now_ms()
        return Terms(now, now + self.skew_ms + WRITE_TIME_MS, condition, request)

    async def ask_the_time(self) -> None:
        """How far the engine's clock is ahead, anew."""
        sent = self.now_ms()
        self.learn(await self._engine.time_ms(), sent)


async def answered(reading: Awaitable[T]) -> T:
    """For who only reads, an engine that is too slow is down: there is nothing to be settled."""
    try:
        return await reading
    except Indeterminate as error:
        raise EngineDown(error.message) from error
