"""TCP services through a real edge: a line protocol, SFTP itself where there is a server, ejection, drain."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from steer.proxy.proxy_protocol import Endpoints, HeaderReader
from tests.kit.edge import RunningEdge, Tree, bind, configuration, free_port, running_edge
from tests.kit.waiting import wait_until

PATIENCE = 10.0
SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
SFTP = shutil.which("sftp")


class LineServer:
    """Speaks first, answers every line with its name, and ends at QUIT. `told` are the headers that came first."""

    def __init__(self, name: str, port: int = 0, announced: bool = False) -> None:
        self.name = name
        self.told: list[Endpoints | None] = []
        self._announced = announced
        self._listening = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        """Refuse connections from now on; those that are there go on."""
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(ConnectionError):
            if self._announced and not self._read_header(connection):
                return
            connection.sendall(f"220 {self.name}\n".encode())
            with connection.makefile("rb") as lines:
                for line in lines:
                    connection.sendall(b"%b: %b" % (self.name.encode(), line))
                    if line == b"QUIT\n":
                        return

    def _read_header(self, connection: socket.socket) -> bool:
        reader = HeaderReader()
        while not reader.done:
            byte = connection.recv(1)
            if not byte:
                return False
            reader.take(byte)
        self.told.append(reader.endpoints)
        return True


class LineClient:
    def __init__(self, port: int, source: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE, (source, 0))
        self._lines = self.socket.makefile("rb")
        try:
            self.greeting = self.line()
        except OSError:
            self.close()
            raise

    def line(self) -> str:
        return self._lines.readline().decode().rstrip("\n")

    def ask(self, line: str) -> str:
        self.socket.sendall(f"{line}\n".encode())
        return self.line()

    def close(self) -> None:
        self._lines.close()
        self.socket.close()


def tcp_tree(**nodes: int) -> Tree:
    """One node of the pool `sftp` in each datacentre; all traffic to the first. Ejection as it is by default."""
    tree = configuration(nodes)
    tree["listeners"].append({"name": "sftp", "bind": bind(), "tcp": {"service": "files"}})
    tree["pools"]["sftp"] = {
        "protocol": "tcp",
        "nodes": {
            name: [{"name": f"sftp-{name}", "address": f"tcp://127.0.0.1:{port}"}] for name, port in nodes.items()
        },
    }
    tree["groups"]["transfer"] = {
        "mode": "active-active",
        "weights": {name: 0 if number else 100 for number, name in enumerate(nodes)},
    }
    tree["services"]["files"] = {"group": "transfer", "pool": "sftp"}
    return tree


def quick_ejection(tree: Tree) -> Tree:
    tree["pools"]["sftp"]["ejection"] = {"base_time": "1s", "ramp": "100ms"}
    tree["groups"]["transfer"]["back_after"] = "100ms"
    return tree


@contextmanager
def servers(*names: str, announced: bool = False) -> Iterator[list[LineServer]]:
    started = [LineServer(name, announced=announced) for name in names]
    try:
        yield started
    finally:
        for server in started:
            server.stop()


def greet(edge: RunningEdge) -> str:
    client = LineClient(edge.port("sftp"))
    client.close()
    return client.greeting


@pytest.mark.parametrize("workers", [0, 2])
def test_a_session_is_steered_logged_and_counted(tmp_path: Path, workers: int) -> None:
    with (
        servers("one", "two") as (one, two),
        running_edge(tmp_path, tcp_tree(one=one.port, two=two.port), workers) as edge,
    ):
        client = LineClient(edge.port("sftp"))
        assert client.greeting == "220 one"
        assert client.ask("PUT file") == "one: PUT file"
        edge.admin("/groups/transfer/weights", "PUT", {"weights": {"one": 0, "two": 100}, "reason": "moving"})
        wait_until(lambda: greet(edge) == "220 two", "new sessions go to the other datacentre")
        assert client.ask("PUT more") == "one: PUT more"
        assert client.ask("QUIT") == "one: QUIT"
        assert client.line() == ""
        client.close()
        wait_until(lambda: any(e["bytes_from_client"] == 23 for e in edge.entries()), "the session is in the log")
        (entry,) = [entry for entry in edge.entries() if entry["bytes_from_client"] == 23]
    assert (entry["client"], entry["protocol"], entry["listener"]) == ("127.0.0.1", "tcp", "sftp")
    assert (entry["service"], entry["datacentre"], entry["node"]) == ("files", "one", "sftp-one")
    assert (entry["bytes"], entry["error"]) == (len("220 one\none: PUT file\none: PUT more\none: QUIT\n"), "")


def test_a_node_that_refuses_connections_is_ejected_fails_no_client_and_comes_back(tmp_path: Path) -> None:
    with servers("one", "two") as (one, two):
        tree = quick_ejection(tcp_tree(one=one.port, two=two.port))
        with running_edge(tmp_path, tree, 2) as edge:
            assert greet(edge) == "220 one"
            one.stop()
            wait_until(
                lambda: greet(edge) == "220 two" and edge.admin("/nodes/sftp-one")["state"] == "ejected",
                "the node is ejected, and every session finds the other one",
            )
            again = LineServer("one", one.port)
            wait_until(lambda: greet(edge) == "220 one", "it is back")
            again.stop()


def test_nodes_see_the_client_s_address(tmp_path: Path) -> None:
    with servers("one", announced=True) as (one,):
        tree = tcp_tree(one=one.port)
        tree["pools"]["sftp"] |= {"proxy_protocol": "v2", "health_check": {"kind": "tcp", "interval": "100ms"}}
        with running_edge(tmp_path, tree) as edge:
            client = LineClient(edge.port("sftp"), "127.0.0.9")
            assert client.greeting == "220 one"
            port = client.socket.getsockname()[1]
            client.close()
            wait_until(lambda: None in one.told, "the check speaks for the edge itself")
            assert Endpoints("127.0.0.9", port, "127.0.0.1", edge.port("sftp")) in one.told


def test_sessions_live_while_the_edge_drains_and_new_ones_do_not_begin(tmp_path: Path) -> None:
    with servers("one") as (one,), running_edge(tmp_path, tcp_tree(one=one.port), 2) as edge:
        client = LineClient(edge.port("sftp"))
        edge.terminate()

        def is_refused() -> bool:
            try:
                LineClient(edge.port("sftp")).close()
            except ConnectionError:
                return True
            return False

        wait_until(is_refused, "nobody new is taken")
        assert client.ask("PUT file") == "one: PUT file"
        assert client.ask("QUIT") == "one: QUIT"
        assert client.line() == ""
        client.close()
        assert edge.process.wait(PATIENCE) == 0


def test_the_drain_s_end_is_a_reset(tmp_path: Path) -> None:
    with servers("one") as (one,):
        tree = tcp_tree(one=one.port)
        tree["edge"]["drain"] = "500ms"
        with running_edge(tmp_path, tree) as edge:
            client = LineClient(edge.port("sftp"))
            edge.terminate()
            with pytest.raises(ConnectionResetError):
                client.line()
            client.close()
            assert edge.process.wait(PATIENCE) == 0


# SFTP itself...


@contextmanager
def sshd(folder: Path) -> Iterator[int]:
    """An OpenSSH server on loopback that knows one key; yields its port."""
    assert SSHD is not None
    folder.chmod(0o700)
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd insists, and where no service runs nobody made it
    for name in ("host", "client"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    shutil.copy(folder / "client.pub", folder / "authorized")
    port = free_port()
    options = {
        "ListenAddress": f"127.0.0.1:{port}",
        "HostKey": folder / "host",
        "AuthorizedKeysFile": folder / "authorized",
        "PidFile": "none",
        "UsePAM": "no",
        "StrictModes": "no",
        "PermitRootLogin": "prohibit-password",
        "Subsystem": "sftp internal-sftp",
    }
    (folder / "sshd_config").write_text("".join(f"{name} {value}\n" for name, value in options.items()))
    with (folder / "sshd.log").open("wb") as log:
        process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(folder / "sshd_config")], stderr=log)
    try:
        wait_until(lambda: _listens(port) or process.poll() is not None, "sshd listens")
        if process.poll() is not None:
            pytest.skip(f"sshd does not run here: {(folder / 'sshd.log').read_text()[-300:]}")
        yield port
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@pytest.mark.skipif(SSHD is None or SFTP is None, reason="there is no sshd, or no sftp, on this machine")
def test_files_go_both_ways_by_sftp(tmp_path: Path) -> None:
    assert SFTP is not None
    server, client, edge_folder = tmp_path / "server", tmp_path / "client", tmp_path / "edge"
    for folder in (server, client, edge_folder):
        folder.mkdir()
    content = os.urandom(3 * 1024 * 1024)
    (client / "sent").write_bytes(content)
    with sshd(server) as port, running_edge(edge_folder, tcp_tree(one=free_port(), two=port)) as edge:
        commands = f"put {client / 'sent'} {server / 'stored'}\nget {server / 'stored'} {client / 'fetched'}\n"
        options = [f"IdentityFile={server / 'client'}", f"UserKnownHostsFile={client / 'known'}", "BatchMode=yes"]
        options += ["StrictHostKeyChecking=no", "IdentitiesOnly=yes"]
        flags = [part for option in options for part in ("-o", option)]
        user = pwd.getpwuid(os.getuid()).pw_name
        subprocess.run(
            [SFTP, "-F", "none", *flags, "-P", str(edge.port("sftp")), "-b", "-", f"{user}@127.0.0.1"],
            input=commands.encode(),
            check=True,
            timeout=60,
            capture_output=True,
        )
        wait_until(lambda: bool(edge.entries()), "the session is in the log")
        (entry,) = edge.entries()
    assert (client / "fetched").read_bytes() == content
    assert (entry["node"], entry["retries"], entry["error"]) == ("sftp-two", 1, "")
    assert min(entry["bytes"], entry["bytes_from_client"]) > len(content)
