"""One demonstration from start to end."""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from steer.demo.children import Edge, Origins
from steer.demo.guide import guide
from steer.demo.leash import Leash
from steer.demo.ports import Ports
from steer.demo.scene import Scene, read_tree, write_scene
from steer.demo.tally import served

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):
    """A signal asked for the end."""


def show(file: Path | None, port: int, seconds: float | None) -> None:
    """Run until a signal, or for so many seconds. Raises `SteerError` when it cannot start or the edge ends."""
    tree = read_tree(file)
    with suppress(Stopped), _stopped_by_signals(), _folder() as leash:
        scene = write_scene(leash.folder, tree, port, Ports())
        with _origins(scene, leash) as origins, _edge(scene, leash) as edge:
            _wait_for_all(scene, origins, edge)
            print(guide(scene, {node.name: origins.pid(node) for node in scene.nodes}), flush=True)
            started = time.monotonic()
            with suppress(Stopped):
                _tend(origins, edge, seconds)
            print(f"Ran for {time.monotonic() - started:.0f} s: {served(scene.admin)}.", flush=True)


@contextmanager
def _folder() -> Iterator[Leash]:
    leash = Leash(Path(tempfile.mkdtemp(prefix="steer-demo-")))
    try:
        yield leash
    finally:
        leash.release()


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """The first signal raises `Stopped`; while things are being cleaned up, later ones do nothing."""

    def stop(*_: object) -> None:
        for each in STOPS:
            signal.signal(each, signal.SIG_IGN)
        raise Stopped

    before = {each: signal.signal(each, stop) for each in STOPS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextmanager
def _origins(scene: Scene, leash: Leash) -> Iterator[Origins]:
    origins = Origins(scene, leash)
    try:
        for node in scene.nodes:
            origins.start(node)
        yield origins
    finally:
        origins.stop()


@contextmanager
def _edge(scene: Scene, leash: Leash) -> Iterator[Edge]:
    edge = Edge(scene, leash)
    try:
        yield edge
    finally:
        edge.stop()


def _wait_for_all(scene: Scene, origins: Origins, edge: Edge) -> None:
    """They start at the same time: the machine's cores are the limit."""
    # Without a refresh thread: there is code of ours between fork and exec when an origin comes back.
    with Progress(console=Console(stderr=True), auto_refresh=False, transient=True) as progress:
        task = progress.add_task("Starting", total=len(scene.nodes) + 1)
        for node in scene.nodes:
            origins.wait_until_listening(node)
            progress.update(task, advance=1, description=f"Started {node.name}", refresh=True)
        edge.wait_until_ready()
        progress.update(task, advance=1, description="Started the edge", refresh=True)


def _tend(origins: Origins, edge: Edge, seconds: float | None) -> None:
    """Watch over the processes for so many seconds; None: until a signal."""
    deadline = None if seconds is None else time.monotonic() + seconds
    while deadline is None or time.monotonic() < deadline:
        edge.check()
        for news in origins.tend(time.monotonic()):
            print(news, flush=True)
        time.sleep(0.1)
