from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from steer.cli import check

RIGHT = """\
version: 1
edge: {name: edge-a}
listeners: [{name: http, bind: "127.0.0.1:8080"}]
datacentres: {one: {id: 1}}
pools: {web: {nodes: {one: [{name: one-1, address: "http://127.0.0.1:8101"}]}}}
groups: {website: {mode: active-active, weights: {one: 1}}}
services: {www: {hostnames: [www.example], group: website, routes: [{path: /, pool: web}]}}
"""


@pytest.fixture
def app() -> typer.Typer:
    """With a second command, as the whole command line has: a single one would lose its name."""
    app = typer.Typer()
    check.register(app)
    app.command("other")(lambda: None)
    return app


def run(app: typer.Typer, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["check", *arguments])


def test_a_database_of_places_is_read_unless_files_are_left_alone(app: typer.Typer, tmp_path: Path) -> None:
    path = tmp_path / "steer.yaml"
    path.write_text(RIGHT + "geo: {database: none.mmdb}\n")
    result = run(app, str(path))
    assert result.exit_code == 1
    assert f"{path}:8: geo.database[0]: {tmp_path}/none.mmdb cannot be read: no such file" in result.output
    assert run(app, str(path), "--no-files").exit_code == 0


def test_a_file_that_is_right_is_said_to_be(app: typer.Typer, tmp_path: Path) -> None:
    path = tmp_path / "steer.yaml"
    path.write_text(RIGHT)
    result = run(app, str(path))
    assert (result.exit_code, result.output) == (0, f"{path}: no problems\n")


def test_each_problem_is_a_line_and_the_answer_is_no(app: typer.Typer, tmp_path: Path) -> None:
    path = tmp_path / "steer.yaml"
    path.write_text(RIGHT.replace("{one: 1}", "{one: -1}").replace("pool: web", "pool: wbe"))
    result = run(app, str(path))
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        f"{path}:6: groups.website.weights.one: must be 0 or more, got -1",
        f'{path}:7: services.www.routes[0].pool: there is no pool "wbe" (did you mean web?)',
        f"{path}: 2 problems",
    ]


def test_what_is_not_built_is_listed_and_is_no_problem(app: typer.Typer, tmp_path: Path) -> None:
    path = tmp_path / "steer.yaml"
    path.write_text(RIGHT.replace("{one: 1}", "{one: 1}, writes: one-site"))
    result = run(app, str(path))
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        f"{path}:6: groups.website.writes: is not built yet (writing at one site only)",
        f"{path}: no problems, 1 part not built yet: steer run refuses the file as it is",
    ]


def test_what_is_wrong_does_not_hide_what_is_not_built(app: typer.Typer, tmp_path: Path) -> None:
    path = tmp_path / "steer.yaml"
    path.write_text(RIGHT.replace("{id: 1}", "{id: 0}").replace("{one: 1}", "{one: 1}, writes: one-site"))
    result = run(app, str(path))
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        f"{path}:4: datacentres.one.id: must be 1 or more, got 0",
        f"{path}:6: groups.website.writes: is not built yet (writing at one site only)",
        f"{path}: 1 problem, 1 part not built yet: steer run refuses the file as it is",
    ]


def test_json_has_the_same(app: typer.Typer, tmp_path: Path) -> None:
    path = tmp_path / "steer.yaml"
    path.write_text(RIGHT.replace("{one: 1}", "{one: -1}, writes: one-site"))
    result = run(app, str(path), "--json")
    assert result.exit_code == 1
    place = {"file": str(path), "hint": ""}
    assert json.loads(result.stdout) == {
        "problems": [
            {**place, "line": 6, "path": "groups.website.weights.one", "message": "must be 0 or more, got -1"}
        ],
        "not_built": [
            {
                "file": str(path),
                "line": 6,
                "path": "groups.website.writes",
                "message": "is not built yet",
                "hint": "writing at one site only",
            }
        ],
        "warnings": [],
    }


def test_a_file_that_cannot_be_read_is_another_answer_than_no(app: typer.Typer, tmp_path: Path) -> None:
    result = run(app, str(tmp_path / "gone.yaml"))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"{tmp_path}/gone.yaml cannot be read: No such file or directory\n"


def test_the_schema_needs_no_file(app: typer.Typer) -> None:
    result = run(app, "--schema")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["title"] == "Config"


def test_nothing_to_check_is_wrong_use(app: typer.Typer) -> None:
    result = run(app)
    assert result.exit_code == 2
    assert result.stderr == "CONFIG is missing (steer check CONFIG, or steer check --schema)\n"


def test_the_help_has_an_example(app: typer.Typer) -> None:
    assert "Example: steer check config/active-active.yaml" in run(app, "--help").output


def test_a_warning_is_said_and_stops_nothing(app: typer.Typer, tmp_path: Path) -> None:
    path = tmp_path / "steer.yaml"
    path.write_text(RIGHT.replace("{one: 1}}", "{one: 1}, failover: {automatic: true}}"))
    result = run(app, str(path))
    assert result.exit_code == 0
    assert result.output.splitlines()[0] == (
        f"warning: {path}:6: groups.website.failover.automatic: is decided by this edge alone: 1 of 1"
        " (what it cannot reach counts as out)"
    )
    assert [each["path"] for each in json.loads(run(app, str(path), "--json").output)["warnings"]] == [
        "groups.website.failover.automatic"
    ]
