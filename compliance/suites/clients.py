"""Clients that people use: curl, nghttp, httpx and Chromium, over TLS with HTTP/1.1 and HTTP/2."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from bench.processes import run_to_end
from bench.tools import Tools, Unavailable
from compliance.backend import PIECE
from compliance.place import HOSTNAME, Place, Target
from compliance.report import Cell, Row
from compliance.suites import Ran, Suite

VISITORS = Path(__file__).parents[1] / "visitors"
LONGEST_S = 90.0
SIZE = 8 << 20

Checks = dict[str, tuple[bool, str]]
"""By check: whether it passed, and what was seen."""
Visit = Callable[[Place, Target], Checks]


def run(place: Place, tools: Tools) -> Ran:
    """A client that cannot be had is told as missing; the others go on."""
    versions, rows, missing = [], [], []
    for make in (curl, nghttp, httpx, chromium):
        try:
            version, visit = make(tools)
        except Unavailable as error:
            missing.append(f"{make.__name__}: {error}")
            continue
        versions.append(version)
        tools.say(f"clients: {version} ...")
        rows += rows_of(make.__name__, {target.name: _visit(visit, place, target) for target in place.proxies})
    return Ran(", ".join(versions), tuple(rows), "; ".join(missing))


def _visit(visit: Visit, place: Place, target: Target) -> Checks:
    try:
        return visit(place, target)
    except ValueError as error:
        return {"runs": (False, str(error))}


def rows_of(client: str, found: dict[str, Checks]) -> list[Row]:
    names = list(dict.fromkeys(name for checks in found.values() for name in checks))
    return [
        Row(
            check=f"{client}: {name}",
            cells={
                target: Cell(passed=checks[name][0], words="ok" if checks[name][0] else checks[name][1])
                for target, checks in found.items()
                if name in checks
            },
        )
        for name in names
    ]


def curl(tools: Tools) -> tuple[str, Visit]:
    program = tools.program("curl")

    def visit(place: Place, target: Target) -> Checks:
        body = place.folder / "body"
        body.write_bytes(PIECE * (SIZE // len(PIECE)))
        digest = hashlib.sha256(body.read_bytes()).hexdigest()

        def ask(path: str, *options: str) -> str:
            argv = [program, "-sS", "-m", "30", "--noproxy", "*", "--cacert", str(place.authority), *options]
            ended = run_to_end([*argv, target.url(path, scheme="https")], place.cpu, place.folder, LONGEST_S)
            return ended.output if ended.status == 0 else ended.last_line

        checks: dict[str, tuple[str, str]] = {}
        for version, option in (("1.1", "--http1.1"), ("2", "--http2")):
            said = "%{http_version} %{http_code} %{size_download}"
            checks[f"HTTP/{version}"] = (ask("/hello", option, "-w", said), f"hello\n{version} 200 6")
            checks[f"8 MiB up, HTTP/{version}"] = (ask("/digest", option, "--data-binary", f"@{body}"), digest)
            down = ask(f"/bytes/{SIZE}", option, "-o", "/dev/null", "-w", said)
            checks[f"8 MiB down, HTTP/{version}"] = (down, f"{version} 200 {SIZE}")
            checks[f"HEAD, HTTP/{version}"] = (
                ask("/hello", option, "--head", "-o", "/dev/null", "-w", said),
                f"{version} 200 0",
            )
        again = target.url("/hello", scheme="https")
        reused = ask("/hello", "--http1.1", "-w", "%{num_connects} ", again)
        checks["a connection is used again"] = (reused, "hello\n1 hello\n0 ")
        waits = ask("/digest", "--http1.1", "-H", "Expect: 100-continue", "--data-binary", f"@{body}")
        checks["Expect: 100-continue"] = (waits, digest)
        return {name: (got == wanted, f"got {got.strip()[:200]!r}") for name, (got, wanted) in checks.items()}

    return _version(program, "--version"), visit


def nghttp(tools: Tools) -> tuple[str, Visit]:
    program = tools.program("nghttp", "nghttp2-client")

    def visit(place: Place, target: Target) -> Checks:
        argv = [program, "--null-out", "--stat", "--multiply=100", "--timeout=20"]
        ended = run_to_end([*argv, target.url("/hello", scheme="https")], place.cpu, place.folder, LONGEST_S)
        answered = ended.output.count(" 200 ")
        return {"100 requests on a connection": (answered == 100, f"{answered} answered: {ended.last_line}")}

    return _version(program, "--version"), visit


def httpx(tools: Tools) -> tuple[str, Visit]:
    folder = tools.environment("httpx", "httpx[http2]")

    def visit(place: Place, target: Target) -> Checks:
        return _run_visitor(folder, "with_httpx.py", place, str(target.tls), str(place.authority))

    return tools.version(folder, "httpx"), visit


def chromium(tools: Tools) -> tuple[str, Visit]:
    program = tools.program("chromium")
    folder = tools.environment("playwright", "playwright")

    def visit(place: Place, target: Target) -> Checks:
        return _run_visitor(folder, "with_chromium.py", place, str(target.tls), program)

    return f"{_version(program, '--version')} by {tools.version(folder, 'playwright')}", visit


def _run_visitor(folder: Path, script: str, place: Place, *arguments: str) -> Checks:
    """Raises ValueError with its last words if it does not end well."""
    argv = [str(folder / "python"), str(VISITORS / script), *arguments]
    ended = run_to_end(argv, place.cpu, place.folder, LONGEST_S)
    if ended.status != 0:
        raise ValueError(ended.last_line)
    return {name: (bool(passed), str(words)) for name, (passed, words) in json.loads(ended.output).items()}


def _version(program: str, option: str) -> str:
    """The first line that it says of itself, as far as the number."""
    said = subprocess.run([program, option], capture_output=True, text=True, check=False).stdout
    return " ".join(said.split()[:2])


SUITE = Suite(
    "clients",
    "Clients",
    f"Over TLS, with the name {HOSTNAME} and an authority of the run's own, which curl and httpx verify.",
    run,
)
