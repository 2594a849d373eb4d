"""A reload: another configuration is in force in all processes of the edge, or in none.

    file ─ load, check, plan ─▶ prepare: control and every worker make all that it needs ─▶ commit: all switch

Whatever is wrong shows before the commit: in the file, in what it asks for (`config.changes`), or in a process that
cannot prepare (a certificate that it may not read). Then nothing has changed anywhere. Control leads:

    prepare [number, parcel]    -> workers      make it, say `prepared`
    prepared [number, problem]  <- worker       an empty problem: ready to switch
    configuration BODY          -> supervisor   for every process that it starts from now on
    commit [number, snapshot]   -> workers      switch, and steer by this snapshot
    configuration [number, parcel]    -> a worker that missed it: make it and switch

Configurations are numbered from 0, that with which the edge started. A worker that connects to control is told the one
that holds, so a worker or a control process may die at any moment of this.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, cast

from steer.config import Change, Config, changes, from_parcel, load, to_parcel, unbuilt
from steer.config.watch import Stamp, Watch, stamp_of
from steer.errors import ConfigError, Problem, SteerError
from steer.runtime.channel import ToWorkers
from steer.runtime.frames import MAX_VALUE, pack, unpack

PREPARE, COMMIT, CONFIGURATION = "prepare", "commit", "configuration"
"""The kinds of message to workers: [kind, number, ...]. A mapping is a snapshot."""

PREPARED = "prepared"
"""The kind of the answer."""

PATIENCE = 5.0
"""Seconds for all workers to prepare: a hundred certificates take one tenth of one. A stopped worker never does."""

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class InForce:
    """A configuration that holds. `stamp` is that of its file when it was read."""

    config: Config
    number: int = 0
    stamp: Stamp = ()


class NotReady(SteerError):
    """A process of the edge could not make what the configuration needs."""


class Safe(Protocol):
    """Where values outlive this process: the supervisor, through `runtime.post.Post`. Packed."""

    def keep(self, snapshot: bytes) -> None: ...
    def keep_configuration(self, configuration: bytes) -> None: ...


class Reloader(Generic[Made]):
    """Control's part. One reload at a time; each raises ConfigError or NotReady when it cannot be, and nothing changed.

    `make` builds what control itself needs, in a thread, and changes nothing; `switch` puts it in force and returns the
    snapshot that holds then (wire form): it must not fail, and publishes nothing.
    """

    def __init__(
        self,
        file: Path,
        in_force: InForce,
        workers: ToWorkers,
        safe: Safe,
        make: Callable[[Config], Made],
        switch: Callable[[InForce, Made], Mapping[str, Any]],
    ) -> None:
        self.in_force = in_force
        self.watch = Watch(file, in_force.stamp)
        self._file = file
        self._workers = workers
        self._safe = safe
        self._make = make
        self._switch = switch
        self._one_at_a_time = asyncio.Lock()
        self._last_number = in_force.number
        # While it prepares.
        self._preparing: InForce | None = None
        self._answers: dict[int, str] = {}
        self._came = asyncio.Event()

    async def diff(self) -> tuple[Change, ...]:
        """What the file would change now. Raises ConfigError."""
        return changes(self.in_force.config, await asyncio.to_thread(self._load))

    async def reload(self) -> tuple[Change, ...]:
        """Take over what the file says now; returns what that changed."""
        async with self._one_at_a_time:
            stamp = stamp_of(self._file)
            self.watch.read(stamp)
            config = await asyncio.to_thread(self._load)
            planned = changes(self.in_force.config, config)
            _refuse_fixed(config, planned)
            self._last_number += 1
            following = InForce(config, self._last_number, stamp)
            packed = _packed(following)
            made = await asyncio.to_thread(self._make_own, config)
            try:
                await self._prepare_workers(following)
                self._commit(following, made, packed)
            finally:
                self._preparing = None
            return planned

    def take(self, worker: int, number: int, problem: str) -> None:
        """A worker has prepared, or says why it cannot."""
        if self._preparing is not None and number == self._preparing.number:
            self._answers[worker] = problem
            self._came.set()

    def meet(self, worker: int) -> None:
        """A worker has connected: it may have missed something. No harm if it has not."""
        if self.in_force.number:
            self._workers.tell(worker, [CONFIGURATION, *_content(self.in_force)])
        if self._preparing is not None:
            self._answers.pop(worker, None)
            self._workers.tell(worker, [PREPARE, *_content(self._preparing)])

    def _load(self) -> Config:
        config = load(self._file)
        if missing := unbuilt(config):
            raise ConfigError(missing)
        return config

    def _make_own(self, config: Config) -> Made:
        try:
            return self._make(config)
        except OSError as error:  # a file that was there a moment ago
            raise NotReady(f"{error.filename} cannot be read: {error.strerror}", "nothing has changed") from error

    async def _prepare_workers(self, following: InForce) -> None:
        self._preparing, self._answers = following, {}
        for worker in self._workers.workers:
            self._workers.tell(worker, [PREPARE, *_content(following)])
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while self._silent():
                    self._came.clear()
                    await self._came.wait()
        if silent := self._silent():
            raise NotReady(f"worker {min(silent)} did not prepare within {PATIENCE:g} s", "nothing has changed")
        for worker, problem in sorted(self._answers.items()):
            if problem:
                raise NotReady(f"worker {worker} cannot use it: {problem}", "nothing has changed")

    def _silent(self) -> frozenset[int]:
        return self._workers.workers - self._answers.keys()

    def _commit(self, following: InForce, made: Made, packed: bytes) -> None:
        """From here on it holds. Without a pause, so that nobody sees one half of it."""
        snapshot = self._switch(following, made)
        self.in_force = following
        self._safe.keep_configuration(packed)
        for worker in self._workers.workers:
            self._workers.tell(worker, [COMMIT, following.number, snapshot])
        self._safe.keep(self._workers.publish(snapshot))


def _content(in_force: InForce) -> list[object]:
    return [in_force.number, to_parcel(in_force.config)]


def unpacked(configuration: bytes) -> InForce:
    """What a process finds in its seat when a reload came before it."""
    number, parcel, stamp = cast("list[Any]", unpack(configuration))
    return InForce(from_parcel(parcel), number, tuple(stamp))


def _packed(in_force: InForce) -> bytes:
    try:
        return pack([*_content(in_force), list(in_force.stamp)])
    except ValueError:
        problem = Problem(in_force.config.source.file, 0, "", f"is larger than {MAX_VALUE // 2**20} MiB when filled in")
        raise ConfigError((problem,)) from None


def _refuse_fixed(config: Config, planned: tuple[Change, ...]) -> None:
    file = config.source.file
    fixed = tuple(Problem(file, 0, found.path, found.needs_restart) for found in planned if found.needs_restart)
    if fixed:
        raise ConfigError(fixed)
