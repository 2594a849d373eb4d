"""slowhttptest in its four modes: does the service stay available to others while slow clients hold it?"""

from __future__ import annotations

import http.client
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bench.processes import run_to_end
from bench.tools import Tools
from compliance.place import HOSTNAME, Place, Target
from compliance.report import Cell, Row
from compliance.suites import Broken, Ran, Suite

CONNECTIONS = 500
SECONDS = 20
"""For each mode: longer than the 10 s after which both proxies give up on a head."""
COMMON = ("-c", str(CONNECTIONS), "-r", "250", "-l", str(SECONDS), "-p", "3", "-i", "2")
MODES = {
    "slow heads (slowloris)": ("-H", "-x", "24"),
    "slow bodies": ("-B", "-s", "8192", "-x", "10"),
    "slow reading": ("-X", "-w", "512", "-y", "1024", "-n", "5", "-z", "32", "-k", "3"),
    "overlapping ranges": ("-R", "-a", "10", "-b", "3000"),
}
PATHS = {"slow reading": "/bytes/1048576", "slow bodies": "/digest"}
PACE_S = 0.1
"""Between two requests of the good client."""
PATIENCE_S = 5.0

_AVAILABLE = re.compile(r"service available:\s+(YES|NO)")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Seen:
    """By the good client: how many requests it made, how many failed, and the slowest one."""

    asked: int = 0
    failed: int = 0
    slowest_s: float = 0.0
    ends: threading.Event = field(default_factory=threading.Event)


def run(place: Place, tools: Tools) -> Ran:
    program = tools.program("slowhttptest")
    rows = []
    for mode in MODES:
        cells = {}
        for target in place.proxies:
            tools.say(f"slowhttptest: {mode}, {target.name} ({SECONDS} s) ...")
            cells[target.name] = _attack(place, target, program, mode)
        rows.append(Row(check=mode, cells=cells))
    return Ran(_version(program), tuple(rows))


def _version(program: str) -> str:
    said = subprocess.run([program, "-h"], capture_output=True, text=True, check=False)
    found = re.search(r"version (\S+)", said.stdout + said.stderr)
    return f"slowhttptest {found[1] if found else 'unknown'}"


def _attack(place: Place, target: Target, program: str, mode: str) -> Cell:
    argv = [program, *COMMON, *MODES[mode], "-u", target.url(PATHS.get(mode, "/hello"))]
    with asking(target) as seen:
        ended = run_to_end(argv, place.cpu, place.folder, SECONDS + 60)
    return judge(ended.output + ended.errors, seen)


def judge(output: str, seen: Seen) -> Cell:
    """Available at each look of the tool's own probe, and nothing refused to the good client. Raises Broken."""
    looks = _AVAILABLE.findall(_COLOURS.sub("", output))
    if not looks:
        raise Broken(f"slowhttptest said nothing of the service: {output.strip()[-200:]!r}")
    words = (
        f"available at {looks.count('YES')} of {len(looks)} looks; {seen.asked - seen.failed} of {seen.asked} served"
    )
    return Cell(
        passed="NO" not in looks and not seen.failed, words=f"{words}, the slowest in {seen.slowest_s * 1e3:.0f} ms"
    )


@contextmanager
def asking(target: Target) -> Iterator[Seen]:
    """A good client that asks ten times a second, each time on a new connection."""
    seen = Seen()
    thread = threading.Thread(target=_ask, args=(target, seen), name="good client")
    thread.start()
    try:
        yield seen
    finally:
        seen.ends.set()
        thread.join()


def _ask(target: Target, seen: Seen) -> None:
    while not seen.ends.wait(PACE_S):
        began = time.monotonic()
        seen.asked += 1
        seen.failed += not _is_served(target)
        seen.slowest_s = max(seen.slowest_s, time.monotonic() - began)


def _is_served(target: Target) -> bool:
    connection = http.client.HTTPConnection(HOSTNAME, target.plain, timeout=PATIENCE_S)
    try:
        connection.request("GET", "/hello")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


SUITE = Suite(
    "slowhttptest",
    "Slow clients: slowhttptest",
    f"{CONNECTIONS} connections for {SECONDS} s in each mode, beside a client that asks ten times a second.",
    run,
)
