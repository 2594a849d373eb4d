"""One connection of the channel, either end: values out, values in, and a mark when the other side reads slowly."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import cast

from steer.runtime.frames import BrokenFrame, FrameSplitter, unpack

logger = logging.getLogger("steer.runtime")

MOST_BUFFERED = 1024 * 1024
"""Bytes that may wait for a slow reader: some hundred snapshots of a usual edge, ten seconds of observations. A reader
so far behind is better served by the newest snapshot on a new connection."""


class Wire(asyncio.Protocol):
    """A broken frame, or a receiver that fails over a value, closes this one only."""

    def __init__(
        self,
        on_value: Callable[[Wire, object], None],
        on_made: Callable[[Wire], None],
        on_lost: Callable[[Wire], None],
        on_space: Callable[[Wire], None],
    ) -> None:
        self._on_value = on_value
        self._on_made = on_made
        self._on_lost = on_lost
        self._on_space = on_space
        self._splitter = FrameSplitter()
        self.has_space = True
        """Less than MOST_BUFFERED bytes wait for the other side."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclasses
        self._transport.set_write_buffer_limits(high=MOST_BUFFERED)
        self._on_made(self)

    def data_received(self, data: bytes) -> None:
        try:
            for body in self._splitter.feed(data):
                self._on_value(self, unpack(body))
        except BrokenFrame as error:
            logger.error("channel: %s; closing that connection", error)
            self.drop()
        except Exception:
            logger.exception("channel: a value could not be used; closing that connection")
            self.drop()

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_lost(self)

    def pause_writing(self) -> None:
        self.has_space = False

    def resume_writing(self) -> None:
        self.has_space = True
        self._on_space(self)

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    def drop(self) -> None:
        """Close it now; what waits is lost."""
        self._transport.abort()

    def close(self) -> None:
        """Close it when what waits has gone out."""
        self._transport.close()
