"""`steer run`: the edge, in the foreground."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steer.errors import ConfigError, SteerError

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="The configuration.", show_default=False)]
Workers = Annotated[
    int | None,
    typer.Option("--workers", min=0, max=256, help="Instead of `edge.workers`; 0: everything in one process."),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def run(config: ConfigFile, workers: Workers = None, debug: Debug = False) -> None:
    """Run the edge. Prints `ready` when every listener accepts; SIGTERM drains, a second one ends at once.

    Example: steer run config/active-active.yaml
    """
    from steer import app

    try:
        status = app.run(config, workers)
    except ConfigError as error:
        for problem in error.problems:
            typer.echo(str(problem), err=True)
        raise typer.Exit(1) from None
    except SteerError as error:
        if debug:
            raise
        typer.echo(f"steer: {error}", err=True)
        raise typer.Exit(2) from None
    raise typer.Exit(status)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("run")(run)
