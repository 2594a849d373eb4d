"""What every child does: a uvloop loop, the supervisor's orders (`post.py`), and an end.

    start -> accept its own slot -> ready -> (orders) -> drain -> stop

It ends on the order `drain`, on SIGTERM, or when the supervisor is gone; in every case it drains first, for at most
`seat.drain` seconds. An orphan also lets go of the listening sockets at once, so that a new edge can bind them.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

import uvloop

from steer.runtime.orders import Order
from steer.runtime.post import Post
from steer.runtime.seats import SingleSeat, WorkerSeat
from steer.runtime.sockets import close_all
from steer.runtime.tasks import spawn

logger = logging.getLogger("steer.runtime")


class Service(Protocol):
    """What a process is there for. `app.py` makes it."""

    async def drain(self, within: float) -> None:
        """Take nothing new, finish what there is. Is cancelled after `within` seconds."""

    async def stop(self) -> None:
        """Let go of everything, finished or not."""


class WorkerService(Service, Protocol):
    """A service that accepts connections. `accept` and `release` come one at a time, never two at once."""

    async def accept(self, slot: int) -> None:
        """Accept from this slot of every listener, also while draining."""

    async def hand_over(self, within: float) -> None:
        """As `drain`, but the slots stay open: others accept from them. Is cancelled after `within` seconds."""

    async def release(self, slot: int) -> None:
        """Stop accepting from it. What was accepted goes on. No error if it never was accepted from."""


class LeadingService(Service, Protocol):
    """The first single's. As every single's it is told to drain when all workers have ended."""

    async def reload(self) -> None:
        """SIGHUP: make the edge follow its configuration file, or say in the log why not."""


def serve_worker(seat: WorkerSeat, start: Callable[[WorkerSeat, Post], Awaitable[WorkerService]]) -> int:
    """Be a worker until the end. `start` returns when it could accept. Returns the exit status; what `start` raises
    passes: a SteerError means that another try would fail the same way."""
    return run_loop(_live_as_worker(seat, start))


def serve_leader(seat: SingleSeat, start: Callable[[SingleSeat, Post], Awaitable[LeadingService]]) -> int:
    """Be the first single until the end. `start` returns when others can connect."""
    return run_loop(_live_as_leader(seat, start))


def serve_single(seat: SingleSeat, start: Callable[[SingleSeat, Post], Awaitable[Service]]) -> int:
    """Be another single until the end. `start` returns when others can connect."""
    return run_loop(_live_as_single(seat, start))


def serve_alone(start: Callable[[], Awaitable[LeadingService]], drain: float, on_ready: Callable[[], None]) -> int:
    """`--workers 0`: all in this process. SIGTERM and SIGINT drain, a second one ends at once; SIGHUP reloads."""
    return run_loop(_live_alone(start, drain, on_ready))


def run_loop(life: Coroutine[Any, Any, None]) -> int:
    """On a new uvloop loop, to its end. Returns 0."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(life)
    return 0


async def _live_as_worker(seat: WorkerSeat, start: Callable[[WorkerSeat, Post], Awaitable[WorkerService]]) -> None:
    post = await Post.take(seat.supervisor)
    service = await start(seat, post)
    await service.accept(seat.slot)
    obeying = spawn("orders", _obey(post, partial(_share, service)))
    post.say_ready()
    await post.ending.wait()
    if post.is_orphan:
        obeying.cancel()
        await _let_go(seat, service)
    await _within(seat.drain, service.hand_over if post.hands_over else service.drain)
    obeying.cancel()
    await service.stop()
    post.leave()


async def _live_as_leader(seat: SingleSeat, start: Callable[[SingleSeat, Post], Awaitable[LeadingService]]) -> None:
    post = await Post.take(seat.supervisor)
    service = await start(seat, post)
    obeying = spawn("orders", _obey(post, lambda order, slot: service.reload()))
    await _serve(seat, post, service)
    obeying.cancel()


async def _live_as_single(seat: SingleSeat, start: Callable[[SingleSeat, Post], Awaitable[Service]]) -> None:
    post = await Post.take(seat.supervisor)
    await _serve(seat, post, await start(seat, post))


async def _serve(seat: SingleSeat, post: Post, service: Service) -> None:
    post.say_ready()
    await post.ending.wait()
    await _within(seat.drain, service.drain)
    await service.stop()
    post.leave()


async def _live_alone(
    start: Callable[[], Awaitable[LeadingService]], drain: float, on_ready: Callable[[], None]
) -> None:
    loop = asyncio.get_running_loop()
    ending, at_once = asyncio.Event(), asyncio.Event()

    def on_signal() -> None:
        (at_once if ending.is_set() else ending).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    service = await start()
    loop.add_signal_handler(signal.SIGHUP, lambda: spawn("reload", service.reload()))
    loop.add_signal_handler(signal.SIGUSR2, logger.error, "SIGUSR2: one process alone cannot hand over its sockets")
    on_ready()
    await ending.wait()
    draining = spawn("drain", _within(drain, service.drain))
    waiting = spawn("second signal", at_once.wait())
    await asyncio.wait((draining, waiting), return_when=asyncio.FIRST_COMPLETED)
    draining.cancel()
    waiting.cancel()
    await service.stop()


async def _obey(post: Post, do: Callable[[Order, int], Awaitable[None]]) -> None:
    while True:
        order, slot = await post.orders.get()
        try:
            await do(order, slot)
        except Exception:
            # Out of descriptors, say: a slot's own worker will be back, and this one must go on.
            logger.exception("could not obey: %s, slot %d", order, slot)


async def _share(service: WorkerService, order: Order, slot: int) -> None:
    await (service.accept(slot) if order is Order.ACCEPT else service.release(slot))


async def _let_go(seat: WorkerSeat, service: WorkerService) -> None:
    for slot in range(seat.slots):
        await service.release(slot)
    close_all({name: list(sockets) for name, sockets in seat.sockets.items()})


async def _within(seconds: float, drain: Callable[[float], Awaitable[None]]) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await drain(seconds)
