"""What comes from outside the file: `${NAME}` from the environment, `${file:path}` from a file.

`$${` stands for `${` itself. What was filled in is never shown: Source keeps the text as it was written, and
problems and `redacted` show that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from steer.config.source import Place, show_place
from steer.errors import Problem

# A key, a token or a certificate fits; a disk image named by mistake does not.
MOST_BYTES = 64 * 1024

_REFERENCE = re.compile(r"\$\$\{|\$\{([^}]*)(\})?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Filling:
    """Fills in the references of one file; `unfilled` and `failed` say where there were any."""

    def __init__(self, file: str, folder: Path, lines: Mapping[Place, int], environ: Mapping[str, str]) -> None:
        self._file = file
        self._folder = folder
        self._lines = lines
        self._environ = environ
        self.unfilled: dict[Place, str] = {}
        self.failed: set[Place] = set()
        self.problems: list[Problem] = []

    def fill(self, value: Any, place: Place = ()) -> Any:
        """The value with every reference in it, at any depth, replaced."""
        if isinstance(value, dict):
            return {key: self.fill(part, (*place, key)) for key, part in value.items()}
        if isinstance(value, list):
            return [self.fill(part, (*place, index)) for index, part in enumerate(value)]
        if isinstance(value, str) and "${" in value:
            self.unfilled[place] = value
            return _REFERENCE.sub(lambda found: self._one(found, place), value)
        return value

    def _one(self, found: re.Match[str], place: Place) -> str:
        reference = found[1]
        if reference is None:
            return "${"
        if reference.startswith("file:") and found[2]:
            return self._from_file(reference.removeprefix("file:"), place)
        if not found[2]:
            return self._fail(place, "has ${ without its }", "$${ stands for ${ itself")
        if not _NAME.fullmatch(reference):
            return self._fail(place, f"${{{reference}}} is not a reference", "${NAME} or ${file:path}, and $${ for ${")
        if reference not in self._environ:
            return self._fail(place, f"${{{reference}}} is not set in the environment")
        return self._environ[reference]

    def _from_file(self, name: str, place: Place) -> str:
        """The file's text without the line end that editors put there."""
        try:
            with (self._folder / name).open("rb") as file:
                content = file.read(MOST_BYTES + 1)
            if len(content) <= MOST_BYTES:
                return content.decode().rstrip("\r\n")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            return self._fail(place, f"${{file:{name}}} cannot be read: {reason}")
        return self._fail(place, f"${{file:{name}}} is larger than {MOST_BYTES // 1024} KiB")

    def _fail(self, place: Place, message: str, hint: str = "") -> str:
        self.failed.add(place)
        self.problems.append(Problem(self._file, self._lines.get(place, 0), show_place(place), message, hint))
        return ""
