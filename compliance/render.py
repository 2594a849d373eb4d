"""The table of a report, as Markdown: `python -m compliance.render compliance/results/FILE.json`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from compliance.report import Cell, Report, SuiteResult

TITLES = {"backend": "backend alone", "haproxy": "HAProxy", "steer": "steer"}


def render(report: Report) -> str:
    return "\n\n".join([_circumstances(report), *(_suite(suite) for suite in report.suites)]) + "\n"


def _circumstances(report: Report) -> str:
    machine = report.machine
    changes = " with changes that are not committed" if report.changed else ""
    known = ", ".join(f"{TITLES.get(name, name)} {version}" for name, version in report.versions.items())
    return "\n".join(
        [
            "# Other people's suites against steer",
            "",
            f"{report.started}, commit {report.commit}{changes}. {machine.get('cpus')} CPUs ({machine.get('cpu')}), "
            f"{machine.get('system')}, kernel {machine.get('kernel')}.",
            f"Versions: {known}.",
            f"{_verdict(report)} How it is done: [docs/compliance.md](../../docs/compliance.md).",
        ]
    )


def _verdict(report: Report) -> str:
    words = [f"steer fails {len(report.failed)} checks." if report.failed else "steer fails nothing."]
    if report.skipped:
        words.append(f"{len(report.skipped)} suites were skipped, or parts of them.")
    return " ".join(words)


def _suite(suite: SuiteResult) -> str:
    head = f"## {suite.title}"
    if suite.skipped is not None:
        head = f"{head}\n\nSkipped: {suite.skipped}"
    if not suite.rows:
        return head
    names = [name for name in TITLES if any(name in row.cells for row in suite.rows)]
    rows = [[row.check, *(_cell(row.cells.get(name)) for name in names)] for row in suite.rows]
    table = _table(["", *(TITLES[name] for name in names)], rows)
    return f"{head}\n\n{suite.tool}, {suite.seconds:.0f} s. {suite.method}\n\n{table}"


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return ""
    words = " ".join(cell.words.replace("|", "\\|").split())
    return f"**fails**: {words}" if cell.passed is False else words


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(path: str) -> int:
    print(render(Report.model_validate_json(Path(path).read_text())), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
