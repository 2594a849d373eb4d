"""How much memory this process has, and how much it may have."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")
_CGROUP = Path("/sys/fs/cgroup")
_LIMITS = ("memory.max", "memory/memory.limit_in_bytes")
"""Of cgroup 2 and of cgroup 1, as a container sees them."""


def resident() -> int:
    """Bytes of this process that are in memory (proc_pid_statm(5)); some 20 microseconds."""
    with open("/proc/self/statm", "rb") as statm:
        return int(statm.read().split()[1]) * _PAGE


def allowed(processes: int) -> int:
    """Bytes for one of so many processes: what the machine has, or the control group that we are in."""
    return min(_limits()) // max(processes, 1)


def _limits() -> Iterator[int]:
    yield _PAGE * os.sysconf("SC_PHYS_PAGES")
    for name in _LIMITS:
        with suppress(OSError, ValueError):  # no such group, or `max`: no limit
            yield int((_CGROUP / name).read_text())
