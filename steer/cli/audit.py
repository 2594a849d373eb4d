"""`steer audit`: who changed what, from where, and why."""

from __future__ import annotations

from typing import Annotated

import typer

from steer.cli.client import (
    DEFAULT_ADMIN,
    AdminOption,
    DebugOption,
    JsonOption,
    TokenOption,
    edge,
    print_json,
    reporting,
)
from steer.cli.output import say, show_table, time


def register(app: typer.Typer) -> None:
    @app.command()
    def audit(
        since: Annotated[str | None, typer.Option("--since", metavar="1h", help="Only the last so long.")] = None,
        limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="So many at most.")] = 100,
        admin: AdminOption = DEFAULT_ADMIN,
        token: TokenOption = None,
        json: JsonOption = False,
        debug: DebugOption = False,
    ) -> None:
        """Every change, the newest first: who made it, from where, and why.

        Example: steer audit --since 1h
        """
        with reporting(debug):
            records = edge(admin, token).get("/audit", since=since, limit=limit)["items"]
            if json:
                print_json(records)
            elif not records:
                say("no changes")
            else:
                rows = ((time(r["at"]), r["who"], r["from"], r["action"], _target(r), r["reason"]) for r in records)
                show_table(("at", "who", "from", "action", "target", "reason"), rows)


def _target(record: dict[str, dict[str, str]]) -> str:
    return " ".join(map(str, record["target"].values()))
