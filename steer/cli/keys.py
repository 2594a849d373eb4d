"""`steer keys`: the rings of keys that seal what clients carry, and what sessions hold."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from steer.cli.client import Json
from steer.cli.command import Call, asks_edge
from steer.cli.output import print_json, say, show_table, time

RingArgument = Annotated[Literal["affinity", "sessions"], typer.Argument(help="Which ring of keys.")]
WhyOption = Annotated[str, typer.Option("--reason", help="Why: kept in the audit.")]


def register(app: typer.Typer) -> None:
    family = typer.Typer(no_args_is_help=True, help="Keys that seal what clients carry, and what sessions hold.")
    _register_list(family)
    _register_rotate(family)
    app.add_typer(family, name="keys")


def _register_list(family: typer.Typer) -> None:
    @asks_edge(family, "list")
    def list_(call: Call) -> None:
        """The keys of each ring: ids, states and ages, never the keys.

        Example: steer keys list
        """
        rings = call.edge.all("/keys")
        if call.json:
            print_json(rings)
        elif not rings:
            say("no service has cookies of affinity and no namespace is sealed, so there are no keys")
        else:
            rows = (
                (r["name"], k["id"], k["state"], time(k["made"]), time(k["until"])) for r in rings for k in r["keys"]
            )
            show_table(("ring", "key", "state", "made", "opens until"), rows)


def _register_rotate(family: typer.Typer) -> None:
    @asks_edge(family)
    def rotate(call: Call, ring: RingArgument, reason: WhyOption = "rotation") -> None:
        """The next of two steps: add a key that only opens; then, when every edge has the file, seal with it.

        Example: steer keys rotate affinity
        """
        done = call.edge.change("POST", f"/keys/{ring}/rotate", {"reason": reason})
        call.tell(done, _words(done))


def _words(done: Json) -> str:
    if done["step"] == "added":
        return (
            f"key {done['key']} opens from now on. Copy {done['file']} to every other edge, then say this once more: "
            f"it seals from then on, not before {time(done['next_step']['from'])}"
        )
    return f"key {done['key']} seals from now on. Copy {done['file']} to every other edge"
