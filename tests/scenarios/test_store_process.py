"""The store process under a real edge: its doors, its death, its hand-over to a new version."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from cryptography import x509
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from tests.kit.certificates import Authority
from tests.kit.edge import RunningEdge, bind, configuration, running_edge
from tests.kit.processes import children
from tests.kit.redis import RedisServer, needs_redis
from tests.kit.waiting import until

STORE = "steer store"


def keeping(door: str, **namespace: Any) -> dict[str, Any]:
    tree = configuration({"one": 1, "two": 2})
    tree["sessions"] = {"doors": {"resp": {"bind": door}}, "namespaces": {"web": namespace}}
    return tree


@asynccontextmanager
async def client(door: str) -> AsyncIterator[Redis]:
    host, _, port = door.rpartition(":")
    async with Redis(host=host, port=int(port), socket_timeout=10) as redis:
        yield redis


def status(edge: RunningEdge) -> dict[str, Any]:
    """Empty until the store has spoken."""
    try:
        found: dict[str, Any] = edge.admin("/sessions")
    except HTTPError as error:
        error.close()
        return {}
    return found


def store_of(edge: int) -> int | None:
    return next((pid for pid, name in children(edge).items() if name == STORE), None)


@pytest.mark.parametrize("workers", [0, 1])
async def test_what_was_written_at_a_door_is_there_after_the_edge_was_killed(tmp_path: Path, workers: int) -> None:
    door = bind()
    tree = keeping(door, seal=True)
    with running_edge(tmp_path, tree, workers=workers) as edge:
        async with client(door) as redis:
            await redis.set("sid", "secret words", ex=60)
        edge.kill()
    assert b"secret words" not in (tmp_path / "state" / "sessions.log").read_bytes()
    with running_edge(tmp_path, tree, workers=workers) as edge:
        async with client(door) as redis:
            assert await redis.get("sid") == b"secret words"
        await until(lambda: status(edge).get("doors", {}).get("resp", {}).get("bind") == door, "the door is shown")


async def test_a_client_that_connects_while_it_is_started_anew_waits_for_an_answer(tmp_path: Path) -> None:
    door = bind()
    with running_edge(tmp_path, keeping(door), workers=1) as edge:
        async with client(door) as redis:
            await redis.set("sid", "kept", ex=60)
        killed = store_of(edge.process.pid)
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        async with client(door) as redis:
            assert await redis.get("sid") == b"kept"
        await until(lambda: store_of(edge.process.pid) not in (None, killed), "another store process")


def shown_serial(door: str) -> int:
    """Of the certificate that a new connection to the door gets."""
    host, _, port = door.rpartition(":")
    return x509.load_pem_x509_certificate(ssl.get_server_certificate((host, int(port))).encode()).serial_number


@pytest.mark.parametrize("workers", [0, 1])
async def test_a_door_shows_its_new_certificate_as_soon_as_the_files_are_replaced(tmp_path: Path, workers: int) -> None:
    door = bind()
    tree = keeping(door)
    authority = Authority(tmp_path)
    files = authority.issue("door.example")
    tls = {"certificate": str(files.certificate), "key": str(files.key)}
    tree["sessions"]["doors"]["resp"]["tls"] = tls
    with running_edge(tmp_path, tree, workers=workers) as edge:
        before = shown_serial(door)
        authority.issue("door.example")
        await until(lambda: shown_serial(door) != before, "the new one is shown")
        files.key.write_bytes(authority.issue("other.example").key.read_bytes())
        await until(lambda: status(edge).get("certificate_alarms"), "the alarm is told")


@needs_redis
async def test_an_edge_starts_while_its_redis_is_down_and_says_so(tmp_path: Path) -> None:
    door = bind()
    with RedisServer(tmp_path / "redis") as redis:
        redis.kill()
        tree = keeping(door)
        tree["datacentres"]["one"]["redis"] = {"url": redis.url}
        with running_edge(tmp_path, tree, workers=1) as edge:
            async with client(door) as app:
                with pytest.raises(ResponseError, match="unavailable"):
                    await app.get("sid")
            await until(lambda: status(edge).get("problem"), "the problem is told")
            redis.start()
            await until(lambda: status(edge).get("problem") == "", "the engine is found")
            async with client(door) as app:
                await app.set("sid", "value", ex=60)
            async with client(door) as app:
                assert await app.get("sid") == b"value"


@needs_redis
def test_store_check_says_what_is_wrong_with_each_engine(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "redis", "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru") as redis:
        tree = keeping(bind())
        tree["datacentres"]["one"]["redis"] = {"url": redis.url}
        tree["datacentres"]["two"]["redis"] = {"url": "redis://127.0.0.1:9/0"}
        file = tmp_path / "steer.yaml"
        file.write_text(json.dumps(tree))
        command = [sys.executable, "-m", "steer", "store", "check", str(file)]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 1, found.stderr
    one, two = found.stdout.splitlines()
    assert one.startswith("one: WRONG: ")
    assert "allkeys-lru" in one
    assert two.startswith("two: WRONG: 127.0.0.1:9/0 cannot be reached")


async def test_the_keys_that_seal_are_rotated_in_two_steps_and_old_records_still_open(tmp_path: Path) -> None:
    door = bind()
    with running_edge(tmp_path, keeping(door, seal=True), workers=1) as edge:
        async with client(door) as app:
            await app.set("sid", "sealed by the first key", ex=60)
            (ring,) = edge.admin("/keys")["items"]
            done = edge.admin("/keys/sessions/rotate", "POST", {"reason": "yearly"})
            assert (ring["name"], done["step"], len(done["keys"])) == ("sessions", "added", 2)
            assert await app.get("sid") == b"sealed by the first key"


def at(datacentre: str, door: str, one: str, two: str, **namespace: Any) -> dict[str, Any]:
    tree = keeping(door, **namespace)
    tree["edge"]["datacentre"] = datacentre
    tree["datacentres"]["one"]["redis"] = {"url": one}
    tree["datacentres"]["two"]["redis"] = {"url": two}
    return tree


def metric(edge: RunningEdge, name: str) -> float:
    """The sum of its samples."""
    with urlopen(f"http://127.0.0.1:{edge.admin_port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{name}{{", f"{name} ")))


@needs_redis
async def test_two_edges_over_two_redis_have_the_same_sessions_and_say_how_far_they_are_behind(tmp_path: Path) -> None:
    doors = bind(), bind()
    with RedisServer(tmp_path / "redis-1") as one, RedisServer(tmp_path / "redis-2") as two:
        trees = [at(name, door, one.url, two.url) for name, door in zip(("one", "two"), doors, strict=True)]
        with running_edge(tmp_path / "a", trees[0]) as first, running_edge(tmp_path / "b", trees[1]) as second:
            async with client(doors[0]) as here, client(doors[1]) as there:
                await here.set("sid", "written at one", ex=60)
                await arrives(there, "sid", b"written at one")
                await there.delete("sid")
                await arrives(here, "sid", None)
                await until(lambda: metric(first, "steer_session_shipped_total") >= 1, "what was shipped is counted")
                two.kill()
                await here.set("more", "for later", ex=60)
                await until(lambda: metric(first, "steer_session_lag_writes") >= 1, "the lag is told")
                await until(lambda: metric(second, "steer_session_away") == 1, "one answers in the place of two")
                assert await there.get("more") == b"for later"
                two.start()
                await until(lambda: metric(first, "steer_session_lag_writes") == 0, "the lag is made up for")
                await until(lambda: metric(second, "steer_session_away") == 0, "two is back")
                assert await there.get("more") == b"for later"


async def arrives(app: Redis, key: str, value: bytes | None) -> None:
    async with asyncio.timeout(10):
        while True:
            if await app.get(key) == value:
                return
            await asyncio.sleep(0.01)
