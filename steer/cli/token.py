"""`steer token`: make, list and revoke tokens of the admin API, in the tokens file itself. No edge need run."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from time import time as wall
from typing import Annotated, Literal

import typer

from steer.cli.client import Json, No, Usage
from steer.cli.command import DebugOption, JsonOption, reporting
from steer.cli.output import print_json, say, show_table, tell, time
from steer.control.tokens import Role, Token, create_token, read_tokens, revoke_token
from steer.errors import Unacceptable

FileOption = Annotated[Path, typer.Option("--file", metavar="TOKENS", help="The configuration's `admin.tokens`.")]
DEFAULT_FILE = Path("certs/admin-tokens.yaml")
NameArgument = Annotated[str, typer.Argument(help="Who or what it is for; it shows up in the audit.")]


def register(app: typer.Typer) -> None:
    family = typer.Typer(no_args_is_help=True, help="Tokens of the admin API.")
    _register_create(family)
    _register_list(family)
    _register_revoke(family)
    app.add_typer(family, name="token")


def _register_create(family: typer.Typer) -> None:
    @family.command()
    def create(
        name: NameArgument,
        role: Annotated[Literal["viewer", "operator", "admin"], typer.Option("--role", help="What it may do.")],
        expires: Annotated[str | None, typer.Option("--expires", metavar="90d", help="After so long.")] = None,
        file: FileOption = DEFAULT_FILE,
        json: JsonOption = False,
        debug: DebugOption = False,
    ) -> None:
        """Add a token to the file and print it, once, as the last word.

        Example: steer token create ops --role operator --expires 90d
        """
        with reporting(debug):
            try:
                token, secret = create_token(file, name, Role(role), _moment(expires))
            except Unacceptable as error:
                raise No(409, error.message, error.hint) from error
            if json:
                print_json({**view(token), "file": str(file), "token": secret})
                return
            ends = f"until {time(view(token)['expires'])}" if token.expires is not None else "without end"
            say(f"{name} is {role} {ends}; {file} keeps its hash. Shown only now: {secret}")


def _register_list(family: typer.Typer) -> None:
    @family.command("list")
    def list_(file: FileOption = DEFAULT_FILE, json: JsonOption = False, debug: DebugOption = False) -> None:
        """The tokens of the file: names, roles, expiry.

        Example: steer token list --json
        """
        with reporting(debug):
            found = [view(token) for token in read_tokens(file)]
            if json:
                print_json(found)
            elif not found:
                say(f"{file} has no tokens")
            else:
                show_table(("name", "role", "expires"), ((t["name"], t["role"], time(t["expires"])) for t in found))


def _register_revoke(family: typer.Typer) -> None:
    @family.command()
    def revoke(
        name: NameArgument, file: FileOption = DEFAULT_FILE, json: JsonOption = False, debug: DebugOption = False
    ) -> None:
        """Take a token out of the file. A running edge refuses it from then on.

        Example: steer token revoke ops
        """
        with reporting(debug):
            try:
                gone = revoke_token(file, name)
            except Unacceptable as error:
                raise No(404, error.message, "`steer token list` shows what there is") from error
            tell(view(gone), f"{name} is revoked", json)


def view(token: Token) -> Json:
    ends = None if token.expires is None else datetime.fromtimestamp(token.expires, UTC).isoformat(timespec="seconds")
    return {"name": token.name, "role": str(token.role), "expires": ends}


def _moment(expires: str | None) -> float | None:
    if expires is None:
        return None
    from steer.config.units import parse_duration  # brings in pydantic, which no other use of this file needs

    try:
        return wall() + parse_duration(expires)
    except ValueError as error:
        raise Usage(f"--expires {expires}: {error}") from None
