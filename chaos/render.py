"""The table of a report, for a terminal or a page."""

from __future__ import annotations

from collections.abc import Sequence

from chaos.report import Report, Story

MEANS = {
    "lost": "acknowledged writes that are gone",
    "disordered": "acknowledged writes that count as earlier than those before them",
    "late": "writes that took effect after their client was answered",
    "phantom": "refused writes that took effect",
    "resurrected": "deleted records that live",
    "expired": "records served after their end",
    "diverged": "records that the two engines hold differently",
    "stale": "reads that were older than a planned move's barrier allows",
    "lock": "locks that two clients held at once",
    "crashed": "bugs that processes logged",
}


def render(report: Report) -> str:
    """Everything that a person wants to know."""
    parts = [circumstances(report), table(report), *(story(each) for each in report.stories)]
    return "\n\n".join(parts) + "\n"


def circumstances(report: Report) -> str:
    what = f"control {report.control}" if report.control else f"profile {report.profile}"
    asked = sum(sum(counts.values()) for counts in report.operations.values())
    known = {kind: sum(counts.get(kind, 0) for counts in report.operations.values()) for kind in ("ok", "fail", "info")}
    lines = [
        f"Seed {report.seed}, {report.seconds:g} s, {report.engines}, through {report.through} ({report.replication}), "
        f"{what}, commit {report.commit}{' with changes' if report.changed else ''}; "
        + ", ".join(f"{name} {number}" for name, number in report.versions.items()),
        f"{asked} operations: {known['ok']} ok, {known['fail']} refused, {known['info']} not known; "
        + ", ".join(f"{name} {value:g} ms" for name, value in report.latency.items()),
        f"{len(report.faults)} faults, {report.moves} planned moves; {agreement(report)}",
        *report.left_out,
    ]
    if report.lost_with_site:
        lost = ", ".join(map(str, report.lost_with_site))
        lines.append(f"Went with a site, acknowledged `local`: {lost} (at most {report.max_pending} may)")
    return "\n".join(lines)


def agreement(report: Report) -> str:
    if report.converged is None:
        return "the sites never agreed"
    return f"the sites agreed {report.converged:.1f} s after everything was healed"


def table(report: Report) -> str:
    rows = [f"| {name} | {count} | {MEANS[name]} |" for name, count in report.breaches.items()]
    return "\n".join(["| promise | broken | |", "| --- | --- | --- |", *rows])


def story(it: Story) -> str:
    return "\n".join([f"{it.promise}: {it.key}: {it.what}", *(f"    {line}" for line in it.operations)])


def summary(reports: Sequence[Report]) -> str:
    """One line for each run."""
    names = list(MEANS)
    head = ["| run | ok | not known | agreed after | went with a site |", *(f" {name} |" for name in names)]
    rows = ["".join(head), "| " + "--- | " * (5 + len(names))]
    for each in reports:
        known = [sum(counts.get(kind, 0) for counts in each.operations.values()) for kind in ("ok", "info")]
        agreed = "never" if each.converged is None else f"{each.converged:.1f} s"
        cells = [each.control or each.seed, *known, agreed, " ".join(map(str, each.lost_with_site)) or "0"]
        rows.append(f"| {' | '.join(map(str, [*cells, *(each.breaches[name] for name in names)]))} |")
    return "\n".join(rows) + "\n"
