"""Both ends of the channel on one loop, over real Unix sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from steer.runtime.channel import MOST_KEPT, ControlLink, InProcessLink, WorkerHub
from steer.runtime.frames import frame, pack
from steer.runtime.sockets import bind_unix


async def until(is_so: Callable[[], object]) -> None:
    """Wait for a condition, at most 5 s."""
    async with asyncio.timeout(5):
        while not is_so():  # noqa: ASYNC110 - what changes belongs to the code under test, which has no event for it
            await asyncio.sleep(0.001)


class Channel:
    """A hub that may be started, stopped and started anew, and any number of links to it. Remembers what came."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.listening = bind_unix(path)
        self.hub = self._new_hub()
        self.received: list[tuple[int, object]] = []
        self.events: list[str] = []
        self.links: list[ControlLink] = []
        self.snapshots: dict[int, list[object]] = {}

    def _new_hub(self) -> WorkerHub:
        return WorkerHub(
            self.listening,
            on_value=self._take,
            on_connect=lambda worker: self.events.append(f"+{worker}"),
            on_disconnect=lambda worker: self.events.append(f"-{worker}"),
        )

    def _take(self, worker: int, value: object) -> None:
        if value == "fail":
            raise KeyError(value)
        self.received.append((worker, value))

    def link(self, worker: int) -> ControlLink:
        snapshots = self.snapshots.setdefault(worker, [])
        link = ControlLink(self.path, {"worker": worker}, snapshots.append)
        link.start()
        self.links.append(link)
        return link

    async def restart_hub(self) -> None:
        await self.hub.close()
        self.hub = self._new_hub()
        await self.hub.start()

    async def close(self) -> None:
        for link in self.links:
            await link.close()
        await self.hub.close()
        await until(lambda: not self.hub.workers)
        self.listening.close()


@pytest_asyncio.fixture
async def channel(tmp_path: Path) -> AsyncIterator[Channel]:
    channel = Channel(tmp_path / "control.sock")
    yield channel
    await channel.close()


async def test_values_reach_control_in_order_with_the_workers_number(channel: Channel) -> None:
    await channel.hub.start()
    link = channel.link(3)
    await until(lambda: link.can_take)
    for number in range(3):
        link.send({"n": number})
    await until(lambda: len(channel.received) == 3)
    assert channel.received == [(3, {"n": 0}), (3, {"n": 1}), (3, {"n": 2})]


async def test_what_is_published_reaches_every_worker(channel: Channel) -> None:
    await channel.hub.start()
    channel.link(0), channel.link(1)
    await until(lambda: channel.hub.workers == {0, 1})
    assert channel.hub.publish({"number": 1}) == pack({"number": 1})
    await until(lambda: channel.snapshots == {0: [{"number": 1}], 1: [{"number": 1}]})


async def test_a_newcomer_gets_the_last_one_at_once_and_no_older(channel: Channel) -> None:
    await channel.hub.start()
    channel.hub.publish(1)
    channel.hub.publish(2)
    channel.link(0)
    await until(lambda: channel.snapshots[0])
    assert channel.snapshots[0] == [2]


async def test_a_value_larger_than_the_buffers_arrives_whole(channel: Channel) -> None:
    await channel.hub.start()
    channel.link(0)
    await until(lambda: channel.hub.workers)
    channel.hub.publish("x" * 4_000_000)
    await until(lambda: channel.snapshots[0])
    assert channel.snapshots[0] == ["x" * 4_000_000]


async def test_what_is_sent_while_control_is_dead_waits_for_the_next_one(channel: Channel) -> None:
    await channel.hub.start()
    link = channel.link(0)
    await until(lambda: channel.hub.workers)
    await channel.hub.close()
    await until(lambda: not link.can_take)
    link.send("observed")
    await channel.restart_hub()
    await until(lambda: channel.received)
    assert channel.received == [(0, "observed")]
    channel.hub.publish(7)
    await until(lambda: channel.snapshots[0] == [7])


async def test_only_the_latest_are_kept_and_the_lost_are_counted(channel: Channel) -> None:
    link = ControlLink(channel.path.with_name("absent.sock"), {"worker": 0}, lambda _: None)
    link.start()
    for number in range(MOST_KEPT + 5):
        link.send(number)
    assert link.dropped == 5
    assert not link.can_take
    await link.close()

    patient = ControlLink(channel.path, {"worker": 1}, lambda _: None)
    for number in range(MOST_KEPT + 5):
        patient.send(number)
    patient.start()
    channel.links.append(patient)
    await channel.hub.start()
    await until(lambda: len(channel.received) == MOST_KEPT)
    assert [number for _, number in channel.received] == list(range(5, MOST_KEPT + 5))


async def test_a_worker_keeps_its_values_while_control_does_not_read(channel: Channel) -> None:
    link = channel.link(0)
    await until(lambda: link.can_take)
    sent = 0
    while link.can_take:
        link.send("x" * 100_000)
        sent += 1
    link.send("last")
    assert link.dropped == 0
    await channel.hub.start()
    await until(lambda: len(channel.received) == sent + 1)
    assert channel.received[-1] == (0, "last")
    await until(lambda: link.can_take)


async def test_a_reader_that_is_too_slow_is_dropped_and_the_others_are_not(channel: Channel) -> None:
    await channel.hub.start()
    channel.link(1)
    with socket.socket(socket.AF_UNIX) as slow:
        slow.connect(str(channel.path))
        slow.sendall(frame(pack({"worker": 0})))
        await until(lambda: channel.hub.workers == {0, 1})
        published = 0
        async with asyncio.timeout(5):
            while channel.hub.workers == {0, 1}:
                channel.hub.publish("x" * 100_000)
                published += 1
                await asyncio.sleep(0.001)
        assert channel.hub.workers == {1}
        assert published > 10, "1 MiB may wait"
        await until(lambda: len(channel.snapshots[1]) == published)


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(b"\xff\xff\xff\xff", id="a length past the limit"),
        pytest.param(frame(b"\xc1"), id="no msgpack"),
        pytest.param(frame(pack({"worker": "0"})), id="a hello without a number"),
        pytest.param(frame(pack({"worker": 0})) + frame(pack("fail")), id="a value that control fails over"),
    ],
)
async def test_what_is_broken_closes_its_own_connection_only(channel: Channel, broken: bytes) -> None:
    await channel.hub.start()
    link = channel.link(1)
    await until(lambda: channel.hub.workers == {1})
    reader, writer = await asyncio.open_unix_connection(str(channel.path))
    writer.write(broken)
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()
    link.send("still here")
    await until(lambda: channel.received == [(1, "still here")])
    assert channel.hub.workers == {1}


async def test_control_knows_who_comes_and_who_is_gone(channel: Channel) -> None:
    await channel.hub.start()
    first = channel.link(0)
    await until(lambda: channel.events == ["+0"])
    second = channel.link(0)
    await until(lambda: channel.events == ["+0", "+0"])
    await first.close()
    second.send("mine")
    await until(lambda: channel.received)
    assert channel.events == ["+0", "+0"], "its replacement is connected: worker 0 is not gone"
    await second.close()
    await until(lambda: channel.events == ["+0", "+0", "-0"])


async def test_in_one_process_values_pass_in_order_but_never_into_the_middle_of_the_sender() -> None:
    seen: list[object] = []
    link = InProcessLink(lambda worker, value: seen.append((worker, value)), seen.append)
    link.send("a")
    link.publish("b")
    link.send("c")
    assert seen == []
    await asyncio.sleep(0)
    assert seen == [(0, "a"), "b", (0, "c")]
    assert link.can_take
