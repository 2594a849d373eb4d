"""Two forked processes that serve one listener's TLS, each on a port of its own: prints `PORT PORT`.

    python -m tests.proxy.tls_workers CERTIFICATE KEY

They end when the standard input does.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

from steer.proxy.tls import CertificateFiles, ListenerTls


def serve(listening: socket.socket, tls: ListenerTls) -> None:
    """One after the other: say hello, wait for the end."""
    while True:
        connection, _ = listening.accept()
        with tls.context.wrap_socket(connection, server_side=True) as secured:
            secured.sendall(b"hello")
            secured.recv(1)


def main(certificate: Path, key: Path) -> None:
    tls = ListenerTls([CertificateFiles(certificate, key)])
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    children = []
    for listening in sockets:
        child = os.fork()
        if child == 0:
            serve(listening, tls)
        children.append(child)
    print(*(listening.getsockname()[1] for listening in sockets), flush=True)
    sys.stdin.read()
    for child in children:
        os.kill(child, signal.SIGKILL)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
