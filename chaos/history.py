"""What was asked of the store and what it answered. Times are seconds since the run began."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Literal

Outcome = Literal["open", "ok", "fail", "info"]
"""fail: it has not happened, and never will. info: nobody knows. open: no answer yet."""


@dataclass(slots=True)
class Op:
    """One operation. `stamp` is the write's, or that of the record that was read; `seen` what was read (None: nothing).

    `done`: what a touch, a deletion or a lock answered. `engine`: the site whose engine gave the stamp.
    """

    number: int
    client: str
    site: int
    f: str
    key: str
    began: float
    field: str = ""
    value: str = ""
    ttl: float = 0.0
    acknowledge: str = ""
    condition: str = ""
    ended: float = 0.0
    outcome: Outcome = "open"
    stamp: str = ""
    seen: str | None = None
    done: bool = False
    error: str = ""

    @property
    def engine(self) -> int:
        return int(self.stamp[17:]) if len(self.stamp) == 20 else self.site

    @property
    def is_write(self) -> bool:
        return self.f in ("put", "put_fields")

    def line(self) -> str:
        """For a person."""
        what = " ".join(part for part in (self.f, self.field, self.value, self.condition, self.acknowledge) if part)
        answer = self.error or (f"saw {self.seen}" if self.f == "get" else f"{self.done}" if self.done else "")
        took = f"{self.began:8.3f} to {self.ended:8.3f}"
        return f"{took}  {self.client:<10} {what:<44} {self.outcome:<4} {self.stamp or '-':<20} {answer}"


class History:
    """`begin` an operation, then `end` it; each writes a line to the file."""

    def __init__(self, path: Path | None = None) -> None:
        self.ops: list[Op] = []
        self._file: IO[str] | None = path.open("w") if path else None

    def begin(self, op: Op) -> Op:
        self.ops.append(op)
        self._write("invoke", op)
        return op

    def end(self, op: Op, at: float, outcome: Outcome) -> None:
        op.ended, op.outcome = at, outcome
        self._write(outcome, op)

    def note(self, at: float, text: str) -> None:
        """A fault began or ended."""
        if self._file:
            self._file.write(json.dumps({"at": round(at, 4), "fault": text}) + "\n")

    def _write(self, kind: str, op: Op) -> None:
        if self._file:
            told = {name: value for name, value in asdict(op).items() if value not in ("", None, 0.0, "open")}
            self._file.write(json.dumps({"type": kind, **told}) + "\n")

    def close(self) -> None:
        """Those that nobody answered are not known."""
        for op in self.ops:
            if op.outcome == "open":
                op.outcome, op.ended = "info", op.began
        if self._file:
            self._file.close()


def of_key(ops: Sequence[Op], key: str) -> list[Op]:
    return sorted((op for op in ops if op.key == key), key=lambda op: op.began)
