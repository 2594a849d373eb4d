"""Single GETs at a fixed rate over many connections, in a process of its own: `python -m bench.store.paced JSON`.

A request's time counts from when it was due, so that a place that falls behind cannot hide it.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections import deque
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import cast

import uvloop

TICK = 0.001
"""Seconds between two looks at what is due: beneath it the loop's own timer would be measured."""

LAST = 2.0
"""Seconds for the last answers."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What is asked of the place at `port`."""

    port: int
    rate: int
    seconds: float
    connections: int
    keys: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What a load saw."""

    per_second: float
    p50_ms: float
    p99_ms: float


class Answers:
    """The time of each reply, in seconds; `failure` is the last reply that was an error; `all`: none is awaited."""

    def __init__(self, awaited: int) -> None:
        self.times: list[float] = []
        self.failure = ""
        self.all = asyncio.Event()
        self._awaited = awaited

    def add(self, reply: bytes, seconds: float) -> None:
        if reply.startswith(b"-"):
            self.failure = reply.decode("latin-1").strip()
        self.times.append(seconds)
        if len(self.times) == self._awaited:
            self.all.set()


class Asking(asyncio.Protocol):
    """One connection: commands out, replies to `answers`."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._due: deque[float] = deque()
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def ask(self, key: bytes, due: float) -> None:
        self._due.append(due)
        self._transport.write(b"*2\r\n$3\r\nGET\r\n$%d\r\n%b\r\n" % (len(key), key))

    def data_received(self, data: bytes) -> None:
        self._data += data
        now = perf_counter()  # the loop's own time moves once a turn, in whole milliseconds
        while size := reply_size(self._data):
            self._answers.add(self._data[:size], now - self._due.popleft())
            self._data = self._data[size:]


def reply_size(data: bytes) -> int:
    """Bytes of the first reply, a bulk string or one line; 0: it is not there in full."""
    line = data.find(b"\r\n") + 2
    if line < 2:
        return 0
    size = line + int(data[1 : line - 2]) + 2 if data.startswith(b"$") and not data.startswith(b"$-") else line
    return size if len(data) >= size else 0


async def ask(pace: Pace) -> Seen:
    """Raises RuntimeError if a reply was an error, TimeoutError if one did not come."""
    loop = asyncio.get_running_loop()
    total = int(pace.rate * pace.seconds)
    answers = Answers(total)
    made = [
        await loop.create_connection(lambda: Asking(answers), "127.0.0.1", pace.port) for _ in range(pace.connections)
    ]
    clients = [client for _, client in made]
    began, sent = perf_counter(), 0
    while sent < total:
        due = began + sent / pace.rate
        if due > perf_counter():
            await asyncio.sleep(TICK)
            continue
        clients[sent % len(clients)].ask(b"key:%012d" % random.randrange(pace.keys), due)
        sent += 1
    async with asyncio.timeout(LAST):
        await answers.all.wait()
    if answers.failure:
        raise RuntimeError(answers.failure)
    times = sorted(answers.times)
    return Seen(pace.rate, times[len(times) // 2] * 1000, times[len(times) * 99 // 100] * 1000)


def main(argument: str) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(asdict(runner.run(ask(Pace(**json.loads(argument)))))))


if __name__ == "__main__":
    main(sys.argv[1])
