"""What the commands print: status, explain, weights, overrides, audit."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from steer.cli import output
from steer.cli.explain import split
from steer.cli.weights import parse
from steer.errors import SteerError
from tests.cli.conftest import Run
from tests.kit.admin import RunningAdmin


async def test_status_reads_like_a_sentence_for_each_group(admin: RunningAdmin, run: Run) -> None:
    result = await run("status")
    assert result.exit_code == 0
    edge_line, group_line = result.output.splitlines()
    assert edge_line == (
        "edge-a  steer 0.1.0  up 0 s  1 of 1 workers serving  0.0 requests/s  p50 -  p99 -  configuration c0ffeec0ffee"
    )
    assert group_line == "website  active-active  wellington 50 % serving (2 of 2)  auckland 50 % serving (1 of 1)"


async def test_status_shows_what_an_operator_took_out(admin: RunningAdmin, run: Run) -> None:
    assert (await run("drain", "wlg-1", "--reason", "patching")).exit_code == 0
    result = await run("status")
    assert "wellington 50 % serving (1 of 1, 1 drained)" in result.output
    assert result.output.splitlines()[0].endswith("1 override")


async def test_json_is_what_the_api_says(admin: RunningAdmin, run: Run) -> None:
    for words, path in ((("status",), "/status"), (("weights", "website"), "/groups/website")):
        result = await run(*words, "--json")
        assert json.loads(result.output) == (await admin.get(f"/api/v1{path}")).body


# Weights.


async def test_weights_are_shown_when_none_is_given(admin: RunningAdmin, run: Run) -> None:
    result = await run("weights", "website")
    assert result.output.splitlines() == [
        "DATACENTRE  WEIGHT  CONFIGURED  SHARE  STATE    NODES",
        "wellington  50      50          50 %   serving  2 of 2",
        "auckland    50      50          50 %   serving  1 of 1",
    ]


async def test_weights_are_set_with_a_reason_and_an_end(admin: RunningAdmin, run: Run) -> None:
    words = ("weights", "website", "wellington=90", "auckland=10", "--reason", "patching auckland", "--expires", "2h")
    result = await run(*words)
    assert result.exit_code == 0
    (override,) = admin.context.keeper.overrides()
    assert override.value == {"wellington": 90, "auckland": 10}
    lines = result.output.splitlines()
    assert lines[1].split()[:5] == ["wellington", "90", "50", "90", "%"]
    assert lines[3] == f"set by local until 2023-11-15 00:13:20Z: patching auckland ({override.id})"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("weights", "website", "wellington=90"), "a change needs --reason"),
        (("weights", "website", "wellington=90", "--reason", " "), "a change needs --reason"),
        (("weights", "website", "wellington", "--reason", "r"), "'wellington' is no weight"),
        (("weights", "website", "wellington=-1", "--reason", "r"), "'wellington=-1' is no weight"),
        (("weights", "website", "wellington=nan", "--reason", "r"), "'wellington=nan' is no weight"),
        (("weights", "website", "a=1", "a=2", "--reason", "r"), "a comes twice"),
        (("drain", "wlg-1"), "a change needs --reason"),
        (("explain",), "give a URL or --node"),
        (("explain", "https://x/", "--node", "wlg-1"), "give a URL or --node"),
        (("explain", "ftp://x/"), "'ftp://x/' is no URL"),
    ],
)
async def test_a_command_that_lacks_something_says_what(
    admin: RunningAdmin, run: Run, words: tuple[str, ...], said: str
) -> None:
    result = await run(*words)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"steer: {said} (") or result.stderr == f"steer: {said}\n"
    assert admin.context.keeper.overrides() == ()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("weights", "nope"), "no group is called 'nope'"),
        (("weights", "website", "nope=1", "--reason", "r"), "weights.nope: no datacentre is called 'nope'"),
        (("drain", "nope", "--reason", "r"), "no node and no datacentre is called 'nope'"),
        (("explain", "--node", "nope"), "no node is called 'nope'"),
        (("explain", "https://other.example/"), "other.example"),
        (("drain", "wlg-1", "--reason", "r", "--expires", "soon"), "expires_in: must be a duration"),
        (("overrides", "--lift", "nope", "--reason", "r"), "no override is called 'nope'"),
        (("audit", "--since", "yesterday"), "since: must be a duration like 1h"),
    ],
)
async def test_a_no_of_the_edge_is_exit_status_1_on_one_line(
    admin: RunningAdmin, run: Run, words: tuple[str, ...], said: str
) -> None:
    result = await run(*words)
    assert result.exit_code == 1
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


# Drain, eject, restore.


async def test_a_node_is_drained_ejected_and_restored(admin: RunningAdmin, run: Run) -> None:
    drained = await run("drain", "wlg-1", "--reason", "patching", "--expires", "1h")
    (override,) = admin.context.keeper.overrides()
    assert drained.output == f"drained wlg-1 until 2023-11-14 23:13:20Z ({override.id})\n"
    ejected = await run("eject", "wlg-1", "--reason", "broken")
    assert ejected.output.startswith("ejected wlg-1 until it is lifted (")
    restored = await run("restore", "wlg-1", "--reason", "mended")
    assert restored.output == "restored wlg-1\n"
    assert admin.context.keeper.overrides() == ()


async def test_a_datacentre_is_drained_for_one_group_or_for_all(admin: RunningAdmin, run: Run) -> None:
    assert (await run("drain", "auckland", "--reason", "r")).output.startswith("drained auckland until it is lifted")
    assert (await run("restore", "auckland", "--reason", "r")).exit_code == 0
    one = await run("drain", "auckland", "--group", "website", "--reason", "r")
    assert one.output.startswith("drained auckland (website) until it is lifted")


async def test_a_safety_rule_refuses_until_it_is_forced(admin: RunningAdmin, run: Run) -> None:
    refused = await run("drain", "akl-1", "--reason", "r")
    assert refused.exit_code == 1
    assert "force" in refused.stderr
    assert (await run("drain", "akl-1", "--reason", "r", "--force")).exit_code == 0


async def test_overrides_are_listed_and_lifted(admin: RunningAdmin, run: Run) -> None:
    assert (await run("overrides")).output == "nothing is overridden\n"
    await run("drain", "wlg-1", "--reason", "new kernel")
    await run("weights", "website", "auckland=10", "--reason", "try")
    headings, drain, weights = (await run("overrides")).output.splitlines()
    assert headings.split() == ["ID", "KIND", "TARGET", "OWNER", "SINCE", "EXPIRES", "REASON"]
    assert drain.split()[1:4] == ["drain", "wlg-1", "local"]
    assert drain.endswith("new kernel")
    assert "website" in weights
    assert "auckland=10" in weights
    id = drain.split()[0]
    lifted = await run("overrides", "--lift", id, "--reason", "done")
    assert lifted.output == f"lifted {id}: drain wlg-1\n"
    assert [override.kind for override in admin.context.keeper.overrides()] == ["weights"]


async def test_the_audit_shows_the_newest_first(admin: RunningAdmin, run: Run) -> None:
    assert (await run("audit")).output == "no changes\n"
    await run("drain", "wlg-1", "--reason", "first")
    await run("restore", "wlg-1", "--reason", "second")
    _, second, first = (await run("audit", "--since", "1h")).output.splitlines()
    assert second.endswith("override.restore  wlg-1   second")
    assert first.split()[2:6] == ["local", "127.0.0.1", "override.drain", "wlg-1"]


# Explain.


async def test_explain_says_where_a_request_would_go_with_every_step(admin: RunningAdmin, run: Run) -> None:
    result = await run("explain", "https://www.agency.example/news?a=1", "--client", "192.0.2.7", "-H", "Accept: a")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[0].endswith(": weights")
    assert lines[1] == "service www, group website, pool web"
    assert "*  weights         wellington 50.0%, auckland 50.0%" in lines
    assert lines[-3].split() == ["DATACENTRE", "STATE", "SHARE", "WEIGHT", "HEALTH", "RAMP", "NODES", "SKIPPED"]


async def test_explain_of_what_no_node_may_serve_is_a_no(admin: RunningAdmin, run: Run) -> None:
    result = await run("explain", "https://stack-dr.cwp.example/", "--client", "192.0.2.7")
    assert result.exit_code == 1
    assert result.output.startswith("no node: not_allowed\n")


async def test_explain_of_a_node_says_why_it_is_out_and_what_brings_it_back(admin: RunningAdmin, run: Run) -> None:
    await run("eject", "wlg-1", "--reason", "broken", "--expires", "1h")
    for number in range(3):
        admin.context.keeper.checked("akl-1", False, f"connection refused, {number}")  # type: ignore[attr-defined]
    ours = (await run("explain", "--node", "wlg-1")).output.splitlines()
    assert ours[0].startswith("wlg-1 (web, wellington) ejected since 2023-11-14 22:13:20Z by override")
    assert "restore" in ours[-1]
    seen = (await run("explain", "--node", "akl-1")).output
    assert "akl-1 (web, auckland)" in seen
    assert "connection refused, 2" in seen


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://www.example/a/b?c=d#e", ("www.example", "/a/b?c=d")),
        ("http://WWW.example:8080", ("www.example", "/")),
        ("www.example/a", ("www.example", "/a")),
    ],
)
def test_a_url_is_a_host_and_a_path(url: str, expected: tuple[str, str]) -> None:
    assert split(url) == expected


# How it looks.


def test_weights_are_numbers_by_datacentre() -> None:
    assert parse(["a=1", "b=0.5", "c=0"]) == {"a": 1.0, "b": 0.5, "c": 0.0}
    with pytest.raises(SteerError):
        parse(["=1"])


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59, "59 s"), (60, "1 min"), (3725, "1 h 2 min"), (90061, "1 d 1 h"), (86400, "1 d")],
)
def test_a_duration_is_said_in_its_two_largest_units(seconds: float, text: str) -> None:
    assert output.duration(seconds) == text


@pytest.mark.parametrize(("share", "text"), [(0, "0 %"), (0.001, "<1 %"), (0.5, "50 %"), (0.125, "12 %"), (1, "100 %")])
def test_a_small_share_is_not_called_none(share: float, text: str) -> None:
    assert output.percent(share) == text


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert output.aligned([["a", "bb", "c"], ["aaa", "b"]]) == ["a    bb  c", "aaa  b"]


TABLE = "from steer.cli.output import show_table; show_table(('name', 'state'), [('wlg-1', 'ejected')])"


def test_a_pipe_gets_plain_text() -> None:
    shown = subprocess.run([sys.executable, "-c", TABLE], capture_output=True, text=True, check=True).stdout
    assert shown == "NAME   STATE\nwlg-1  ejected\n"


def test_a_terminal_gets_colour(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    environment = {name: text for name, text in os.environ.items() if name != "NO_COLOR"} | {"TERM": "xterm"}
    subprocess.run([sys.executable, "-c", TABLE], stdout=theirs, check=True, env=environment)
    os.close(theirs)
    shown = os.read(ours, 10_000).decode()
    os.close(ours)
    assert "\x1b[31mejected" in shown


async def test_a_store_check_without_engines_says_that_there_are_none(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "steer.yaml"
    path.write_text("""\
version: 1
edge: {name: edge-a}
listeners: [{name: http, bind: "127.0.0.1:8080"}]
datacentres: {one: {id: 1}}
pools: {web: {nodes: {one: [{name: one-1, address: "http://127.0.0.1:8101"}]}}}
groups: {website: {mode: active-active, weights: {one: 1}}}
services: {www: {hostnames: [www.example], group: website, routes: [{path: /, pool: web}]}}
""")
    done = await run("store", "check", str(path))
    assert done.exit_code == 0
    assert done.output.startswith("no datacentre has a redis: ")
