"""What the memory engine finds again: after a crash, with a torn end, after a compaction, with a disk that is full."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from steer.store.engine import Cursor, Delete, Put, PutFields
from steer.store.errors import EngineDown
from steer.store.memory_engine import TIDY_EVERY_MS, MemoryEngine
from steer.store.memory_log import SMALLEST, Log, frame_of, frames_in
from steer.store.memory_shelf import LINGER_MS
from tests.kit.clock import ManualClock
from tests.store.asking import ALONE, MINUTE, PAIRED, key_in, put, state, terms, value, write

KEY = b"key"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.log"


async def everything_of(engine: MemoryEngine, keys: list[bytes]) -> list[object]:
    """All that a restart must bring back."""
    found: list[object] = [await engine.states(PAIRED, keys), await engine.pending(PAIRED)]
    for key in keys:
        bucket = PAIRED.bucket_of(key)
        found += [await engine.position(PAIRED, bucket), await engine.outbox(PAIRED, {bucket: "0-0"}, 100)]
        found += [await engine.changes(PAIRED, bucket, 0, 0, 100), await engine.local_get(PAIRED, key) is not None]
    return found


async def fill(engine: MemoryEngine) -> list[bytes]:
    """Some of everything; the keys."""
    await write(engine, b"plain", Put(b"x", MINUTE), space=PAIRED, request=b"request1")
    await write(engine, b"hash", PutFields({b"a": b"1", b"b": b"2"}, (), None), space=PAIRED)
    await write(engine, b"hash", PutFields({}, (b"a",), None), space=PAIRED)
    await write(engine, b"gone", Delete(), space=PAIRED)
    await put(engine, b"plain", b"y", space=PAIRED)
    await engine.apply(PAIRED, PAIRED.bucket_of(b"plain"), [], 2, Cursor("5-0", 7, "g"))
    await engine.acknowledge(PAIRED, PAIRED.bucket_of(b"plain"), 2, 1)
    (entries,) = (await engine.outbox(PAIRED, {PAIRED.bucket_of(b"plain"): "0-0"}, 9)).values()
    await engine.trim(PAIRED, PAIRED.bucket_of(b"plain"), entries[1].id)
    await engine.fence(PAIRED, PAIRED.bucket_of(b"gone"), "run 7")
    await engine.local_set(PAIRED, b"plain", b"lock", MINUTE, True, await terms(engine))
    return [b"plain", b"hash", b"gone"]


async def test_a_process_that_is_killed_finds_everything_again(path: Path) -> None:
    keys = await fill(before := MemoryEngine(Log(path)))
    after = MemoryEngine(Log(path))
    assert await everything_of(after, keys) == await everything_of(before, keys)
    again = await write(after, b"plain", Put(b"x", MINUTE), space=PAIRED, request=b"request1")
    assert again.stamp < (await state(after, b"plain", space=PAIRED)).base.stamp
    await before.close()
    await after.close()


@pytest.mark.parametrize("lost", [1, 7, 30])
async def test_a_torn_end_is_put_aside_and_what_is_before_it_is_whole(path: Path, lost: int) -> None:
    engine = MemoryEngine(Log(path))
    await put(engine, b"one", b"1")
    await put(engine, b"two", b"2")
    await engine.close()
    os.truncate(path, os.stat(path).st_size - lost)
    after = MemoryEngine(Log(path))
    assert await value(after, b"one") == b"1"
    assert await value(after, b"two") is None
    (finding,) = await after.check()
    assert "bytes at the log's end were damaged, and put aside" in finding.message
    assert path.with_suffix(".damaged").stat().st_size > 0
    await put(after, b"three", b"3")
    await after.close()
    last = MemoryEngine(Log(path))
    assert [await value(last, key) for key in (b"one", b"three")] == [b"1", b"3"]
    assert await last.check() == []
    await last.close()


async def test_a_changed_byte_is_found(path: Path) -> None:
    good = frame_of(("web", [["x", 1, b"key"]]))
    for at in range(len(good)):
        bad = good[:at] + bytes((good[at] ^ 1,)) + good[at + 1 :]
        assert list(frames_in(good + bad)) == list(frames_in(good)), at


async def test_a_log_that_grew_is_compacted_while_writes_go_on_and_brings_back_the_same(path: Path) -> None:
    engine = MemoryEngine(Log(path))
    keys = await fill(engine)
    written = 0
    while written < 3 * SMALLEST:
        for n in range(20):
            await put(engine, b"%d" % n, os.urandom(4096), space=PAIRED)
            written += 4096
        for n in range(20):
            await engine.acknowledge(PAIRED, PAIRED.bucket_of(b"%d" % n), 2, 10**9)
    keys += [b"%d" % n for n in range(20)]
    assert os.stat(path).st_size < written
    after = MemoryEngine(Log(path))
    assert await everything_of(after, keys) == await everything_of(engine, keys)
    await engine.close()
    await after.close()


async def test_a_crash_in_a_compaction_leaves_the_old_log(path: Path) -> None:
    engine = MemoryEngine(Log(path))
    for n in range(300):
        await put(engine, b"%d" % n, os.urandom(4096))
    assert path.with_suffix(".new").exists()
    after = MemoryEngine(Log(path))
    assert await after.states(ALONE, [b"%d" % n for n in range(300)]) == await engine.states(
        ALONE, [b"%d" % n for n in range(300)]
    )
    await engine.close()
    await after.close()


async def test_with_always_a_write_is_answered_when_it_is_on_the_disk(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    fsync = os.fsync

    def watched(file: int) -> None:
        fsync(file)
        synced.append(os.fstat(file).st_size)

    monkeypatch.setattr(os, "fsync", watched)
    engine = MemoryEngine(Log(path, "always"))
    for n in range(3):
        await put(engine, b"%d" % n, b"x")
        assert synced[-1] == os.stat(path).st_size
    await engine.close()


@pytest.fixture
def full_disk(path: Path) -> Iterator[None]:
    """A file may not grow beyond 4 KiB; what Python does about SIGXFSZ makes an error of it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("full_disk")
async def test_what_cannot_be_logged_does_not_happen(path: Path) -> None:
    engine = MemoryEngine(Log(path))
    await put(engine, KEY, b"small")
    with pytest.raises(EngineDown, match="cannot be written: File too large"):
        await put(engine, KEY, b"x" * 8192)
    assert await value(engine, KEY) == b"small"
    await put(engine, KEY, b"still small")
    after = MemoryEngine(Log(path))
    assert await value(after, KEY) == b"still small"
    await engine.close()
    await after.close()


async def test_what_is_long_dead_is_forgotten_in_every_bucket() -> None:
    clock = ManualClock()
    engine = MemoryEngine(clock=clock)
    for n in range(50):
        await put(engine, b"%d" % n, b"x")
    await engine.local_set(ALONE, b"L", b"me", MINUTE, False, await terms(engine))
    clock.advance((MINUTE + LINGER_MS + TIDY_EVERY_MS) / 1000)
    for _ in range(ALONE.buckets):
        await put(engine, KEY, b"x")
    assert await engine.states(ALONE, [b"%d" % n for n in range(50)]) == [None] * 50
    assert await engine.local_get(ALONE, b"L") is None


async def test_without_a_log_it_says_that_nothing_is_kept() -> None:
    (finding,) = await MemoryEngine().check()
    assert "in memory alone" in finding.message


async def test_stamps_go_on_after_a_restart_with_a_clock_set_back(path: Path) -> None:
    first = MemoryEngine(Log(path), ManualClock(wall=1_795_000_000.0))
    stamp = await put(first, key_in(7), b"x")
    await first.close()
    second = MemoryEngine(Log(path), ManualClock(wall=1_795_000_000.0 - 3600))
    assert await put(second, key_in(7, 1), b"y") > stamp
    await second.close()
