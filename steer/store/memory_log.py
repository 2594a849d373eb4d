"""The memory engine's append-only log: frames of operations, each with its length and a checksum.

    length 4, crc32 4, msgpack [namespace, [operation, ...]]        a frame is done whole, or not at all

A process that is killed loses nothing: a frame is with the kernel before it is answered. What a power cut loses is what
was not fsynced: with `always` nothing that was answered, else the last so many seconds.

When the log has grown to twice what it was after the last compaction, a new one is begun beside it. Every frame goes to
both, and with each a piece of what is in memory goes to the new one; when all of it is there, the new one takes the
old one's name. So no write waits for a compaction.
"""

from __future__ import annotations

import asyncio
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgpack

from steer.store.errors import EngineDown, Indeterminate

HEADER = struct.Struct(">II")
FRAME_LIMIT = 64 << 20
"""Bytes: far over any real one, so that a damaged length asks for no memory."""
SMALLEST = 1 << 20
"""Below this a log is not worth compacting."""
Operations = tuple[str, list[list[Any]]]


def frame_of(operations: Operations) -> bytes:
    """As it stands in the file."""
    payload: bytes = msgpack.packb(operations)
    return HEADER.pack(len(payload), zlib.crc32(payload)) + payload


def frames_in(data: bytes) -> Iterator[tuple[int, Operations]]:
    """Every whole frame with the place where it ends; stops at the first that is not."""
    at = 0
    while at + HEADER.size <= len(data):
        length, checksum = HEADER.unpack_from(data, at)
        payload = data[at + HEADER.size : at + HEADER.size + length]
        if length > FRAME_LIMIT or len(payload) < length or zlib.crc32(payload) != checksum:
            return
        at += HEADER.size + length
        namespace, operations = msgpack.unpackb(payload, strict_map_key=False)
        yield at, (namespace, operations)


class Log:
    """`sync` is `always`, or seconds between two fsyncs."""

    def __init__(self, path: Path, sync: float | Literal["always"] = 1.0) -> None:
        self._path = path
        self._sync = sync
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._size = 0
        self._compact_at = SMALLEST
        self._new: _Compaction | None = None
        self._syncing: asyncio.Task[None] | None = None
        self._is_dirty = False
        self._is_unsafe = False
        self.damaged = 0
        """Bytes at the end that were no frame, and were put aside when the log was read."""
        self.failure = ""
        """What the disk refused last."""

    def read(self) -> Iterator[Operations]:
        """What is in it. A torn end is moved to `<name>.damaged`."""
        data = self._path.read_bytes()
        for end, operations in frames_in(data):
            self._size = end
            yield operations
        self._put_aside(data[self._size :])
        os.lseek(self._file, self._size, os.SEEK_SET)
        self._compact_at = max(SMALLEST, 2 * self._size)

    def _put_aside(self, rest: bytes) -> None:
        if rest:
            self.damaged = len(rest)
            self._path.with_suffix(".damaged").write_bytes(rest)
            os.ftruncate(self._file, self._size)

    def append(self, operations: Operations) -> None:
        """Hands a frame to the kernel. Raises EngineDown, and has then written nothing."""
        frame = frame_of(operations)
        try:
            write_whole(self._file, frame)
        except OSError as error:
            os.ftruncate(self._file, self._size)
            os.lseek(self._file, self._size, os.SEEK_SET)
            raise EngineDown(f"{self._path} cannot be written: {error.strerror}") from error
        self._size += len(frame)
        self._is_dirty = True

    def wants_compaction(self) -> bool:
        return self._new is None and (self._is_unsafe or self._size >= self._compact_at)

    def begin_compaction(self, everything: Iterator[Operations]) -> None:
        """`everything` gives pieces of what is in memory, as it is when asked for the piece."""
        self._new = _Compaction(self._path.with_suffix(".new"), everything)

    def compact_a_piece(self, operations: Operations) -> None:
        """After each `append`: the same frame and one piece more go to the new log."""
        if self._new is None:
            return
        try:
            if self._new.go_on(operations):
                self._take_over(self._new)
        except OSError as error:
            # The old one is whole. It grows on, and this is tried again.
            self._new.give_up()
            self._new, self._compact_at = None, 2 * self._size
            self.failure = f"{self._path} cannot be compacted: {error.strerror}"

    def _take_over(self, new: _Compaction) -> None:
        os.fsync(new.file)
        os.replace(new.path, self._path)
        sync_folder(self._path.parent)
        os.close(self._file)
        self._file, self._size, self._new = new.file, new.size, None
        self._is_unsafe = False
        self._compact_at = max(SMALLEST, 2 * self._size)

    async def synced(self) -> None:
        """With `always`: when all that was appended until now is on the disk. Else at once."""
        if self._sync != "always":
            self._sync_later(self._sync)
            return
        while self._is_dirty or self._syncing:
            if self._syncing is None:
                self._syncing = asyncio.get_running_loop().create_task(self._fsync(0.0), name="store log fsync")
            await asyncio.shield(self._syncing)
            if self._is_unsafe:
                raise Indeterminate(self.failure)

    def _sync_later(self, seconds: float) -> None:
        if self._syncing is None and self._is_dirty:
            self._syncing = asyncio.get_running_loop().create_task(self._fsync(seconds), name="store log fsync")

    async def _fsync(self, delay: float) -> None:
        """In a thread: a disk may take its time, and other writes share the fsync meanwhile."""
        try:
            await asyncio.sleep(delay)
            self._is_dirty = False
            copy = os.dup(self._file)
            try:
                await asyncio.to_thread(os.fsync, copy)
            finally:
                os.close(copy)
        except OSError as error:
            # What the kernel dropped then it does not try again: only a new log is safe.
            self._is_unsafe = True
            self.failure = f"{self._path} cannot be synced: {error.strerror}"
        finally:
            self._syncing = None

    async def close(self) -> None:
        """With all of it on the disk."""
        if self._syncing:
            self._syncing.cancel()
            await asyncio.gather(self._syncing, return_exceptions=True)
        if self._new:
            self._new.give_up()
        os.fsync(self._file)
        os.close(self._file)


class _Compaction:
    """The log that will take over."""

    def __init__(self, path: Path, everything: Iterator[Operations]) -> None:
        self.path = path
        self.size = 0
        self.file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self._everything = everything

    def go_on(self, operations: Operations) -> bool:
        """Is all of it there?"""
        self._write(operations)
        piece = next(self._everything, None)
        if piece is not None:
            self._write(piece)
        return piece is None

    def _write(self, operations: Operations) -> None:
        frame = frame_of(operations)
        write_whole(self.file, frame)
        self.size += len(frame)

    def give_up(self) -> None:
        os.close(self.file)
        self.path.unlink(missing_ok=True)


def write_whole(file: int, data: bytes) -> None:
    """write(2) may take less than all."""
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def sync_folder(folder: Path) -> None:
    """So that a rename outlives a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
