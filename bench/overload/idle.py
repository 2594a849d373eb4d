"""20,000 idle connections beside 200 active ones, on two workers: does who does nothing cost others time?

    .venv/bin/python -m bench.overload.idle [--idle 20000] [--active 200] [--rate 400] [--seconds 10] [--tls]

The idle ones have had a request each, and come from many addresses of loopback, because one has 28,000 ports. They are
held by processes of their own. The active ones ask in turns at a rate that both workers can serve easily: what is
compared is the p99 without the idle ones and with them.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence

import uvloop

from bench.meter import tree_pss_kib
from bench.overload.edge import Edge, edge, raise_limit
from bench.overload.good import REQUEST, Measured, client_context, good_traffic

MOST_TIMES = 3.0
HELD_BY_ONE = 5000
"""Connections of one process."""


class Holder(asyncio.Protocol):
    """Asks once, and then does nothing."""

    def __init__(self) -> None:
        self.answered = asyncio.Event()
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        transport.write(REQUEST)  # type: ignore[attr-defined]  # uvloop's are no subclasses

    def data_received(self, data: bytes) -> None:
        self.answered.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self.answered.set()


async def hold(port: int, number: int, first: int, tls: bool) -> None:
    """Says `held N` when all that could be are, and at the end of its input how many were lost since."""
    loop, held = asyncio.get_running_loop(), list[Holder]()
    context = client_context() if tls else None
    for each in range(number):
        holder = Holder()
        address = f"127.1.{(first + each) // 2000}.1"
        await loop.create_connection(lambda h=holder: h, "127.0.0.1", port, ssl=context, local_addr=(address, 0))
        held.append(holder)
        if len(held) % 50 == 0:
            await held[-1].answered.wait()
    for holder in held:
        await holder.answered.wait()
    print("held", sum(not holder.lost for holder in held), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    print("lost", sum(holder.lost for holder in held), flush=True)


@contextlib.contextmanager
def holders(port: int, number: int, tls: bool) -> Iterator[list[subprocess.Popen[str]]]:
    processes = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "bench.overload.idle",
                "--hold",
                f"{port},{min(HELD_BY_ONE, number - first)},{first}",
            ]
            + (["--tls"] if tls else []),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for first in range(0, number, HELD_BY_ONE)
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()


def said(process: subprocess.Popen[str]) -> int:
    """The number in the next line of a holder."""
    assert process.stdout is not None
    return int(process.stdout.readline().split()[1])


def end_input(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.close()


def active(found: Edge, chosen: argparse.Namespace) -> Measured:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(good_traffic(found.tls, chosen.seconds, chosen.rate, chosen.active))


def compare(chosen: argparse.Namespace) -> dict[str, float]:
    with edge(2, "0,1", 1) as found:
        active(found, argparse.Namespace(**{**vars(chosen), "seconds": 2}))
        before = tree_pss_kib(found.pid)
        alone = active(found, chosen)
        with holders(found.tls if chosen.tls else found.plain, chosen.idle, chosen.tls) as processes:
            held = sum(map(said, processes))
            memory = tree_pss_kib(found.pid)
            beside = active(found, chosen)
            for process in processes:
                end_input(process)
            lost = sum(map(said, processes))
    return {
        "idle": held,
        "idle lost meanwhile": lost,
        "p99 alone, ms": round(alone.quantile_ms(0.99), 2),
        "p99 beside, ms": round(beside.quantile_ms(0.99), 2),
        "p50 alone, ms": round(alone.quantile_ms(0.5), 2),
        "p50 beside, ms": round(beside.quantile_ms(0.5), 2),
        "times": round(beside.quantile_ms(0.99) / alone.quantile_ms(0.99), 2),
        "failed": len(alone.failures) + len(beside.failures),
        "KiB for each idle one": round((memory - before) / max(held, 1), 1),
    }


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.overload.idle")
    parser.add_argument("--idle", type=int, default=20_000)
    parser.add_argument("--active", type=int, default=200)
    parser.add_argument("--rate", type=int, default=400, help="requests a second, of all active ones (%(default)s)")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--tls", action="store_true", help="the idle ones have TLS too")
    parser.add_argument("--hold", help=argparse.SUPPRESS)
    chosen = parser.parse_args(argv)
    raise_limit()
    if chosen.hold:
        port, number, first = map(int, chosen.hold.split(","))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(hold(port, number, first, chosen.tls))
        return 0
    found = compare(chosen)
    print(json.dumps(found, indent=1))
    return 0 if found["times"] < MOST_TIMES and not found["failed"] and found["idle"] == chosen.idle else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
