"""What the commands have in common: options that mean the same everywhere, and how a command ends.

One that asks a running edge is added with `asks_edge`, which gives it its last four options and a `Call`:

    @asks_edge(app)
    def ping(call: Call) -> None:
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Concatenate

import typer

from steer.cli.client import DEFAULT_ADMIN, Edge, Json, No, Usage, edge
from steer.cli.output import tell
from steer.errors import SteerError

AdminOption = Annotated[str, typer.Option("--admin", envvar="STEER_ADMIN", help="The edge's admin API.")]
TokenOption = Annotated[
    str | None,
    typer.Option("--token", envvar="STEER_TOKEN", help="Bearer token; else the one that `steer run` keeps for you."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
ReasonOption = Annotated[str | None, typer.Option("--reason", help="Why: kept with the change and in the audit.")]
ExpiresOption = Annotated[str | None, typer.Option("--expires", metavar="2h", help="Undo it by itself after so long.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Do it although a safety rule refuses.")]
PreviewOption = Annotated[bool, typer.Option("--preview", help="Show what it would do, and do nothing.")]


@dataclass(frozen=True, slots=True)
class Call:
    """How a command was called: which edge it asks, and whether it answers as JSON."""

    admin: str
    token: str | None
    json: bool

    @property
    def edge(self) -> Edge:
        """Raises `Usage` when there is no token to be had."""
        return edge(self.admin, self.token)

    def tell(self, found: Json, words: str) -> None:
        """What was done, once: as JSON, or in words."""
        tell(found, words, self.json)


Command = Callable[Concatenate[Call, ...], None]


def asks_edge(app: typer.Typer, name: str | None = None, help: str | None = None) -> Callable[[Command], None]:
    """Add the function below to `app`. What it raises of ours is reported; `name` and `help` are else its own."""

    def add(command: Command) -> None:
        def run(admin: str, token: str | None, json: bool, debug: bool, **own: Any) -> None:
            with reporting(debug):
                command(Call(admin, token, json), **own)

        # typer makes options out of a signature: the function's own parameters, then those of every command.
        _, *own = inspect.signature(command, eval_str=True).parameters.values()
        shared = inspect.signature(_shared_options, eval_str=True).parameters.values()
        run.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]
        run.__name__, run.__doc__ = command.__name__, command.__doc__
        app.command(name, help=help)(run)

    return add


def _shared_options(
    admin: AdminOption = DEFAULT_ADMIN, token: TokenOption = None, json: JsonOption = False, debug: DebugOption = False
) -> None:
    """Of every command that asks a running edge."""


@contextmanager
def reporting(debug: bool) -> Iterator[None]:
    """Errors on one line of standard error, with what to do; a wrong configuration has a line for each problem.

    Exit status 1: the answer is no; 2: all others.
    """
    try:
        yield
    except SteerError as error:
        if debug:
            traceback.print_exc()
        for line in getattr(error, "problems", ()) or (f"steer: {error}",):
            typer.echo(" ".join(str(line).split()), err=True)
        raise typer.Exit(1 if isinstance(error, No) else 2) from None


def need_reason(reason: str | None) -> str:
    if reason is None or not reason.strip():
        raise Usage("a change needs --reason", "a few words: they stay with it and in the audit")
    return reason
