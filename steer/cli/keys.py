"""`steer keys`: the rings of keys that seal what clients carry, and what sessions hold."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from steer.cli.client import (
    DEFAULT_ADMIN,
    AdminOption,
    DebugOption,
    Json,
    JsonOption,
    TokenOption,
    edge,
    print_json,
    reporting,
    tell,
)
from steer.cli.output import say, show_table, time

RingArgument = Annotated[Literal["affinity", "sessions"], typer.Argument(help="Which ring of keys.")]
WhyOption = Annotated[str, typer.Option("--reason", help="Why: kept in the audit.")]


def register(app: typer.Typer) -> None:
    family = typer.Typer(no_args_is_help=True, help="Keys that seal what clients carry, and what sessions hold.")
    _register_list(family)
    _register_rotate(family)
    app.add_typer(family, name="keys")


def _register_list(family: typer.Typer) -> None:
    @family.command("list")
    def list_(
        admin: AdminOption = DEFAULT_ADMIN,
        token: TokenOption = None,
        json: JsonOption = False,
        debug: DebugOption = False,
    ) -> None:
        """The keys of each ring: ids, states and ages, never the keys.

        Example: steer keys list
        """
        with reporting(debug):
            rings = edge(admin, token).all("/keys")
            if json:
                print_json(rings)
            elif not rings:
                say("no service has cookies of affinity and no namespace is sealed, so there are no keys")
            else:
                rows = (
                    (r["name"], k["id"], k["state"], time(k["made"]), time(k["until"]))
                    for r in rings
                    for k in r["keys"]
                )
                show_table(("ring", "key", "state", "made", "opens until"), rows)


def _register_rotate(family: typer.Typer) -> None:
    @family.command()
    def rotate(
        ring: RingArgument,
        reason: WhyOption = "rotation",
        admin: AdminOption = DEFAULT_ADMIN,
        token: TokenOption = None,
        json: JsonOption = False,
        debug: DebugOption = False,
    ) -> None:
        """The next of two steps: add a key that only opens; then, when every edge has the file, seal with it.

        Example: steer keys rotate affinity
        """
        with reporting(debug):
            done = edge(admin, token).change("POST", f"/keys/{ring}/rotate", {"reason": reason})
            tell(done, _words(done), json)


def _words(done: Json) -> str:
    if done["step"] == "added":
        return (
            f"key {done['key']} opens from now on. Copy {done['file']} to every other edge, then say this once more: "
            f"it seals from then on, not before {time(done['next_step']['from'])}"
        )
    return f"key {done['key']} seals from now on. Copy {done['file']} to every other edge"
