"""Keeps the processes of an edge alive. No event loop, no threads: so forking is safe at any moment.

It owns its children, the sockets, the last snapshot and configuration, and decides nothing about traffic. One round:

    start what is due -> wait (a signal, a report, 100 ms) -> bury the dead -> kill the lost -> share the slots

    RUNNING --SIGTERM--> WORKERS_DRAIN --all ended, or `drain` passed--> CONTROL_ENDS --ended--> OVER
"""

from __future__ import annotations

import gc
import logging
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

from steer.runtime import processes, slots
from steer.runtime.crew import Crew
from steer.runtime.orders import Order
from steer.runtime.processes import Place
from steer.runtime.seats import ControlSeat, Timing, WorkerSeat
from steer.runtime.sockets import bind_unix, close_all, drop_privileges, raise_file_limit
from steer.runtime.upgrade import SERVES, WORKERS, Inherited, Successor

logger = logging.getLogger("steer.runtime")

HUBS = ("control.sock", "control-2.sock")
"""Two versions that run at once have one each."""

ORPHANS_END = 1.0
"""Seconds for a control process without a supervisor to let go of the state."""


class Phase(Enum):
    RUNNING = "running"
    WORKERS_DRAIN = "workers drain"
    CONTROL_ENDS = "control ends"
    OVER = "over"


class Supervisor:
    """`sockets`: listener name -> one listening socket for each worker slot. Takes them over, with `admin_socket`.

    `run_worker` and `run_control` are called in the children and return their exit status. `on_ready` is called once,
    here, when every child has said that it is ready. `runtime_dir` gets the Unix socket for control and the workers.
    `inherited`: there is a version before this one, whose place it takes (`upgrade.py`).
    """

    def __init__(
        self,
        sockets: dict[str, list[socket.socket]],
        workers: int,
        run_worker: Callable[[WorkerSeat], int],
        run_control: Callable[[ControlSeat], int],
        admin_socket: socket.socket | None,
        drain: float,
        user: str | None,
        on_ready: Callable[[], None],
        runtime_dir: Path,
        timing: Timing | None = None,
        inherited: Inherited | None = None,
    ) -> None:
        # For the life of the edge.
        self._sockets = sockets
        self._run_worker = run_worker
        self._run_control = run_control
        self._admin = admin_socket
        self._drain = drain
        self._user = user
        self._on_ready = on_ready
        self._hub_path = runtime_dir / next(name for name in HUBS if inherited is None or name != inherited.hub)
        self._timing = timing or Timing()
        self._slots = max(workers, *(len(held) for held in sockets.values()))
        self._workers = [Place(f"worker {slot}", slot) for slot in range(workers)]
        self._control = Place("control", None)
        self._selector = selectors.DefaultSelector()
        self._crew = Crew([self._control, *self._workers], self._selector)
        self._wakeup, self._wakeup_end = socket.socketpair()
        self._handlers: dict[signal.Signals, Any] = {}
        # What changes.
        self._phase = Phase.RUNNING
        self._deadline = 0.0
        self._was_ready = False
        self._status = 0
        self._helping: dict[int, int] = {}
        self._successor: Successor | None = None
        self._predecessor: socket.socket | None = None
        self._are_workers_ready = False
        if inherited is not None:
            self._predecessor = inherited.link
            self._crew.snapshot = inherited.snapshot
            self._control.start_at = inf  # until the version before has let go of the state

    def run(self) -> int:
        """Until a signal ends it. Returns 0, or 1 if a child could not start. Raises SteerError before any fork."""
        self._hub = bind_unix(self._hub_path, self._user)
        self._hub_inode = self._hub_path.stat().st_ino
        raise_file_limit()
        if self._user is not None:
            drop_privileges(self._user)
        self._take_signals()
        # What is here now lives as long as we do: the children's collectors need not touch, and so copy, its pages.
        gc.collect()
        gc.freeze()
        try:
            while self._phase is not Phase.OVER:
                self._turn()
        finally:
            self._close()
        return self._status

    def _turn(self) -> None:
        self._start_due()
        self._wait()
        self._bury_dead()
        self._crew.kill_lost(self._timing.lost)
        self._share_slots()
        self._announce()
        self._mind_successor()
        self._advance()

    # Signals

    def _take_signals(self) -> None:
        for end in (self._wakeup, self._wakeup_end):
            end.setblocking(False)
        signal.set_wakeup_fd(self._wakeup_end.fileno(), warn_on_full_buffer=False)
        for number in processes.HANDLED:
            # Does nothing: the wake-up descriptor carries the number.
            self._handlers[number] = signal.signal(number, lambda *_: None)
        self._selector.register(self._wakeup, selectors.EVENT_READ, self._on_signals)
        if self._predecessor is not None:
            self._selector.register(self._predecessor, selectors.EVENT_READ, self._hear_predecessor)

    def _on_signals(self) -> None:
        for number in self._wakeup.recv(4096):
            if number in (signal.SIGTERM, signal.SIGINT):
                self._on_terminate(signal.Signals(number).name)
            elif number == signal.SIGHUP:
                self._on_hangup()
            elif number == signal.SIGUSR2:
                self._on_upgrade()

    def _on_terminate(self, name: str) -> None:
        if self._phase is Phase.RUNNING:
            logger.info("%s: draining for at most %g s; a second one ends at once", name, self._drain)
            self._begin_drain()
        else:
            logger.warning("%s again: ending at once", name)
            self._deadline = 0.0

    def _on_hangup(self) -> None:
        if self._control.process is None:
            logger.error("SIGHUP: no reload, since control is being started anew; ask again")
        else:
            self._crew.order(self._control, Order.RELOAD)

    def _begin_drain(self) -> None:
        self._phase = Phase.WORKERS_DRAIN
        self._deadline = time.monotonic() + self._drain + self._timing.grace
        shares_sockets = self._successor is not None or self._predecessor is not None
        for place in self._workers:
            self._crew.order(place, Order.LEAVE if shares_sockets else Order.DRAIN)

    # Children

    def _start_due(self) -> None:
        now = time.monotonic()
        for place in self._crew.places:
            if self._phase is Phase.RUNNING and place.process is None and now >= place.start_at:
                self._start(place)

    def _start(self, place: Place) -> None:
        if place.slot is None:
            self._crew.start(place, self._work_as_control, self._forget_as_control)
        else:
            self._crew.start(place, partial(self._work_as_worker, place.slot), self._forget_as_worker)

    def _work_as_worker(self, slot: int, link: socket.socket) -> int:
        seat = WorkerSeat(
            slot=slot,
            slots=self._slots,
            sockets=self._sockets,
            snapshot=self._crew.snapshot,
            configuration=self._crew.configuration,
            control=self._hub_path,
            supervisor=link,
            drain=self._drain,
        )
        return self._run_worker(seat)

    def _work_as_control(self, link: socket.socket) -> int:
        seat = ControlSeat(
            admin=self._admin,
            hub=self._hub,
            snapshot=self._crew.snapshot,
            configuration=self._crew.configuration,
            supervisor=link,
            drain=self._drain,
        )
        return self._run_control(seat)

    def _forget_as_worker(self) -> None:
        self._let_go()
        self._hub.close()
        if self._admin is not None:
            self._admin.close()

    def _forget_as_control(self) -> None:
        self._let_go()
        close_all(self._sockets)

    def _bury_dead(self) -> None:
        for place, process, status in self._crew.bury():
            end = processes.describe_end(status)
            if self._phase is not Phase.RUNNING or place.start_at == inf:
                logger.info("%s %s", place.name, end)
            elif not self._was_ready and os.waitstatus_to_exitcode(status) == processes.NOT_STARTABLE:
                self._give_up()
            else:
                now = time.monotonic()
                delay = place.backoff.next_delay(now - process.born)
                place.start_at = now + delay
                logger.error("%s (pid %d) %s; starting another in %g s", place.name, process.pid, end, delay)

    def _give_up(self) -> None:
        """A child could not start, with the same configuration and sockets that every next one would have."""
        self._status = 1
        self._begin_drain()
        self._deadline = 0.0

    def _wait(self) -> None:
        for key, _ in self._selector.select(self._timing.tick):
            if isinstance(key.data, Place):
                self._crew.hear(key.data)
            else:
                key.data()

    def _share_slots(self) -> None:
        if self._phase is not Phase.RUNNING:
            return  # a worker that has drained has shut its slot: nobody waits there, and nobody may listen there again
        now = time.monotonic()
        able = [place.can_serve(now, self._timing.silent) for place in self._workers]
        wanted = slots.helpers([*able, *(False for _ in range(self._slots - len(able)))])
        for worker, order, slot in slots.changes(self._helping, wanted):
            logger.info("worker %d: %s slot %d", worker, order, slot)
            self._crew.order(self._workers[worker], order, slot)
        self._helping = wanted

    def _announce(self) -> None:
        if self._was_ready:
            return
        if self._predecessor is not None and not self._are_workers_ready and self._has_ready_workers():
            self._are_workers_ready = True
            self._tell_predecessor(WORKERS)
        if self._crew.is_ready:
            self._was_ready = True
            self._on_ready()
            if self._predecessor is not None:
                self._tell_predecessor(SERVES)
                self._forget_predecessor()

    def _has_ready_workers(self) -> bool:
        return all(place.process is not None and place.process.is_ready for place in self._workers)

    # The version before this one...

    def _hear_predecessor(self) -> None:
        """It has let go of the state; or it has died, and then so have its children."""
        assert self._predecessor is not None
        with suppress(BlockingIOError, ConnectionError):
            if self._predecessor.recv(16):
                self._control.start_at = 0.0
                return
        logger.warning("the version before this one is gone")
        self._control.start_at = time.monotonic() + ORPHANS_END
        self._forget_predecessor()

    def _tell_predecessor(self, word: bytes) -> None:
        assert self._predecessor is not None
        with suppress(OSError):
            self._predecessor.send(word)

    def _forget_predecessor(self) -> None:
        assert self._predecessor is not None
        self._selector.unregister(self._predecessor)
        self._predecessor.close()
        self._predecessor = None

    # The one after it...

    def _on_upgrade(self) -> None:
        if self._phase is not Phase.RUNNING or not self._was_ready or self._successor is not None:
            logger.error("SIGUSR2: not now, since this edge %s", "starts, ends or is being replaced already")
            return
        listening = [each for held in self._sockets.values() for each in held]
        listening += [self._admin] if self._admin is not None else []
        try:
            self._successor = Successor(listening, self._crew.snapshot, self._hub_path.name)
        except OSError as error:
            logger.error("SIGUSR2: a new version cannot be started: %s", error.strerror)
            return
        logger.info("SIGUSR2: started a new version as process %d", self._successor.pid)
        self._selector.register(self._successor.link, selectors.EVENT_READ, self._hear_successor)

    def _hear_successor(self) -> None:
        assert self._successor is not None
        said = self._successor.hear()
        if WORKERS in said:
            logger.info("the new version's workers accept: ending our control, so that its own can begin")
            self._control.start_at = inf
            self._crew.order(self._control, Order.DRAIN)
        if SERVES in said:
            logger.info("the new version serves: draining for at most %g s", self._drain)
            self._begin_drain()
            self._selector.unregister(self._successor.link)
        elif not said:
            self._go_on_alone()

    def _mind_successor(self) -> None:
        """Tell it that the state is free; do not wait for it for ever."""
        successor = self._successor
        if successor is None or self._phase is not Phase.RUNNING:
            return
        if self._control.start_at == inf and self._control.process is None:
            successor.give_state()
        if successor.is_late:
            successor.end()

    def _go_on_alone(self) -> None:
        assert self._successor is not None
        logger.error("the new version (process %d) has ended before it served: going on", self._successor.pid)
        self._selector.unregister(self._successor.link)
        self._successor.link.close()
        self._successor = None
        self._control.start_at = 0.0

    # The end

    def _advance(self) -> None:
        if self._phase is Phase.WORKERS_DRAIN and not self._has_process(self._workers):
            self._phase = Phase.CONTROL_ENDS
            self._end_control()
        if self._phase is Phase.CONTROL_ENDS and not self._has_process([self._control]):
            self._phase = Phase.OVER
        if self._phase is not Phase.RUNNING and time.monotonic() > self._deadline:
            self._kill_rest()

    def _end_control(self) -> None:
        # It outlives the workers, for their last counts. A deadline of 0 is an order to end at once: it stays.
        if self._deadline:
            self._deadline = time.monotonic() + self._timing.control
        self._crew.order(self._control, Order.DRAIN)

    def _kill_rest(self) -> None:
        for place, process in self._crew.living():
            is_due = self._phase is Phase.CONTROL_ENDS or place.slot is not None or not self._deadline
            if is_due and not process.was_killed:
                logger.warning("%s (pid %d) has not ended: killing it", place.name, process.pid)
                process.kill()

    def _has_process(self, places: list[Place]) -> bool:
        return any(place.process is not None for place in places)

    def _let_go(self) -> None:
        """Of what is the supervisor's alone: at its end, and in every child."""
        self._crew.close_links()
        self._selector.close()
        self._wakeup.close()
        self._wakeup_end.close()
        for link in (self._predecessor, self._successor.link if self._successor is not None else None):
            if link is not None:
                link.close()

    def _close(self) -> None:
        signal.set_wakeup_fd(-1)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._let_go()
        self._hub.close()
        with suppress(OSError):
            if self._hub_path.stat().st_ino == self._hub_inode:  # else it is that of a later version
                self._hub_path.unlink()
        close_all(self._sockets)
        if self._admin is not None:
            self._admin.close()
