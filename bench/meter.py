"""What a tree of processes has used: CPU time, memory; and what else went on, on a CPU.

CPU time is read from each process's CPU clock (clock_getcpuclockid(3)): the scheduler's run time in nanoseconds, of all
threads, those that ended too. `/proc/PID/stat` would count in ticks of 10 ms.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
CPUCLOCK_SCHED = 2  # <linux/posix-timers_types.h>: the clock of the scheduler's run time
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class ProcessEnded(Exception):
    """A process that was being measured ended: what it used is lost."""


@dataclass(frozen=True, slots=True)
class Process:
    """`born`: ticks since boot, which tells a process from a later one with its id."""

    parent: int
    session: int
    born: int


def processes() -> dict[int, Process]:
    """All processes that live now, without those that only wait to be reaped."""
    ids = [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()]
    return {pid: process for pid in ids if (process := _process(pid)) is not None}


def _process(pid: int) -> Process | None:
    try:
        stat = (PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # proc_pid_stat(5). The name, in parentheses, may hold spaces and parentheses: fields begin after the last one.
    state, parent, _group, session, *fields = stat.rpartition(")")[2].split()
    return None if state == "Z" else Process(int(parent), int(session), int(fields[15]))


def process_tree(root: int, among: Mapping[int, Process] | None = None) -> tuple[int, ...]:
    """`root` and all its descendants, among the processes that live now."""
    children: dict[int, list[int]] = {}
    for pid, process in (processes() if among is None else among).items():
        children.setdefault(process.parent, []).append(pid)
    found = [root]
    for pid in found:
        found.extend(children.get(pid, ()))
    return tuple(found)


def cpu_ns(pid: int) -> int:
    """CPU nanoseconds of all threads of a process since it began."""
    try:
        return time.clock_gettime_ns((~pid << 3) | CPUCLOCK_SCHED)
    except OSError as error:
        raise ProcessEnded(f"process {pid} ended") from error


def tree_cpu_ns(root: int) -> dict[int, int]:
    """CPU nanoseconds by process, for `root` and its descendants."""
    return {pid: cpu_ns(pid) for pid in process_tree(root)}


def used_ns(before: Mapping[int, int], after: Mapping[int, int]) -> int:
    """CPU nanoseconds between two readings of one tree. A process that came in between counts whole."""
    gone = before.keys() - after.keys()
    if gone:
        raise ProcessEnded(f"processes ended during the sample: {sorted(gone)}")
    return sum(after.values()) - sum(before.values())


def tree_pss_kib(root: int) -> int:
    """Proportional set size of `root` and its descendants, in KiB: a page that n processes share counts 1/n."""
    return sum(_pss_kib(pid) for pid in process_tree(root))


def _pss_kib(pid: int) -> int:
    for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise ProcessEnded(f"process {pid} has no memory of its own")


@dataclass(frozen=True, slots=True)
class CpuTimes:
    """Seconds of one CPU since boot: what programs used (user and system), and what the hypervisor took."""

    programs: float
    stolen: float


def cpu_times(cpu: int) -> CpuTimes:
    """From /proc/stat, in ticks of 10 ms: good enough to see who else was there, not to bill anybody."""
    for line in (PROC / "stat").read_text().splitlines():
        if line.startswith(f"cpu{cpu} "):
            user, nice, system, _idle, _iowait, _irq, _softirq, steal, *_ = map(int, line.split()[1:])
            return CpuTimes((user + nice + system) / TICKS_PER_SECOND, steal / TICKS_PER_SECOND)
    raise LookupError(f"/proc/stat has no cpu{cpu}")
