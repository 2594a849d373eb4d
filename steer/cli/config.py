"""`steer config`: what its file would change of a running edge, and taking that over."""

from __future__ import annotations

import typer

from steer.cli.client import Json
from steer.cli.command import Call, ReasonOption, asks_edge, need_reason
from steer.cli.output import print_json


def register(app: typer.Typer) -> None:
    family = typer.Typer(no_args_is_help=True, help="The configuration of a running edge.")
    _register_diff(family)
    _register_reload(family)
    app.add_typer(family, name="config")


def _register_diff(family: typer.Typer) -> None:
    @asks_edge(family)
    def diff(call: Call) -> None:
        """Show what a reload of its file would change. Exit status 1: some of it needs a restart.

        Example: steer config diff
        """
        answer = call.edge.get("/config/diff")
        show(answer, call.json)
        if any(change["needs_restart"] for change in answer["changes"]):
            raise typer.Exit(1)


def _register_reload(family: typer.Typer) -> None:
    @asks_edge(family)
    def reload(call: Call, reason: ReasonOption = None) -> None:
        """Take over what its file says now, or leave everything as it is. Connections and overrides go on.

        Example: steer config reload --reason "two more nodes"
        """
        body = {"reason": need_reason(reason)}
        answer = call.edge.change("POST", "/config/reload", body)
        show(answer, call.json)


def show(answer: Json, json: bool) -> None:
    if json:
        print_json(answer)
    elif not answer["changes"]:
        typer.echo("nothing has changed")
    for change in () if json else answer["changes"]:
        typer.echo(change["text"])
