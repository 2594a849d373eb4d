"""A run: starts the place, runs the suites one after the other, and makes the report."""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import Callable, Sequence

from bench.machine import commit, machine, versions_of
from bench.tools import Tools, Unavailable
from compliance.place import Place, place
from compliance.report import Report, SuiteResult
from compliance.suites import Broken, Suite

Say = Callable[[str], None]


def run(suites: Sequence[Suite], tools: Tools, say: Say) -> Report:
    """All of them. Everything that was started has ended when it returns or raises."""
    started = datetime.datetime.now(datetime.UTC)
    name, changed = commit()
    known = versions_of(("haproxy", "steer"))
    cpus = sorted(os.sched_getaffinity(0))
    with place(cpus[0], cpus[-1]) as made:
        results = tuple(_one(suite, made, tools, say) for suite in suites)
    return Report(
        started=started.isoformat(timespec="seconds"),
        commit=name,
        changed=changed,
        machine=machine(),
        versions=known,
        suites=results,
    )


def _one(suite: Suite, made: Place, tools: Tools, say: Say) -> SuiteResult:
    """A suite that cannot be had, or whose tool breaks, is skipped; the others go on."""
    began = time.monotonic()
    result = SuiteResult(name=suite.name, title=suite.title, method=suite.method)
    try:
        ran = suite.run(made, tools)
    except (Unavailable, Broken) as error:
        result = result.model_copy(update={"skipped": " ".join(str(error).split())})
    else:
        took = time.monotonic() - began
        found = {"tool": ran.tool, "rows": ran.rows, "seconds": took, "skipped": ran.missing or None}
        result = result.model_copy(update=found)
    say(words(result))
    return result


def words(result: SuiteResult) -> str:
    """One line on how a suite ended."""
    if result.skipped is not None and not result.rows:
        return f"{result.name}: skipped: {result.skipped}"
    failed = result.failed()
    said = f"steer fails {', '.join(failed)}" if failed else "steer passes"
    return f"{result.name}: {said} ({result.seconds:.0f} s)"
