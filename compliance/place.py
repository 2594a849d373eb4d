"""Where the suites run: the backends, and steer and HAProxy in front of them, on loopback."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.processes import running
from bench.proxies import program
from steer.demo.certificates import Authority
from steer.demo.ports import Ports

HERE = Path(__file__).parent
PEERS = HERE / "peers"
HOSTNAME = "localhost"
FIRST_PORT = 21_000
"""Below those that the kernel gives to connections, which come and go while the place is made."""


@dataclass(frozen=True, slots=True)
class Target:
    """As a suite sees it. `plain` is HTTP/1.1, `tls` also HTTP/2, `calls` gRPC; the backend alone has no TLS (0)."""

    name: str
    plain: int
    tls: int
    calls: int

    def url(self, path: str = "/", *, scheme: str = "http") -> str:
        return f"{scheme}://{HOSTNAME}:{self.tls if scheme in ('https', 'wss') else self.plain}{path}"


@dataclass(frozen=True, slots=True)
class Place:
    """`authority` is the file that clients trust; `folder` is theirs to write in. The suites run on CPU `cpu`."""

    folder: Path
    authority: Path
    targets: tuple[Target, ...]
    cpu: int

    @property
    def proxies(self) -> tuple[Target, ...]:
        return tuple(target for target in self.targets if target.tls)


@contextlib.contextmanager
def place(proxy_cpu: int, suite_cpu: int) -> Iterator[Place]:
    """All of it runs until the block is left; nothing is left afterwards."""
    with tempfile.TemporaryDirectory(prefix="steer-suites-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        ports = Ports()
        web, calls = (ports.near(FIRST_PORT) for _ in range(2))
        authority = _certificates(folder / "certificates")
        for module, port in (("backend", web), ("grpc_backend", calls)):
            own = _folder(folder / module)
            argv = [sys.executable, str(HERE / f"{module}.py"), str(port)]
            stack.enter_context(running(module, argv, suite_cpu, own, [port]))
        targets = [Target("backend", web, 0, calls)]
        for kind in ("haproxy", "steer"):
            plain, tls, admin = (ports.near(FIRST_PORT) for _ in range(3))
            own = _folder(folder / kind)
            words = {"PLAIN": plain, "TLS": tls, "ADMIN": admin, "BACKEND": web, "GRPC": calls}
            argv = _command(kind, own, {**words, "CERTIFICATES": folder / "certificates"})
            stack.enter_context(running(kind, argv, proxy_cpu, own, (plain, tls)))
            targets.append(Target(kind, plain, tls, tls))
        yield Place(_folder(folder / "suites"), authority, tuple(targets), suite_cpu)


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def _certificates(folder: Path) -> Path:
    _folder(folder)
    authority = Authority.make()
    authority.issue([HOSTNAME], folder / "edge.pem", folder / "edge.key")
    both = folder / "both.pem"
    both.touch(0o600)
    both.write_bytes((folder / "edge.pem").read_bytes() + (folder / "edge.key").read_bytes())
    (folder / "authority.pem").write_bytes(authority.pem)
    return folder / "authority.pem"


def _command(kind: str, folder: Path, words: Mapping[str, object]) -> list[str]:
    template = PEERS / {"steer": "steer.yaml", "haproxy": "haproxy.cfg"}[kind]
    text = template.read_text()
    for word, value in words.items():
        text = text.replace(f"@{word}@", str(value))
    configuration = folder / template.name
    configuration.write_text(text)
    if kind == "haproxy":
        return [program("haproxy"), "-db", "-f", str(configuration)]
    return [program("steer"), "run", str(configuration)]
