"""How the commands print: JSON, tables and colour on a terminal, plain aligned text anywhere else."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

import typer

GAP = "  "
COLOURS = {"serving": "green", "probing": "yellow", "draining": "yellow", "ejected": "red", "out": "red"}


def on_terminal() -> bool:
    return sys.stdout.isatty()


def say(text: str) -> None:
    """A line; the words for states have their colours on a terminal (typer takes them off elsewhere)."""
    typer.echo(" ".join(map(_coloured, text.split(" "))) if on_terminal() else text)


def _coloured(word: str) -> str:
    return typer.style(word, fg=COLOURS[word]) if word in COLOURS else word


def print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def tell(found: Mapping[str, Any], words: str, as_json: bool) -> None:
    """What was done, once: as JSON, or in words."""
    if as_json:
        print_json(found)
    else:
        say(words)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """One line a row; columns padded to their widest cell, two spaces between, none at the end."""
    widths = [max(map(len, column)) for column in zip_longest(*rows, fillvalue="")]
    return [GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in rows]


def show_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    body = [list(row) for row in rows]
    if on_terminal():
        _rich_table(headings, body)
        return
    for line in aligned([[heading.upper() for heading in headings], *body]):
        typer.echo(line)


def _rich_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    # rich takes as long to import as all the rest of a command: only where it is seen.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*headings, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*(Text(cell, style=COLOURS.get(cell, "")) for cell in row))
    Console().print(table)


# Values.


def percent(share: float) -> str:
    """0.5 -> `50 %`; a small share is not called none."""
    whole = round(share * 100)
    return "<1 %" if share > 0 and whole == 0 else f"{whole} %"


def number(value: float) -> str:
    """50.0 -> `50`."""
    return f"{value:g}"


def milliseconds(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.1f} ms" if seconds < 0.1 else f"{seconds * 1000:.0f} ms"


def duration(seconds: float) -> str:
    """In its two largest units: `3 h 12 min`."""
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    parts: list[str] = []
    left = int(seconds)
    for name, length in units:
        if left >= length or (name == "s" and not parts):
            parts.append(f"{left // length} {name}")
            left %= length
    return " ".join(parts[:2])


def time(moment: str | None) -> str:
    """RFC 3339 in UTC -> `2030-01-01 12:00:00Z`."""
    return f"{moment[:10]} {moment[11:19]}Z" if moment else "-"


def until(moment: str | None) -> str:
    return f"until {time(moment)}" if moment else "until it is lifted"
