"""`steer config`: what its file would change of a running edge, and taking that over."""

from __future__ import annotations

import typer

from steer.cli.client import (
    DEFAULT_ADMIN,
    AdminOption,
    DebugOption,
    Json,
    JsonOption,
    ReasonOption,
    TokenOption,
    edge,
    need_reason,
    print_json,
    reporting,
)


def register(app: typer.Typer) -> None:
    family = typer.Typer(no_args_is_help=True, help="The configuration of a running edge.")
    _register_diff(family)
    _register_reload(family)
    app.add_typer(family, name="config")


def _register_diff(family: typer.Typer) -> None:
    @family.command()
    def diff(
        admin: AdminOption = DEFAULT_ADMIN,
        token: TokenOption = None,
        json: JsonOption = False,
        debug: DebugOption = False,
    ) -> None:
        """Show what a reload of its file would change. Exit status 1: some of it needs a restart.

        Example: steer config diff
        """
        with reporting(debug):
            answer = edge(admin, token).get("/config/diff")
        show(answer, json)
        if any(change["needs_restart"] for change in answer["changes"]):
            raise typer.Exit(1)


def _register_reload(family: typer.Typer) -> None:
    @family.command()
    def reload(
        reason: ReasonOption = None,
        admin: AdminOption = DEFAULT_ADMIN,
        token: TokenOption = None,
        json: JsonOption = False,
        debug: DebugOption = False,
    ) -> None:
        """Take over what its file says now, or leave everything as it is. Connections and overrides go on.

        Example: steer config reload --reason "two more nodes"
        """
        with reporting(debug):
            body = {"reason": need_reason(reason)}
            answer = edge(admin, token).change("POST", "/config/reload", body)
        show(answer, json)


def show(answer: Json, json: bool) -> None:
    if json:
        print_json(answer)
    elif not answer["changes"]:
        typer.echo("nothing has changed")
    for change in () if json else answer["changes"]:
        typer.echo(change["text"])
