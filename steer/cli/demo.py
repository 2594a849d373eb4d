"""`steer demo`: two simulated datacentres, with steer in front of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steer.errors import SteerError


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("demo")(demo)


def _seconds(text: str) -> float:
    from steer.config.units import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Run this configuration instead of the active-active example."),
]
PortOption = Annotated[int, typer.Option(min=1, max=32767, help="Of the first listener; others take the next.")]
ForOption = Annotated[
    float | None,
    typer.Option("--for", metavar="60s", parser=_seconds, help="End by itself after so long."),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def demo(config: ConfigOption = None, port: PortOption = 8443, lasts: ForOption = None, debug: Debug = False) -> None:
    """Two simulated datacentres with servers of their own, and steer in front of them.

    Makes certificates, a token and everything else that it needs in a temporary folder, prints what to try and how to
    break a node, and leaves nothing behind.

    Example: steer demo --config config/regional-canary.yaml --for 60s
    """
    from steer.demo.show import show  # what it takes to make certificates need not be read for other commands

    try:
        show(config, port, lasts)
    except SteerError as error:
        if debug:
            raise
        typer.echo(f"steer demo: {error}", err=True)
        raise typer.Exit(1) from None
