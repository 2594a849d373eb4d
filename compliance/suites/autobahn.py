"""Autobahn's fuzzing client: the core cases of RFC 6455, at the backend alone and through each proxy."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from bench.processes import run_to_end
from bench.tools import Tools
from compliance.place import Place, Target
from compliance.report import Cell, Row
from compliance.suites import Broken, Ran, Suite

EXCLUDED = ("9.*", "12.*", "13.*")
"""Speed and limits of the endpoint, and compression, which is between the endpoints: 247 of 517 cases are left."""
LONGEST_S = 240.0
"""Half a minute is usual."""
GOOD = {"OK": 0, "INFORMATIONAL": 0, "NON-STRICT": 1}
WORST = 2

Cases = dict[str, dict[str, str]]
"""By case: `behavior`, and how the connection was closed."""


def run(place: Place, tools: Tools) -> Ran:
    folder = tools.python2_environment("autobahn", "autobahntestsuite")
    found = {}
    for target in place.targets:
        tools.say(f"autobahn: {target.name} ...")
        found[target.name] = _cases(place, target, folder / "wstest")
    return Ran(tools.version(folder, "autobahntestsuite"), rows(found))


def _cases(place: Place, target: Target, wstest: Path) -> Cases:
    folder = place.folder / f"autobahn-{target.name}"
    folder.mkdir()
    spec = {
        "outdir": str(folder),
        "servers": [{"agent": target.name, "url": target.url("/ws", scheme="ws")}],
        "cases": ["*"],
        "exclude-cases": list(EXCLUDED),
    }
    (folder / "spec.json").write_text(json.dumps(spec))
    argv = [str(wstest), "--mode", "fuzzingclient", "--spec", str(folder / "spec.json")]
    ended = run_to_end(argv, place.cpu, folder, LONGEST_S)
    index = folder / "index.json"
    if ended.status != 0 or not index.exists():
        raise Broken(f"wstest at {target.name}: {ended.last_line}")
    cases: Cases = json.loads(index.read_text())[target.name]
    return cases


def rows(found: dict[str, Cases]) -> tuple[Row, ...]:
    """The rows of a table. A proxy passes if no case ends worse than at the backend alone."""
    alone = found["backend"]
    cells = {name: _cell(cases, worse_than(alone, cases), name != "backend") for name, cases in found.items()}
    return (Row(check=f"{len(alone)} core cases", cells=cells),)


def _cell(cases: Cases, worse: list[str], is_proxy: bool) -> Cell:
    counts = Counter(case["behavior"] for case in cases.values())
    words = ", ".join(f"{count} {name}" for name, count in sorted(counts.items(), key=lambda each: -each[1]))
    unclean = sum(case["behaviorClose"] != "OK" for case in cases.values())
    words += f"; {unclean} closed otherwise than OK" if unclean else "; all closed well"
    if is_proxy:
        words += f"; worse than alone: {', '.join(worse) or 'none'}"
    return Cell(passed=not worse if is_proxy else None, words=words)


def worse_than(alone: Cases, cases: Cases) -> list[str]:
    """The cases that end worse than at the backend alone, and those that are missing."""
    return [name for name, case in alone.items() if name not in cases or _rank(cases[name]) > _rank(case)]


def _rank(case: dict[str, str]) -> int:
    return max(GOOD.get(case["behavior"], WORST), GOOD.get(case["behaviorClose"], WORST))


SUITE = Suite(
    "autobahn",
    "WebSocket: Autobahn",
    "RFC 6455 without cases 9 (speed), 12 and 13 (compression). A proxy must add no failure to the backend's own.",
    run,
)
