"""Real clients, unmodified: redis-py and its lock; PHP's session handler, where php and its redis extension are."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Awaitable
from typing import Any, cast

import pytest
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, LockError, ResponseError, WatchError

from steer.sessions.access import Holder
from tests.kit.clock import ManualClock
from tests.sessions.memory import MemoryNamespace
from tests.sessions.resp.talking import Served, serving
from tests.sessions.resp.test_door import hash_of

BOTH = pytest.mark.parametrize("protocol", [2, 3])


def client_of(served: Served, **options: Any) -> redis.asyncio.Redis:
    return redis.asyncio.Redis(port=served.port, socket_timeout=5, retry=Retry(NoBackoff(), 0), **options)


async def awaited(answer: Awaitable[Any] | Any) -> Any:
    """redis-py's annotations are of both its kinds of client at once."""
    return await cast("Awaitable[Any]", answer)


@BOTH
async def test_redis_py_keeps_sessions(protocol: int) -> None:
    async with serving() as served, client_of(served, protocol=protocol, client_name="app") as client:
        assert await client.set("s", b"\x00\r\n$-1\r\n", ex=60) is True
        assert await client.get("s") == b"\x00\r\n$-1\r\n"
        assert await client.set("s", "x", nx=True) is None
        assert await client.set("s", "y", xx=True, get=True) == b"\x00\r\n$-1\r\n"
        assert await client.getex("s", ex=30) == b"y"
        assert await client.ttl("s") == 30
        assert await awaited(client.hset("h", mapping={"a": "1", "b": "2"})) == 2
        assert await awaited(client.hgetall("h")) == {b"a": b"1", b"b": b"2"}
        assert sorted([key async for key in client.scan_iter(count=1)]) == [b"h", b"s"]
        assert await client.mget("s", "none") == [b"y", None]
        assert await client.delete("s", "h", "none") == 2
        assert (await client.info())["redis_version"] == "7.2.4"
        assert await awaited(client.client_getname()) in ("app", b"app")
        with pytest.raises(ResponseError, match="steer's session door knows"):
            await client.flushall()


@BOTH
async def test_redis_py_logs_in(protocol: int) -> None:
    async with serving(holders={"shop": Holder(hash_of("word"), "web")}) as served:
        async with client_of(served, protocol=protocol, username="shop", password="word") as client:
            assert await client.set("a", "1")
        async with client_of(served, protocol=protocol, username="shop", password="wrong") as client:
            with pytest.raises(AuthenticationError):
                await client.get("a")


@BOTH
async def test_redis_pys_transactions_of_one_key_work(protocol: int) -> None:
    async with serving() as served, client_of(served, protocol=protocol) as client:
        pipeline: Any = client.pipeline(transaction=True)
        assert await pipeline.hset("s", "f", "1").expire("s", 60).hgetall("s").execute() == [1, True, {b"f": b"1"}]
        watching: Any
        async with client.pipeline(transaction=True) as watching:
            await watching.watch("s")
            await awaited(client.hset("s", "f", "2"))
            watching.multi()
            watching.hset("s", "f", "3")
            with pytest.raises(WatchError):
                await watching.execute()
        assert await awaited(client.hget("s", "f")) == b"2"


@pytest.mark.parametrize("name", ["cart_LOCK", "cart"])
async def test_redis_pys_lock_excludes_is_extended_and_released(name: str) -> None:
    async with serving() as served, client_of(served) as client:
        mine, other = client.lock(name, timeout=10), client.lock(name, timeout=10, blocking=False)
        assert await mine.acquire()
        assert not await other.acquire()
        assert await mine.owned()
        assert await mine.extend(5)
        assert await client.pttl(name) == 15_000
        assert await mine.reacquire()
        assert await client.pttl(name) == 10_000
        await mine.release()
        assert await other.acquire()
        served.clock.advance(11)
        with pytest.raises(LockError):
            await other.release()


async def test_a_counter_under_redis_pys_lock_counts_right() -> None:
    async with serving() as served, client_of(served) as client:

        async def count() -> None:
            for _ in range(5):
                async with client.lock("n_LOCK", timeout=10, sleep=0.001):
                    before = int(await client.get("n") or 0)
                    await client.set("n", before + 1)

        await asyncio.gather(*(count() for _ in range(5)))
        assert await client.get("n") == b"25"


def has_phpredis() -> bool:
    php = shutil.which("php")
    return php is not None and "redis" in subprocess.run([php, "-m"], capture_output=True, text=True).stdout.split()


PHP = """
ini_set('session.save_handler', 'redis');
ini_set('session.save_path', 'tcp://127.0.0.1:PORT?auth[]=php&auth[]=word');
ini_set('session.use_cookies', '0');
ini_set('session.use_strict_mode', '1');
ini_set('session.cache_limiter', '');
ini_set('session.gc_maxlifetime', '1440');
ini_set('session.lazy_write', '1');
ini_set('redis.session.locking_enabled', '1');
ini_set('redis.session.lock_expire', '10');
ini_set('redis.session.lock_wait_time', '2000');
ini_set('redis.session.lock_retries', '-1');
"""

CREATE = "session_start(); $_SESSION['n'] = 0; echo session_id();"
COUNT = "for ($i = 0; $i < 10; $i++) { session_id('ID'); session_start(); $_SESSION['n']++; session_write_close(); }"
READ = "session_id('ID'); session_start(); echo $_SESSION['n'];"
RENEW = "session_id('ID'); session_start(); session_regenerate_id(true); echo session_id();"
STRICT = "session_id('nonexistent'); session_start(); echo session_id();"
DESTROY = "session_id('ID'); session_start(); echo session_destroy() ? 'gone' : 'there';"


@pytest.mark.skipif(not has_phpredis(), reason="php with its redis extension is not installed (php-cli, php-redis)")
async def test_phps_session_handler_with_locking_keeps_its_sessions() -> None:
    """Four processes count in one session, each under the lock; then the session gets a new id, and ends."""

    async def php(code: str, id: str = "") -> str:
        text = PHP.replace("PORT", str(served.port)) + code.replace("ID", id)
        process = await asyncio.create_subprocess_exec("php", "-r", text, stdout=-1, stderr=-2)
        out, _ = await process.communicate()
        assert process.returncode == 0, out
        return out.decode()

    clock = ManualClock()
    namespace = MemoryNamespace(clock)
    holders = {"php": Holder(hash_of("word"), "web")}
    async with serving({"web": namespace}, holders, clock=clock) as served:
        id = await php(CREATE)
        assert await namespace.keys() == [f"PHPREDIS_SESSION:{id}".encode()]
        await asyncio.gather(*(php(COUNT, id) for _ in range(4)))
        assert await php(READ, id) == "40"
        renewed = await php(RENEW, id)
        assert renewed != id
        assert await php(READ, renewed) == "40"
        assert await namespace.keys() == [f"PHPREDIS_SESSION:{renewed}".encode()]
        assert await php(STRICT) != "nonexistent"
        assert await php(DESTROY, renewed) == "gone"
        assert f"PHPREDIS_SESSION:{renewed}".encode() not in await namespace.keys()
        for each in (id, renewed):
            assert await namespace.locks.get(f"PHPREDIS_SESSION:{each}_LOCK".encode()) is None
