"""sslyze against Mozilla's intermediate profile, with the chain of an authority of our own."""

from __future__ import annotations

from pathlib import Path

from bench.processes import run_to_end
from bench.tools import Tools
from compliance.place import HOSTNAME, Place, Target
from compliance.report import Cell, Row
from compliance.suites import Broken, Ran, Suite

LONGEST_S = 180.0
PROFILE = "intermediate"


def run(place: Place, tools: Tools) -> Ran:
    folder = tools.environment("sslyze", "sslyze")
    cells = {}
    for target in place.proxies:
        tools.say(f"sslyze: {target.name} ...")
        cells[target.name] = _scan(place, target, folder / "sslyze")
    return Ran(tools.version(folder, "sslyze"), (Row(check=f"Mozilla's {PROFILE} profile", cells=cells),))


def _scan(place: Place, target: Target, sslyze: Path) -> Cell:
    trust = ["--certinfo_ca_file", str(place.authority)]
    argv = [str(sslyze), f"--mozilla_config={PROFILE}", *trust, f"{HOSTNAME}:{target.tls}{{127.0.0.1}}"]
    ended = run_to_end(argv, place.cpu, place.folder, LONGEST_S)
    if ended.status is None:
        raise Broken(ended.last_line)
    return judge(ended.output, ended.status)


def judge(output: str, status: int) -> Cell:
    """By sslyze's exit status; what it objects to stands behind asterisks. Raises Broken."""
    _, _, verdict = output.partition("COMPLIANCE AGAINST TLS CONFIGURATION")
    if status == 0 and ": OK - Compliant" in verdict:
        return Cell(passed=True, words="compliant")
    objections = [line.strip().removeprefix("* ") for line in verdict.splitlines() if line.strip().startswith("* ")]
    if not objections:
        raise Broken(f"sslyze gave no verdict: {output.strip()[-300:]!r}")
    return Cell(passed=False, words="; ".join(objections))


SUITE = Suite(
    "sslyze",
    "TLS: sslyze",
    "Versions, ciphers, groups, certificate and chain. HAProxy has its defaults, with TLS 1.2 as its least version.",
    run,
)
