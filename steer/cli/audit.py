"""`steer audit`: who changed what, from where, and why."""

from __future__ import annotations

from typing import Annotated

import typer

from steer.cli.command import Call, asks_edge
from steer.cli.output import print_json, say, show_table, time


def register(app: typer.Typer) -> None:
    @asks_edge(app)
    def audit(
        call: Call,
        since: Annotated[str | None, typer.Option("--since", metavar="1h", help="Only the last so long.")] = None,
        limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="So many at most.")] = 100,
    ) -> None:
        """Every change, the newest first: who made it, from where, and why.

        Example: steer audit --since 1h
        """
        records = call.edge.get("/audit", since=since, limit=limit)["items"]
        if call.json:
            print_json(records)
        elif not records:
            say("no changes")
        else:
            rows = ((time(r["at"]), r["who"], r["from"], r["action"], _target(r), r["reason"]) for r in records)
            show_table(("at", "who", "from", "action", "target", "reason"), rows)


def _target(record: dict[str, dict[str, str]]) -> str:
    return " ".join(map(str, record["target"].values()))
