"""What Linux tells of the processes of an edge: who lives, who holds which connection, how much memory they have."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

ESTABLISHED = "01"
"""Of a TCP socket (linux/tcp_states.h)."""


def is_alive(pid: int) -> bool:
    """Runs, or is stopped; a zombie is dead."""
    try:
        return _stat(pid)[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def is_stopped(pid: int) -> bool:
    return _stat(pid)[0] == "T"


def children(pid: int) -> dict[int, str]:
    """Process id -> name of each living child."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            child = int(path.name)
            if int(_stat(child)[1]) == pid and is_alive(child):
                found[child] = (path / "comm").read_text().strip()
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def memory(pid: int) -> int:
    """Resident bytes."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def connections_to(port: int) -> dict[int, int]:
    """The client's port -> the inode of the server's end, for each connection; 0: nobody has accepted it yet."""
    return {there: inode for here, there, state, inode in _tcp() if here == port and state == ESTABLISHED}


def has_connection_to(port: int) -> bool:
    """Whether this process holds a socket that is or was connected there."""
    own = _sockets(os.getpid())
    return any(inode in own for _, there, _, inode in _tcp() if there == port)


def _tcp() -> Iterator[tuple[int, int, str, int]]:
    """Port here, port there, state, inode."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state, _, _, _, _, _, inode, *_ = line.split()
        yield _port(local), _port(remote), state, int(inode)


def holders(port: int, pids: Iterable[int]) -> dict[int, int]:
    """The client's port -> the process that accepted its connection, for each that one of `pids` holds."""
    owners = {inode: pid for pid in pids for inode in _sockets(pid)}
    return {client: owners[inode] for client, inode in connections_to(port).items() if inode in owners}


def _sockets(pid: int) -> set[int]:
    """Inodes."""
    found = set()
    for path in Path(f"/proc/{pid}/fd").iterdir():
        try:
            kind, _, inode = os.readlink(path).partition(":[")
        except FileNotFoundError:
            continue
        if kind == "socket":
            found.add(int(inode.rstrip("]")))
    return found


def _port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)


def _stat(pid: int) -> list[str]:
    """State, parent and so on: what follows the name in parentheses."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
