"""Sockets that are made before the first fork, and what the process gives up or asks for once it has them.

The supervisor holds them for life. A listening socket that is closed resets every connection that waits in its
queue, so a worker's death must never be a socket's death.
"""

from __future__ import annotations

import errno
import os
import pwd
import resource
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from steer.errors import SteerError

BACKLOG = 4096
"""Connections that may wait to be accepted, for each slot: bursts of 5,000 over two workers fit. The kernel caps it at
net.core.somaxconn, which is 4096 by default. Whoever hands a socket to `loop.create_server` must pass it again: that
calls listen() anew, with 100 by default."""

LONGEST_UNIX_NAME = 107
"""Bytes of a Unix socket's name in the kernel (sockaddr_un), less the one that ends it."""


class Address(NamedTuple):
    host: str
    port: int

    @property
    def family(self) -> socket.AddressFamily:
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def read_address(text: str) -> Address:
    """`0.0.0.0:443`, `[::]:443`, `127.0.0.1:0` (0: the kernel picks a port). Raises SteerError."""
    host, _, port = text.rpartition(":")
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise SteerError(f"cannot listen on {text}: no port", "write address:port, like 0.0.0.0:443 or [::]:443")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    address = Address(host, int(port))
    try:
        socket.inet_pton(address.family, host)
    except OSError:
        raise SteerError(
            f"cannot listen on {text}: {host or 'nothing'} is not an IP address",
            "0.0.0.0 means all of IPv4, [::] all of IPv6",
        ) from None
    return address


Take = Callable[["Address"], list[socket.socket]]
"""Listening sockets on an address that were inherited, none where there are none."""


def bind_listeners(
    addresses: Mapping[str, str], slots: int, inherited: Take = lambda _: []
) -> dict[str, list[socket.socket]]:
    """Listener name -> address in, listener name -> one listening socket for each worker slot out.

    More than `slots` where more were inherited. All or nothing: raises SteerError, and then leaves nothing open.
    """
    bound: dict[str, list[socket.socket]] = {}
    try:
        for name, text in addresses.items():
            bound[name] = bind_slots(read_address(text), slots, inherited(read_address(text)))
    except SteerError:
        close_all(bound)
        raise
    return bound


def bind_slots(address: Address, slots: int, inherited: Sequence[socket.socket] = ()) -> list[socket.socket]:
    """One SO_REUSEPORT socket for each slot, all on one address: the kernel spreads connections over them."""
    bound = list(inherited)
    if not bound:
        _must_be_free(address)
    for _ in range(slots - len(bound)):
        try:
            bound.append(_listen(address, reuse_port=True))
        except OSError as error:
            close_all({"": bound})
            raise _explain(address, error) from error
        address = Address(address.host, bound[0].getsockname()[1])
    return bound


def bind_one(text: str, inherited: Take = lambda _: []) -> socket.socket:
    """One listening socket of its own, for the admin API. Raises SteerError."""
    address = read_address(text)
    if known := inherited(address):
        return known[0]
    try:
        return _listen(address, reuse_port=False)
    except OSError as error:
        raise _explain(address, error) from error


@contextmanager
def reachable(path: Path) -> Iterator[str]:
    """A name of the same Unix socket that fits, however deep its folder lies. It holds as long as the context."""
    if len(os.fsencode(path)) <= LONGEST_UNIX_NAME:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def bind_unix(path: Path, user: str | None = None) -> socket.socket:
    """A listening Unix socket that only its owner may connect to; `user` becomes the owner. Raises SteerError.

    Takes the place of one that an edge left behind.
    """
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if not path.parent.exists():
            path.parent.mkdir(mode=0o700, parents=True)
            _give(path.parent, user)
        path.unlink(missing_ok=True)
        with reachable(path) as name:
            listening.bind(name)
        path.chmod(0o600)
        _give(path, user)
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise SteerError(
            f"cannot make the socket {path}: {error.strerror or error}", "a folder that steer may write to"
        ) from error
    listening.setblocking(False)
    return listening


def close_all(sockets: Mapping[str, list[socket.socket]]) -> None:
    for slots in sockets.values():
        for listening in slots:
            listening.close()


def drop_privileges(user: str) -> None:
    """Become this user, with its groups, for good. Nothing to do if we are it already. Raises SteerError."""
    account = _account(user)
    if os.geteuid() == account.pw_uid:
        return
    try:
        os.initgroups(account.pw_name, account.pw_gid)
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
    except PermissionError as error:
        raise SteerError(f"cannot become user {user}", "start as root, or leave edge.user out") from error


def raise_file_limit() -> int:
    """Open files up to what the system allows: a proxied connection takes two. Returns the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def _listen(address: Address, reuse_port: bool) -> socket.socket:
    listening = _bound(address, reuse_port)
    try:
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    listening.setblocking(False)
    return listening


def _bound(address: Address, reuse_port: bool) -> socket.socket:
    bound = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if address.family == socket.AF_INET6:
            # `[::]:443` stands beside `0.0.0.0:443`, it does not take its place.
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(tuple(address))
    except OSError:
        bound.close()
        raise
    return bound


def _must_be_free(address: Address) -> None:
    """With SO_REUSEPORT a second edge of the same user would silently take half of the first one's connections."""
    try:
        _bound(address, reuse_port=False).close()
    except OSError as error:
        raise _explain(address, error) from error


_HINTS = {
    errno.EADDRINUSE: "another process listens there: ss -ltnp shows which",
    errno.EACCES: "ports below 1024 need root or CAP_NET_BIND_SERVICE",
    errno.EADDRNOTAVAIL: "this machine does not have that address: ip address shows which it has",
}


def _explain(address: Address, error: OSError) -> SteerError:
    reason = (error.strerror or str(error)).lower()
    return SteerError(f"cannot listen on {address}: {reason}", _HINTS.get(error.errno or 0, ""))


def _give(path: Path, user: str | None) -> None:
    if user is not None and (account := _account(user)).pw_uid != os.geteuid():
        os.chown(path, account.pw_uid, account.pw_gid)


def _account(user: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(user)
    except KeyError:
        raise SteerError(f"there is no user {user} on this machine", "see edge.user") from None
