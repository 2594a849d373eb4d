"""What must hold for the repository as a whole."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

import steer
from steer.config import load, unbuilt

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
SCRIPTS = ("install", "need", "demo", "test", "check", "bench", "chaos", "compliance", "lock")

# In pieces, so that this file does not hold what it looks for.
UNWANTED = re.compile(
    "|".join(
        (
            r"pypi\." + "org",
            r"files\.python" + "hosted",
            r"registry\.npm" + "js",
            r"deb\.debian\." + "org",
            r"(^|[^A-Za-z0-9_.-])/(work|farm|opt/pypi|opt/wheels)" + "/",
        )
    ),
    re.MULTILINE,
)


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("name", [*(f"scripts/{name}" for name in SCRIPTS), ".ci/run"])
def test_a_script_can_be_run_from_anywhere_and_stops_at_the_first_error(name: str) -> None:
    path = ROOT / name
    assert os.access(path, os.X_OK)
    text = path.read_text()
    assert text.startswith(("#!/bin/sh\n", "#!/usr/bin/env bash\n"))
    assert "\nset -eu" in text
    assert '\ncd "$(dirname "$0")/.."\n' in text
    shell = "bash" if "bash" in text.splitlines()[0] else "sh"
    subprocess.run([shell, "-n", str(path)], check=True)


def test_the_two_commands_of_the_readmes_first_screen_exist() -> None:
    first_screen = README.splitlines()[:25]
    for command in ("scripts/demo", "scripts/test"):
        assert any(line.startswith(f"{command} ") for line in first_screen)
        assert os.access(ROOT / command, os.X_OK)


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "docs/behaviour.md",
        "docs/chaos.md",
        "docs/compliance.md",
        "docs/design.md",
        "docs/geography.md",
        "docs/moving.md",
        "docs/limits.md",
        "docs/peers.md",
        "docs/session-doors.md",
    ],
)
def test_links_lead_to_files_of_the_repository(page: str) -> None:
    text = (ROOT / page).read_text()
    targets = [target for target in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in target]
    missing = [target for target in targets if not ((ROOT / page).parent / target).exists()]
    assert missing == []


def test_the_configuration_in_the_readme_is_taken_and_uses_nothing_that_is_not_built(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```yaml\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)
    file = tmp_path / "steer.yaml"
    file.write_text(example)
    config = load(file, environ={}, check_files=False)
    assert unbuilt(config) == ()
    assert list(config.services) == ["www"]


def test_no_registry_host_and_no_path_of_a_machine_stands_in_a_tracked_file() -> None:
    found = []
    for path in tracked():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {match[0]!r}" for match in UNWANTED.finditer(text)]
    assert found == []


def test_the_version_is_the_same_in_package_project_and_changelog() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert steer.__version__ == project["version"] == headings[0]


def test_the_locks_name_every_dependency_and_the_build_backend_with_hashes() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    names = [re.split(r"[<>=\[]", each)[0] for each in project["project"]["dependencies"]]
    dev = [re.split(r"[<>=\[]", each)[0] for each in project["project"]["optional-dependencies"]["dev"]]
    backend = [re.split(r"[<>=\[]", each)[0] for each in project["build-system"]["requires"]]
    assert missing_from("requirements.lock", names + backend) == []
    assert missing_from("requirements-dev.lock", names + backend + dev) == []


def missing_from(lock: str, names: list[str]) -> list[str]:
    text = (ROOT / lock).read_text()
    pinned = set(re.findall(r"^([a-z0-9-]+)==\S+ \\\n    --hash=sha256:", text, flags=re.MULTILINE))
    return [name for name in names if name.lower().replace("_", "-") not in pinned]


def test_the_license_is_apache_2_in_full() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License\n                           Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert len(text.splitlines()) > 190


# Modules that have no test file of their own name, and that no test of their package imports: what tests them instead.
# Most are parts of a package that is tested through its front door.
TESTED_BY = {
    "app": "tests/demo/test_show.py",
    "cli/command": "tests/cli/test_cli_client.py",
    "cli/main": "tests/demo/test_show.py",
    "cli/run": "tests/demo/test_show.py",
    "clock": "tests/health",
    "config/base": "tests/config/test_bad_configurations.py",
    "config/certificates": "tests/config/test_certificate_checks.py",
    "config/checks*": "tests/config/test_bad_configurations.py",
    "config/doors": "tests/config/test_certificate_checks.py",
    "config/filling": "tests/config/test_loading.py",
    "config/findings": "tests/config/test_bad_configurations.py",
    "config/messages": "tests/config/test_bad_configurations.py",
    "config/network": "tests/config/test_bad_configurations.py",
    "config/partial": "tests/config/test_any_mistake.py",
    "config/schema*": "tests/config/test_reference.py",
    "control/api_*": "tests/control/test_api_state.py",
    "control/asked": "tests/control/test_asking.py",
    "control/face": "tests/control/test_api_state.py",
    "control/in_force": "tests/control/test_keeper.py",
    "control/live": "tests/control/test_exposition.py",
    "control/saving": "tests/control/test_keeper.py",
    "control/shares": "tests/control/test_keeper.py",
    "control/standing": "tests/control/test_keeper.py",
    "control/wishes": "tests/control/test_keeper.py",
    "cli/sessions": "tests/scenarios/test_store_process.py",
    "control/families": "tests/control/test_exposition.py",
    "control/session_metrics": "tests/scenarios/test_store_process.py",
    "control/moments": "tests/control/test_api_state.py",
    "control/views*": "tests/control/test_api_state.py",
    "control_process": "tests/demo/test_show.py",
    "errors": "tests/config/test_bad_configurations.py",
    "files": "tests/control/test_state_file.py",
    "first_start": "tests/scenarios/test_affinity_cookies.py",
    "health/announcing": "tests/scenarios/test_client_address.py",
    "parameters": "tests/demo/test_show.py",
    "proxy/*": "tests/compliance",
    "reload": "tests/scenarios/test_reload.py",
    "runtime/crew": "tests/runtime/test_supervisor.py",
    "runtime/logs": "tests/runtime/test_supervisor.py",
    "runtime/silent": "tests/runtime/test_entrance.py",
    "runtime/hubs": "tests/runtime/test_supervisor.py",
    "runtime/succession": "tests/scenarios/test_upgrade.py",
    "runtime/upgrade": "tests/scenarios/test_upgrade.py",
    "runtime/wire": "tests/runtime/test_channel.py",
    "sessions/access": "tests/sessions/resp/test_door.py",
    "sessions/affinity/stored_record": "tests/sessions/affinity/test_stored.py",
    "sessions/http_door/*": "tests/sessions/http_door/test_http_door.py",
    "sessions/resp/*": "tests/sessions/resp/test_commands.py",
    "sessions/space": "tests/sessions/resp/test_scripts.py",
    "store_places": "tests/scenarios/sessions/test_through_edges.py",
    "store_parameters": "tests/scenarios/test_store_process.py",
    "store_process": "tests/scenarios/test_store_process.py",
    "steering/facts": "tests/steering/test_choose.py",
    "steering/moves": "tests/steering/test_datacentres.py",
    "steering/preparation": "tests/steering/test_plan.py",
    "steering/records": "tests/steering/test_ejection.py",
    "steering/steps": "tests/steering/test_explain.py",
    "steering/surveying": "tests/steering/test_plan.py",
    "steering/why_not": "tests/steering/test_splitting.py",
    "store/closed": "tests/store/test_redis_link.py",
    "store/errors": "tests/store",
    "store/locks": "tests/store/test_namespace.py",
    "store/memory_rules": "tests/store/test_writes.py",
    "store/memory_shelf": "tests/store/test_writes.py",
    "store/model": "tests/store",
    "store/redis_channel": "tests/store/test_redis_link.py",
    "store/redis_check": "tests/store/test_redis_link.py",
    "store/memory_replication": "tests/store/test_replication.py",
    "store/background": "tests/store/test_site.py",
    "store/redis_bulk": "tests/store/test_replication.py",
    "store/replication/carrier": "tests/store/replication/test_shipper.py",
    "store/replication/c*": "tests/store/replication/test_two_sites.py",
    "store/replication/failover": "tests/store/replication/test_two_sites.py",
    "store/replication/groups": "tests/store/replication/test_repair.py",
    "store/replication/keeping": "tests/store/replication/test_two_sites.py",
    "store/replication/l*": "tests/store/replication/test_two_sites.py",
    "store/replication/moving": "tests/store/replication/test_two_sites.py",
    "store/replication/resync": "tests/store/replication/test_shipper.py",
    "store/replication/standing": "tests/store/replication/test_two_sites.py",
    "store/scripting": "tests/store/test_writes.py",
    "store/status": "tests/store/replication/test_two_sites.py",
    "store/timing": "tests/store/test_namespace.py",
}


def modules() -> list[str]:
    """`proxy/http/head` and so on; packages are their docstring."""
    files = (path.relative_to(ROOT / "steer") for path in (ROOT / "steer").rglob("*.py"))
    return sorted(str(path.with_suffix("")) for path in files if path.name not in ("__init__.py", "__main__.py"))


def has_tests(module: str) -> bool:
    """A test file of its name in the mirrored folder, or one there that imports it."""
    folder = (ROOT / "tests" / module).parent
    if (folder / f"test_{Path(module).name}.py").exists():
        return True
    package, _, name = f"steer/{module}".replace("/", ".").rpartition(".")
    imports = re.compile(
        rf"^\s*(from {package}\.{name} import|from {package} import .*\b{name}\b|import {package}\.{name}\b)", re.M
    )
    return any(imports.search(path.read_text()) for path in folder.glob("*.py"))


def rows_for(module: str) -> list[str]:
    """The patterns of the table that fit."""
    return [pattern for pattern in TESTED_BY if fnmatch(module, pattern)]


def test_every_module_has_tests_in_its_mirror_or_the_table_says_where() -> None:
    assert [module for module in modules() if not has_tests(module) and not rows_for(module)] == []


def test_every_row_of_the_table_is_about_a_module_that_is_there() -> None:
    assert TESTED_BY.keys() == {pattern for module in modules() for pattern in rows_for(module)}


@pytest.mark.parametrize("place", sorted(set(TESTED_BY.values())))
def test_what_the_table_names_are_tests(place: str) -> None:
    path = ROOT / place
    assert any("def test_" in file.read_text() for file in (path.rglob("test_*.py") if path.is_dir() else [path]))
