"""Databases of places under a running edge: read at the start, swapped, broken, and explained to people."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kit.edge import Tree
from tests.kit.places import CALIFORNIA, TEXAS, WELLINGTON, write_database
from tests.kit.processes import is_alive
from tests.kit.waiting import wait_until
from tests.scenarios.town import Edge, configuration, town
from tests.scenarios.traffic import HOST

CLIENT, OTHER = "198.51.100.7", "203.0.113.9"


def with_places(folder: Path) -> Tree:
    write_database(folder / "city.mmdb", {**everybody(CALIFORNIA), "2001:db8::/32": WELLINGTON})
    tree = configuration(workers=1)
    tree["geo"] = {"database": "city.mmdb", "regions": {"west-us": {"country": "US", "subdivisions": ["CA"]}}}
    tree["groups"]["website"] |= {
        "weights": {"wellington": 1, "auckland": 0},
        "rules": [{"name": "canary", "when": {"region": "west-us"}, "weights": {"wellington": 0, "auckland": 1}}],
    }
    return tree


def everybody(record: Any) -> dict[str, Any]:
    """A client to explain, and all who connect to the edge in these tests."""
    return {"198.51.100.0/24": record, "127.0.0.0/8": record}


async def says(edge: Edge, client: str) -> str:
    """What a person is told of where a client is."""
    status, output, errors = await edge.command("explain", f"https://{HOST}/", "--client", client)
    assert status == 0, errors
    return output.splitlines()[2]


async def until_place(edge: Edge, client: str, is_right: Callable[[dict[str, Any]], bool]) -> None:
    deadline = time.monotonic() + 15
    while not is_right(found := (await edge.api(f"/explain?host={HOST}&client={client}"))["place"]):
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.05)


def events(edge: Edge) -> list[str]:
    lines = (line for line in edge.log.splitlines() if line.startswith("{"))
    return [found["event"] for found in map(json.loads, lines) if found["event"].startswith("database_")]


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[Edge]:
    with town(tmp_path, with_places(tmp_path)) as found:
        yield found.edge


async def test_explain_says_where_a_client_is_and_follows_a_reload_at_once(edge: Edge) -> None:
    assert await says(edge, CLIENT) == f"{CLIENT} is in NA, US, CA, 36.70 north, -119.40 east"
    assert await says(edge, "2001:db8::5") == "2001:db8::5 is in OC, NZ, WGN, -41.30 north, 174.80 east"
    assert (await edge.api(f"/explain?host={HOST}&client={OTHER}"))["place"]["country"] == ""
    await a_reload_changes_networks_at_once(edge)


async def a_reload_changes_networks_at_once(edge: Edge) -> None:
    tree = yaml.safe_load(edge.file.read_text())
    tree["geo"]["networks"] = [{"cidr": "203.0.113.0/24", "country": "NZ"}]
    edge.file.write_text(yaml.safe_dump(tree))
    answer = await edge.api("/config/reload", "POST", reason="test")
    assert [change["path"] for change in answer["changes"]] == ["geo.networks"]
    assert await says(edge, OTHER) == f"{OTHER} is in NZ"


async def test_a_database_is_swapped_broken_and_mended_while_the_edge_serves(edge: Edge) -> None:
    file = edge.folder / "city.mmdb"
    assert (await edge.ask()).datacentre == "auckland"
    write_database(file, everybody(TEXAS))
    await until_place(edge, CLIENT, lambda place: place["subdivision"] == "TX")
    await edge.wait_for_answer(lambda answer: answer.datacentre == "wellington")
    os.truncate(file, 100)
    wait_until(lambda: "database_refused" in events(edge), "the alarm")
    assert (await edge.api(f"/explain?host={HOST}&client={CLIENT}"))["place"]["subdivision"] == "TX"
    assert (await edge.ask()).datacentre == "wellington"
    write_database(file, everybody(CALIFORNIA))
    await edge.wait_for_answer(lambda answer: answer.datacentre == "auckland")
    await until_place(edge, CLIENT, lambda place: place["subdivision"] == "CA")
    wait_until(lambda: events(edge) == ["database_read", "database_refused", "database_read"], "the end of the alarm")


async def test_processes_that_start_while_a_file_is_broken_have_what_was_read_at_the_start(edge: Edge) -> None:
    (edge.folder / "city.mmdb").write_bytes(b"broken")
    gone = edge.control
    os.kill(gone, 9)
    wait_until(lambda: edge.has_other_control(gone) and not is_alive(gone), "another control")
    await edge.wait_for_workers(1)
    await until_place(edge, CLIENT, lambda place: place["subdivision"] == "CA")


async def test_a_reload_goes_through_while_a_database_is_broken_but_not_with_another_broken_one(edge: Edge) -> None:
    (edge.folder / "city.mmdb").write_bytes(b"broken")
    tree = yaml.safe_load(edge.file.read_text())
    tree["groups"]["website"]["weights"] = {"wellington": 1, "auckland": 99}
    edge.file.write_text(yaml.safe_dump(tree))
    assert "changes" in await edge.api("/config/reload", "POST", reason="test")
    tree["geo"]["database"] = ["city.mmdb", "none.mmdb"]
    edge.file.write_text(yaml.safe_dump(tree))
    refused = await edge.api("/config/reload", "POST", reason="test")
    assert "none.mmdb cannot be read: no such file" in json.dumps(refused)
    assert (await edge.api(f"/explain?host={HOST}&client={CLIENT}"))["place"]["subdivision"] == "CA"


def test_an_edge_does_not_start_with_a_database_that_cannot_be_read(tmp_path: Path) -> None:
    tree = with_places(tmp_path)
    (tmp_path / "city.mmdb").write_bytes(b"broken")
    (tmp_path / "steer.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))
    for command in ("run", "check"):
        done = subprocess.run(
            [sys.executable, "-m", "steer", command, str(tmp_path / "steer.yaml")],
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert done.returncode == 1
        lines = [line for line in (done.stdout + done.stderr).splitlines() if "city.mmdb" in line]
        (line,) = lines
        assert line.endswith("city.mmdb is no database in MaxMind's format (a .mmdb file, whole and unpacked)")
        assert "geo.database[0]" in line
