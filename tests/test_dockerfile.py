"""The Dockerfile, without a container engine: its paths are real and its steps' commands run, in a scratch folder."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Step:
    """One instruction. `stage` counts the FROMs before it, from 1."""

    stage: int
    name: str
    rest: str


def read_steps() -> list[Step]:
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    steps: list[Step] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        name, _, rest = line.partition(" ")
        stage = steps[-1].stage if steps else 0
        steps.append(Step(stage + (name == "FROM"), name, rest.strip()))
    return steps


STEPS = read_steps()
LAST = STEPS[-1].stage


def of(name: str, stage: int | None = None) -> list[str]:
    return [step.rest for step in STEPS if step.name == name and stage in (None, step.stage)]


def copied_from_context() -> list[str]:
    return [source for rest in of("COPY") if "--from" not in rest for source in rest.split()[:-1]]


def is_ignored(path: str) -> bool:
    """By .dockerignore, where the last line that matches decides."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    verdict = False
    for line in lines:
        if fnmatch(path, line.removeprefix("!")):
            verdict = not line.startswith("!")
    return verdict


def test_it_has_a_stage_to_build_and_one_to_run() -> None:
    assert LAST == 2
    assert of("FROM", 1)[0].endswith(" AS build")
    assert of("FROM", 1)[0].split()[0] == of("FROM", 2)[0]


@pytest.mark.parametrize("source", copied_from_context())
def test_everything_that_is_copied_exists_and_reaches_the_build(source: str) -> None:
    assert (ROOT / source).exists()
    assert not is_ignored(source)


def test_what_is_not_copied_does_not_reach_the_build() -> None:
    for path in (".git", ".venv", "tests", "bench", "state", "certs"):
        assert is_ignored(path)


def test_it_runs_as_a_user_that_is_not_root_and_was_made_before() -> None:
    (user,) = of("USER", LAST)
    assert user.isdigit()
    assert int(user) > 0
    names = [step.name for step in STEPS if step.stage == LAST]
    assert names.index("USER") > names.index("RUN")
    assert f"--uid {user} " in of("RUN", LAST)[0]


def test_useradd_takes_the_arguments() -> None:
    (command,) = of("RUN", LAST)
    environment = os.environ | {"PATH": f"{os.environ['PATH']}:/usr/sbin", "LC_ALL": "C"}
    said = subprocess.run(
        [*shlex.split(command), "--help"], env=environment, capture_output=True, text=True, check=False
    )
    assert said.returncode == 0
    assert "Usage: useradd" in said.stdout


def test_the_health_probe_and_the_entry_point_are_the_installed_command() -> None:
    probe = json.loads(of("HEALTHCHECK", LAST)[0].partition("CMD ")[2])
    assert [*json.loads(of("ENTRYPOINT", LAST)[0]), "ping"] == probe


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the build stage leaves, in a scratch folder that stands for /: the real COPY and RUN steps."""
    scratch = tmp_path_factory.mktemp("image")
    folder = scratch
    for step in STEPS:
        if step.stage != 1:
            break
        if step.name == "WORKDIR":
            folder = scratch / step.rest.lstrip("/")
            folder.mkdir(parents=True)
        elif step.name == "COPY":
            copy(step.rest, folder)
        elif step.name == "RUN":
            run(step.rest.replace("/opt/", f"{scratch}/opt/"), folder)
    return scratch


def copy(rest: str, folder: Path) -> None:
    *sources, target = rest.split()
    for source in sources:
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, folder / target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, folder / target)


def run(command: str, folder: Path) -> None:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["sh", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def in_image(image: Path, *command: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, cwd=image, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_image_has_steer_with_its_data_and_without_the_repository(image: Path) -> None:
    program = "import steer.demo; from importlib.resources import files; "
    program += "print(steer.__file__, files('steer.demo').joinpath('active-active.yaml').is_file())"
    file, has_data = in_image(image, str(image / "opt/steer/bin/python"), "-c", program).split()
    assert Path(file).is_relative_to(image / "opt/steer/lib")
    assert has_data == "True"


def test_the_entry_point_and_the_default_command_run(image: Path) -> None:
    (entry,) = json.loads(of("ENTRYPOINT", LAST)[0])
    command = json.loads(of("CMD", LAST)[0])[0]
    assert "CONFIG" in in_image(image, f"{image}{entry}", command, "--help")
