"""The report: the models that the JSON in `results/` is made of."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Cell(_Part):
    """One check on one target. `passed` is None where nothing has to hold: it is told for comparison."""

    passed: bool | None
    words: str


class Row(_Part):
    """One check; the cells by target. A target that it cannot be done on has none."""

    check: str
    cells: dict[str, Cell]


class SuiteResult(_Part):
    """`tool`: name and version. `skipped`: what did not run, and why; with rows, where the rest of it did."""

    name: str
    title: str
    tool: str = ""
    method: str = ""
    seconds: float = 0.0
    skipped: str | None = None
    rows: tuple[Row, ...] = ()

    def failed(self, target: str = "steer") -> tuple[str, ...]:
        """The checks that this target did not pass."""
        found = ((row.check, row.cells.get(target)) for row in self.rows)
        return tuple(check for check, cell in found if cell is not None and cell.passed is False)


class Report(_Part):
    """One run. `changed`: the working tree had changes that `commit` does not have."""

    started: str
    commit: str
    changed: bool
    machine: dict[str, str]
    versions: dict[str, str]
    suites: tuple[SuiteResult, ...]

    @property
    def failed(self) -> tuple[str, ...]:
        return tuple(f"{suite.name}: {check}" for suite in self.suites for check in suite.failed())

    @property
    def skipped(self) -> tuple[str, ...]:
        return tuple(f"{suite.name}: {suite.skipped}" for suite in self.suites if suite.skipped is not None)
