"""What the suites make of a tool's words. The tools themselves run in `scripts/compliance`."""

from __future__ import annotations

import pytest

from compliance.__main__ import SUITES, options, status
from compliance.render import render
from compliance.report import Cell, Report, Row, SuiteResult
from compliance.suites import Broken, autobahn, slow, tls
from compliance.suites.clients import rows_of

GOOD = {"behavior": "OK", "behaviorClose": "OK"}
STRICTLESS = {"behavior": "NON-STRICT", "behaviorClose": "OK"}
BAD = {"behavior": "FAILED", "behaviorClose": "OK"}
UNCLEAN = {"behavior": "OK", "behaviorClose": "UNCLEAN"}


def report(*suites: SuiteResult) -> Report:
    return Report(started="2026-01-01T00:00:00", commit="c", changed=False, machine={}, versions={}, suites=suites)


def suite(passed: bool | None, skipped: str | None = None) -> SuiteResult:
    rows = () if skipped else (Row(check="it works", cells={"steer": Cell(passed=passed, words="a | b")}),)
    return SuiteResult(name="one", title="One", tool="tool 1", skipped=skipped, rows=rows)


# Autobahn...


@pytest.mark.parametrize(
    ("alone", "through", "worse"),
    [
        (GOOD, GOOD, []),
        (GOOD, STRICTLESS, ["1.1"]),
        (STRICTLESS, STRICTLESS, []),
        (STRICTLESS, GOOD, []),
        (GOOD, UNCLEAN, ["1.1"]),
        (BAD, BAD, []),
        (STRICTLESS, BAD, ["1.1"]),
    ],
)
def test_a_proxy_may_fail_what_the_backend_fails_and_nothing_else(
    alone: dict[str, str], through: dict[str, str], worse: list[str]
) -> None:
    assert autobahn.worse_than({"1.1": alone}, {"1.1": through}) == worse
    (row,) = autobahn.rows({"backend": {"1.1": alone}, "steer": {"1.1": through}})
    assert row.cells["backend"].passed is None
    assert row.cells["steer"].passed is (not worse)


def test_a_case_that_did_not_run_is_worse() -> None:
    assert autobahn.worse_than({"1.1": GOOD, "1.2": BAD}, {"1.1": GOOD}) == ["1.2"]


# slowhttptest...


def looks(*answers: str) -> str:
    return "".join(f"\x1b[1;32mservice available: \x1b[0m  \x1b[1;32m{answer}\x1b[0m\n" for answer in answers)


def test_the_service_is_available_when_the_tool_and_our_client_say_so() -> None:
    cell = slow.judge(looks("YES", "YES"), slow.Seen(asked=20, failed=0, slowest_s=0.1))
    assert (cell.passed, cell.words) == (True, "available at 2 of 2 looks; 20 of 20 served, the slowest in 100 ms")
    assert slow.judge(looks("YES", "NO"), slow.Seen(asked=20)).passed is False
    assert slow.judge(looks("YES"), slow.Seen(asked=20, failed=1)).passed is False


def test_a_tool_that_says_nothing_is_broken() -> None:
    with pytest.raises(Broken, match="said nothing"):
        slow.judge("usage: ...", slow.Seen(asked=1))


# sslyze...

VERDICT = """
 COMPLIANCE AGAINST TLS CONFIGURATION
 ------------------------------------
    Checking results against Mozilla's "intermediate" configuration.

    localhost:443: {}
"""


def test_sslyze_passes_a_server_that_complies() -> None:
    assert tls.judge(VERDICT.format("OK - Compliant."), 0).passed is True


def test_sslyze_says_what_it_objects_to() -> None:
    said = VERDICT.format("FAILED - Not compliant.\n        * tls_curves: {'X448'}\n        * ciphers: x")
    cell = tls.judge(said, 1)
    assert (cell.passed, cell.words) == (False, "tls_curves: {'X448'}; ciphers: x")


def test_sslyze_without_a_verdict_is_broken() -> None:
    with pytest.raises(Broken, match="no verdict"):
        tls.judge("could not connect", 1)


# Clients...


def test_a_check_that_one_target_lacks_is_a_row_with_one_cell() -> None:
    rows = rows_of("curl", {"haproxy": {"up": (True, "x")}, "steer": {"runs": (False, "crashed")}})
    assert [(row.check, row.cells) for row in rows] == [
        ("curl: up", {"haproxy": Cell(passed=True, words="ok")}),
        ("curl: runs", {"steer": Cell(passed=False, words="crashed")}),
    ]


# The report...


def test_the_exit_status_tells_failed_from_skipped_from_passed() -> None:
    good, bad, skipped = suite(True), suite(False), suite(None, skipped="no Python 2.7")
    assert status(report(good)) == 0
    assert status(report(good, bad, skipped)) == 1
    assert status(report(good, skipped)) == 3


def test_a_failure_of_a_peer_is_not_ours() -> None:
    row = Row(check="x", cells={"haproxy": Cell(passed=False, words="no"), "steer": Cell(passed=True, words="ok")})
    assert status(report(SuiteResult(name="one", title="One", rows=(row,)))) == 0


def test_the_table_says_what_failed_and_what_was_skipped() -> None:
    text = render(report(suite(False), suite(None, skipped="no Python 2.7")))
    assert "| it works | **fails**: a \\| b |" in text
    assert "Skipped: no Python 2.7" in text
    assert "steer fails 1 checks. 1 suites were skipped, or parts of them." in text


def test_what_ran_of_a_suite_is_told_beside_what_did_not() -> None:
    part = suite(True).model_copy(update={"skipped": "chromium: not installed"})
    text = render(report(part))
    assert "Skipped: chromium: not installed" in text
    assert "| it works | a \\| b |" in text
    assert status(report(part)) == 3


def test_an_unknown_suite_is_refused_with_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        options(["autobarn"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "no suite autobarn" in said
    assert all(name in said for name in SUITES)
