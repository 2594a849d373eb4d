"""Short ways to ask an engine, with clocks that agree."""

from __future__ import annotations

from steer.store.engine import Answer, Change, Delete, Engine, Outcome, Put, PutFields, Terms, Touch
from steer.store.layout import Space
from steer.store.model import Value
from steer.store.state import State, value_of

ALONE = Space("web", site=1, max_lifetime=3600.0)
PAIRED = Space("web", site=1, peers=(2,), max_lifetime=3600.0)
MINUTE = 60_000


async def terms(
    engine: Engine, *, condition: str = "", request: bytes = b"", ahead: int = 0, left: int = 1000
) -> Terms:
    """Of a write that is sent now, by a clock that is so many ms ahead of the engine's, and has so many left."""
    now = await engine.time_ms()
    return Terms(now + ahead, now + left, condition, request)


async def write(
    engine: Engine, key: bytes, change: Change, *, space: Space = ALONE, condition: str = "", request: bytes = b""
) -> Answer:
    return await engine.write(space, key, change, await terms(engine, condition=condition, request=request))


async def put(engine: Engine, key: bytes, value: Value, *, ttl_ms: int | None = MINUTE, space: Space = ALONE) -> str:
    """Its stamp."""
    answer = await write(engine, key, Put(value, ttl_ms), space=space)
    assert answer.outcome is Outcome.OK
    return answer.stamp


async def put_fields(
    engine: Engine, key: bytes, some: dict[bytes, bytes], unset: tuple[bytes, ...] = (), *, ttl_ms: int | None = None
) -> Answer:
    return await write(engine, key, PutFields(some, unset, ttl_ms))


async def touch(engine: Engine, key: bytes, ttl_ms: int = MINUTE) -> bool:
    return bool((await write(engine, key, Touch(ttl_ms))).one)


async def delete(engine: Engine, key: bytes, *, space: Space = ALONE) -> bool:
    return bool((await write(engine, key, Delete(), space=space)).one)


async def value(engine: Engine, key: bytes, *, space: Space = ALONE) -> Value | None:
    """What a reader gets."""
    state = (await engine.read(space, key)).state
    return value_of(state) if state else None


async def state(engine: Engine, key: bytes, *, space: Space = ALONE) -> State:
    """What is known of it."""
    (found,) = await engine.states(space, [key])
    assert found
    return found


def key_in(bucket: int, number: int = 0, space: Space = ALONE) -> bytes:
    """Some key of that bucket."""
    candidates = (b"%d" % n for n in range(10_000_000))
    return [next(key for key in candidates if space.bucket_of(key) == bucket) for _ in range(number + 1)][-1]
