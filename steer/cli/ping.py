"""`steer ping`: whether an edge answers, which one, and how fast."""

from __future__ import annotations

from time import monotonic

import typer

from steer.cli.client import (
    DEFAULT_ADMIN,
    AdminOption,
    DebugOption,
    JsonOption,
    TokenOption,
    edge,
    reporting,
    tell,
)
from steer.cli.output import milliseconds


def register(app: typer.Typer) -> None:
    @app.command()
    def ping(
        admin: AdminOption = DEFAULT_ADMIN,
        token: TokenOption = None,
        json: JsonOption = False,
        debug: DebugOption = False,
    ) -> None:
        """The edge's name, version and round trip.

        Example: steer ping --admin http://127.0.0.1:9900
        """
        with reporting(debug):
            there = edge(admin, token)
            began = monotonic()
            status = there.get("/status")
            took = monotonic() - began
            tell(
                {"edge": status["edge"], "version": status["version"], "seconds": round(took, 6)},
                f"{status['edge']}  steer {status['version']}  {milliseconds(took)}",
                json,
            )
