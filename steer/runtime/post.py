"""A child's end of the way to the supervisor: orders come in, reports and a heartbeat go out."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from typing import cast

from steer.runtime.frames import BrokenFrame, FrameSplitter
from steer.runtime.orders import BEAT, Order, Report, read_order, tell

logger = logging.getLogger("steer.runtime")


class Post(asyncio.Protocol):
    """On the loop. `take` makes it; `ending` is set when the process should end."""

    def __init__(self) -> None:
        self.ending = asyncio.Event()
        self.hands_over = False
        """Ending, while another version goes on with the same sockets."""
        self._supervisor = os.getppid()
        self.orders: asyncio.Queue[tuple[Order, int]] = asyncio.Queue()
        self._splitter = FrameSplitter()
        self._transport: asyncio.Transport | None = None
        self._beat_timer: asyncio.TimerHandle | None = None
        self._is_full = False
        self._unsent: bytes | None = None

    @classmethod
    async def take(cls, supervisor: socket.socket) -> Post:
        """From here on the supervisor hears this process, and SIGTERM ends it well."""
        loop = asyncio.get_running_loop()
        supervisor.setblocking(False)
        _, post = await loop.create_unix_connection(cls, sock=supervisor)
        loop.add_signal_handler(signal.SIGTERM, post.ending.set)
        return post

    @property
    def is_orphan(self) -> bool:
        """The supervisor died. Its end of the socketpair closes before its death is a signal to us."""
        return self._transport is None or os.getppid() != self._supervisor

    def say_ready(self) -> None:
        self._send(tell(Report.READY))

    def keep(self, snapshot: bytes) -> None:
        """Give the supervisor the newest snapshot (packed). While it is slow, only the newest waits."""
        if self._is_full:
            self._unsent = snapshot
        else:
            self._send(tell(Report.SNAPSHOT, snapshot))

    def keep_configuration(self, configuration: bytes) -> None:
        """Give the supervisor the one that holds from now on (packed), for every process that it starts later."""
        self._send(tell(Report.CONFIGURATION, configuration))

    def leave(self) -> None:
        """The last word. Reports that are under way still arrive."""
        if self._beat_timer is not None:
            self._beat_timer.cancel()
        if self._transport is not None:
            self._transport.close()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclasses
        self._beat()

    def data_received(self, data: bytes) -> None:
        try:
            for body in self._splitter.feed(data):
                order, slot = read_order(body)
                if order in (Order.DRAIN, Order.LEAVE):
                    self.hands_over = order is Order.LEAVE
                    self.ending.set()
                else:
                    self.orders.put_nowait((order, slot))
        except BrokenFrame:
            logger.exception("the supervisor says what is no order: ending")
            self.ending.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if not self.ending.is_set():
            logger.warning("the supervisor is gone: draining")
            self.ending.set()

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        if self._unsent is not None:
            snapshot, self._unsent = self._unsent, None
            self.keep(snapshot)

    def _send(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _beat(self) -> None:
        if not self._is_full:
            self._send(tell(Report.BEAT))
        self._beat_timer = asyncio.get_running_loop().call_later(BEAT, self._beat)
