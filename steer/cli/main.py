"""The command `steer`: one file a family, put together here."""

from __future__ import annotations

import typer

from steer import __version__
from steer.cli import (
    audit,
    check,
    config,
    demo,
    explain,
    keys,
    moving,
    overrides,
    ping,
    previews,
    run,
    sessions,
    status,
    token,
    weights,
)

app = typer.Typer(
    name="steer",
    help="An edge proxy that steers traffic between datacentres.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

for family in (
    run,
    demo,
    check,
    status,
    explain,
    weights,
    overrides,
    moving,
    previews,
    sessions,
    token,
    keys,
    audit,
    config,
    ping,
):
    family.register(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"steer {__version__}")
        raise typer.Exit


@app.callback()
def steer(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Print the version."),
) -> None:
    """An edge proxy that steers traffic between datacentres."""


def main() -> None:
    """The entry point of the package."""
    app()
