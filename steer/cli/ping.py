"""`steer ping`: whether an edge answers, which one, and how fast."""

from __future__ import annotations

from time import monotonic

import typer

from steer.cli.command import Call, asks_edge
from steer.cli.output import milliseconds


def register(app: typer.Typer) -> None:
    @asks_edge(app)
    def ping(call: Call) -> None:
        """The edge's name, version and round trip.

        Example: steer ping --admin http://127.0.0.1:9900
        """
        edge = call.edge
        began = monotonic()
        status = edge.get("/status")
        took = monotonic() - began
        call.tell(
            {"edge": status["edge"], "version": status["version"], "seconds": round(took, 6)},
            f"{status['edge']}  steer {status['version']}  {milliseconds(took)}",
        )
