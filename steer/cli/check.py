"""`steer check`: everything that is wrong with a configuration, and what of it is not built yet."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from steer import geography
from steer.config import Examination, advice, examine, schema_json, unbuilt
from steer.errors import Problem

ConfigFile = Annotated[Path | None, typer.Argument(metavar="CONFIG", help="The file to check.", show_default=False)]
Schema = Annotated[bool, typer.Option("--schema", help="Print the JSON Schema for editors instead.")]
NoFiles = Annotated[bool, typer.Option("--no-files", help="Leave the files that it names alone: certificates, pages.")]
Problems = tuple[Problem, ...]
AsJson = Annotated[bool, typer.Option("--json", help="Print problems, warnings and what is not built yet as JSON.")]


def check(
    config: ConfigFile = None, schema: Schema = False, no_files: NoFiles = False, as_json: AsJson = False
) -> None:
    """Print every problem of a configuration, each with file, line, path and a hint.

    Example: steer check config/active-active.yaml

    Exit status 0: `steer run` would find nothing wrong, 1: there are problems, 2: the file cannot be read.
    """
    if schema:
        typer.echo(schema_json())
        return
    if config is None:
        _refuse("CONFIG is missing (steer check CONFIG, or steer check --schema)")
    else:
        _check_file(config, not no_files, as_json)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("check")(check)


def _check_file(config: Path, check_files: bool, as_json: bool) -> None:
    try:
        config.open("rb").close()
    except OSError as error:
        _refuse(f"{config} cannot be read: {error.strerror}")
    found = examine(config, check_files=check_files)
    if check_files and found.config is not None:
        found = replace(found, problems=(*found.problems, *geography.problems(found.config)))
    missing = unbuilt(found.config) if found.config else ()
    warnings = advice(found.config) if found.config else ()
    if as_json:
        _print_json(found, missing, warnings)
    else:
        _print_lines(config, found, missing, warnings)
    raise typer.Exit(1 if found.problems else 0)


def _refuse(message: str) -> None:
    typer.echo(message, err=True)
    raise typer.Exit(2)


def _print_lines(config: Path, found: Examination, missing: Problems, warnings: Problems) -> None:
    for problem in (*found.problems, *missing):
        typer.echo(str(problem))
    for warning in warnings:
        typer.echo(f"warning: {warning}")
    typer.echo(f"{config}: {_count(len(found.problems), 'problem')}{_verdict(len(missing))}")


def _verdict(missing: int) -> str:
    return f", {_count(missing, 'part')} not built yet: steer run refuses the file as it is" if missing else ""


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"


def _print_json(found: Examination, missing: Problems, warnings: Problems) -> None:
    parts = {"problems": found.problems, "not_built": missing, "warnings": warnings}
    answer = {name: [*map(asdict, problems)] for name, problems in parts.items()}
    typer.echo(json.dumps(answer, indent=2))
