"""Keeps the processes of an edge alive. No event loop, no threads: so forking is safe at any moment.

It owns its children, the sockets, the last snapshot and configuration, and decides nothing about traffic. Its children
are workers, and *singles*: processes of which an edge has one each (control, store), which own what outlives them all.
One round:

    start what is due -> wait (a signal, a report, 100 ms) -> bury the dead -> kill the lost -> share the slots

    RUNNING --SIGTERM--> WORKERS_DRAIN --all ended, or `drain` passed--> SINGLES_END --ended--> OVER
"""

from __future__ import annotations

import gc
import logging
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Sequence
from enum import Enum
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

from steer.runtime import processes, slots
from steer.runtime.crew import Crew
from steer.runtime.hubs import Hubs
from steer.runtime.orders import Order
from steer.runtime.processes import Place
from steer.runtime.seats import Single, SingleSeat, Timing, WorkerSeat
from steer.runtime.sockets import close_all, drop_privileges, raise_file_limit
from steer.runtime.succession import Succession
from steer.runtime.upgrade import Inherited

logger = logging.getLogger("steer.runtime")


class Phase(Enum):
    RUNNING = "running"
    WORKERS_DRAIN = "workers drain"
    SINGLES_END = "singles end"
    OVER = "over"


class Supervisor:
    """`sockets`: listener name -> one listening socket for each worker slot. Takes them over, and those of `singles`.

    `run_worker` and each single's `run` are called in the children and return their exit status. The first one leads:
    its snapshots and configurations are kept for newcomers, and SIGHUP is for it. `on_ready` is called once, here, when
    every child has said that it is ready. `runtime_dir` gets the Unix sockets between the children.
    `inherited`: there is a version before this one, whose place it takes (`upgrade.py`).
    """

    def __init__(
        self,
        sockets: dict[str, list[socket.socket]],
        workers: int,
        run_worker: Callable[[WorkerSeat], int],
        singles: Sequence[Single],
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
        self._drain = drain
        self._user = user
        self._on_ready = on_ready
        self._hubs = Hubs(runtime_dir, [single.name for single in singles], inherited)
        self._timing = timing or Timing()
        self._slots = max(workers, *(len(held) for held in sockets.values()))
        self._workers = [Place(f"worker {slot}", slot) for slot in range(workers)]
        self._singles = {single.name: single for single in singles}
        self._single_places = [Place(single.name, None) for single in singles]
        self._selector = selectors.DefaultSelector()
        self._crew = Crew([*self._single_places, *self._workers], self._selector)
        self._wakeup, self._wakeup_end = socket.socketpair()
        self._handlers: dict[signal.Signals, Any] = {}
        # What changes.
        self._phase = Phase.RUNNING
        self._deadline = 0.0
        self._was_ready = False
        self._status = 0
        self._helping: dict[int, int] = {}
        self._succession = Succession(self, inherited, self._selector)
        if inherited is not None:
            self._crew.snapshot = inherited.snapshot
            self.start_singles(inf)  # when the version before has let go of the state

    def run(self) -> int:
        """Until a signal ends it. Returns 0, or 1 if a child could not start. Raises SteerError before any fork."""
        self._hubs.bind(self._user)
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
        self._succession.mind(has_state=self._has_process(self._single_places))
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
        self._succession.begin()

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
            self.begin_drain()
        else:
            logger.warning("%s again: ending at once", name)
            self._deadline = 0.0

    def _on_hangup(self) -> None:
        leader = self._single_places[0]
        if leader.process is None:
            logger.error("SIGHUP: no reload, since %s is being started anew; ask again", leader.name)
        else:
            self._crew.order(leader, Order.RELOAD)

    def _on_upgrade(self) -> None:
        if self._phase is not Phase.RUNNING or not self._was_ready or self._succession.is_under_way:
            logger.error("SIGUSR2: not now, since this edge %s", "starts, ends or is being replaced already")
            return
        listening = [each for held in self._sockets.values() for each in held]
        listening += [each for single in self._singles.values() for each in single.sockets.values()]
        self._succession.start_next(listening, self._crew.snapshot, self._hubs.generation)

    def begin_drain(self) -> None:
        """The workers finish what they have; then everything ends."""
        logger.debug("draining for at most %g s", self._drain)
        self._phase = Phase.WORKERS_DRAIN
        self._deadline = time.monotonic() + self._drain + self._timing.grace
        for place in self._workers:
            self._crew.order(place, Order.LEAVE if self._succession.shares_sockets else Order.DRAIN)

    def start_singles(self, at: float) -> None:
        """They may start from this monotonic time on."""
        for place in self._single_places:
            place.start_at = at

    def end_singles(self) -> None:
        """They let go of the state, and are not started again before `start_singles`."""
        self.start_singles(inf)
        for place in self._single_places:
            self._crew.order(place, Order.DRAIN)

    # Children

    def _start_due(self) -> None:
        now = time.monotonic()
        for place in self._crew.places:
            if self._phase is Phase.RUNNING and place.process is None and now >= place.start_at:
                self._start(place)

    def _start(self, place: Place) -> None:
        if place.slot is None:
            single = self._singles[place.name]
            self._crew.start(place, partial(self._work_as_single, single), partial(self._forget_as_single, single))
        else:
            self._crew.start(place, partial(self._work_as_worker, place.slot), self._forget_as_worker)

    def _work_as_worker(self, slot: int, link: socket.socket) -> int:
        seat = WorkerSeat(
            slot=slot,
            slots=self._slots,
            sockets=self._sockets,
            snapshot=self._crew.snapshot,
            configuration=self._crew.configuration,
            hubs=self._hubs.paths,
            supervisor=link,
            drain=self._drain,
        )
        return self._run_worker(seat)

    def _work_as_single(self, single: Single, link: socket.socket) -> int:
        seat = SingleSeat(
            sockets=single.sockets,
            hub=self._hubs.sockets[single.name],
            hubs=self._hubs.paths,
            snapshot=self._crew.snapshot,
            configuration=self._crew.configuration,
            supervisor=link,
            drain=self._drain,
        )
        return single.run(seat)

    def _forget_as_worker(self) -> None:
        self._let_go()
        self._hubs.forget()
        for single in self._singles.values():
            single.close()

    def _forget_as_single(self, single: Single) -> None:
        self._let_go()
        self._hubs.forget(but=single.name)
        close_all(self._sockets)
        for other in self._singles.values():
            if other is not single:
                other.close()

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
        self.begin_drain()
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
        if self._has_ready_workers():
            self._succession.say_workers_accept()
        if self._crew.is_ready:
            self._was_ready = True
            self._on_ready()
            self._succession.say_serves()

    def _has_ready_workers(self) -> bool:
        return all(place.process is not None and place.process.is_ready for place in self._workers)

    # The end

    def _advance(self) -> None:
        if self._phase is Phase.WORKERS_DRAIN and not self._has_process(self._workers):
            self._phase = Phase.SINGLES_END
            self._end_last()
        if self._phase is Phase.SINGLES_END and not self._has_process(self._single_places):
            self._phase = Phase.OVER
        if self._phase is not Phase.RUNNING and time.monotonic() > self._deadline:
            self._kill_rest()

    def _end_last(self) -> None:
        # They outlive the workers, for their last counts. A deadline of 0 is an order to end at once: it stays.
        if self._deadline:
            self._deadline = time.monotonic() + self._timing.singles
        self.end_singles()

    def _kill_rest(self) -> None:
        for place, process in self._crew.living():
            is_due = self._phase is Phase.SINGLES_END or place.slot is not None or not self._deadline
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
        self._succession.close_links()

    def _close(self) -> None:
        signal.set_wakeup_fd(-1)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._let_go()
        self._hubs.close()
        close_all(self._sockets)
        for single in self._singles.values():
            single.close()
